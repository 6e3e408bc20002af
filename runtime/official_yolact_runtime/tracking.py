"""Objects followed from frame to frame, each under a number of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import arguments
from official_yolact_runtime import assignment
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import mask_windows

SCORE_THRESHOLD = 0.3
DOUBTFUL_THRESHOLD = 0.1

_LEAST_OVERLAP, _LEAST_OVERLAP_DOUBTFUL, _LEAST_PART = 0.2, 0.35, 0.5
_DRIFT, _MAX_DRIFT = 0.04, 0.4
"""Of an object that was not seen: by how much of its sides boxes are enlarged, for each frame and at most."""
_MEASURED, _STEP, _TURN = 0.05**2, 0.03**2, 0.01**2
"""Variances, in parts of the object's side: of a detected place, of an unforeseen step, of the speed."""
_HIDDEN = 20.0
"""How much larger the first variance is where another box covers the whole box."""
_RECENT, _MIN_SHARED, _MAX_VOTES = 5, 3, 200
"""For the camera: frames since a track was found, tracks that must move alike, shifts that are tried."""

Floats = NDArray[np.float64]


@dataclasses.dataclass(eq=False)
class _Track:
    """One object.

    Attributes:
      number: of a class, from 1.
      state: float64 [2, 4]; centre y, centre x, height and width in pixels, and what they change in a frame.
      window: its mask when it was last seen.
      seen_at: box yxyx_px of that window.
      variance: float64 [2, 2] of place and speed, as parts of the object's side.
      identity: from 1; 0 until it is confirmed.
      hits: frames in which it was found.
      missed: frames since it was found last.
    """

    number: int
    state: Floats
    window: mask_windows.Window
    seen_at: Floats
    variance: Floats = dataclasses.field(default_factory=lambda: np.diag([_MEASURED, 0.1**2]))
    identity: int = 0
    hits: int = 1
    missed: int = 0

    def predict(self) -> None:
        """Move on by a frame, at the speed that it has."""
        self.state[0] += self.state[1]
        step = np.array([[1.0, 1.0], [0.0, 1.0]])
        self.variance = step @ self.variance @ step.T + np.diag([_STEP, _TURN])
        self.missed += 1

    def update(self, box: Floats, window: mask_windows.Window, hidden: float) -> None:
        """Correct place and speed by the box in which it was found: a Kalman filter of constant speed.

        Args:
          box: yxyx_px.
          window: its mask.
          hidden: part of the box that other boxes cover; the more, the less the box says.
        """
        gain = self.variance[:, 0] / (self.variance[0, 0] + _MEASURED * (1 + _HIDDEN * hidden))  # [2]
        self.state += gain[:, np.newaxis] * (_to_centers(box) - self.state[0])  # [2, 4]
        self.state[1, 2:] = 0.0  # where an object is hidden more and more, its box shrinks and it does not
        self.variance = self.variance - np.outer(gain, self.variance[0])
        self.window, self.seen_at = window, box
        self.hits, self.missed = self.hits + 1, 0

    def place_window(self) -> mask_windows.Window:
        """Move its last mask to where it is now."""
        down, right = np.rint(self.state[0, :2] - _to_centers(self.seen_at)[:2]).astype(int)
        return self.window._replace(top=self.window.top + int(down), left=self.window.left + int(right))


class Tracker:
    """Gives the detections of one video the numbers of the objects that they show.

    Each frame, detections are assigned to the places where the objects known so far are expected: each moves
    on at its speed, and all by what the camera seems to have moved. First come the detections from the score
    threshold on, then the doubtful ones, which can only go on with an object. An object keeps its class.
    Equal frames give equal numbers, and a number is never used again.

    Source: the two stages are those of ByteTrack (Zhang et al., 2022). It knows boxes only; here the masks
    decide where boxes of several objects overlap, and the camera's motion comes from the boxes alone.
    """

    def __init__(
        self,
        score_threshold: float = SCORE_THRESHOLD,
        doubtful_threshold: float = DOUBTFUL_THRESHOLD,
        confirm_after: int = 2,
        lost_after: int = 60,
    ) -> None:
        """Begin a video.

        Args:
          score_threshold: a detection from it on can begin an object.
          doubtful_threshold: a detection from it on can go on with an object.
          confirm_after: frames in a row in which an object is found before it has a number.
          lost_after: an object that was not found in more frames in a row than this has ended.

        Raises:
          TypeError: an argument is of another type.
          ValueError: it is out of its range.
        """
        self._threshold = arguments.check_score_threshold(score_threshold)
        self._doubtful = arguments.check_score_threshold(doubtful_threshold)
        self._confirm_after = arguments.check_count("confirm_after", confirm_after)
        self._lost_after = arguments.check_count("lost_after", lost_after)
        self._tracks: list[_Track] = []
        self._last_identity = 0
        self._size: tuple[int, ...] = ()

    @property
    def num_identities(self) -> int:
        """Objects that were given a number so far."""
        return self._last_identity

    def restart(self) -> None:
        """Begin another video: all objects have ended, and their numbers are not used again."""
        self._tracks = []

    def update(self, detections: detections_lib.Detections) -> detections_lib.Detections:
        """Follow the objects into the next frame.

        Args:
          detections: of the frame, with those from the doubtful threshold on. A frame of another size than
            the one before ends all objects, for it belongs to another video.

        Returns:
          Those from the score threshold on, and the doubtful ones that go on with an object, in their order,
            with `track_ids`: 0 of one that may be the beginning of an object.
        """
        if detections.image.shape != self._size:
            self.restart()
            self._size = detections.image.shape
        boxes = detections.boxes.astype(np.float64)
        # Like the Predictor, which shows what passes by class score and by mask score.
        scores = np.minimum(detections.scores, detections.mask_scores)
        sure = scores >= self._threshold
        doubtful = ~sure & (scores >= self._doubtful)
        # Copies, for a part of a mask would keep the whole.
        windows = [window._replace(mask=window.mask.copy()) for window in detections.windows]
        hidden = _find_hidden(boxes)
        self._move_on(boxes, detections.classes)
        taken: dict[int, _Track] = {}

        def assign(known: bool, chosen: NDArray[np.bool_], least: float, of_smaller: bool = False) -> None:
            waiting = [track for track in self._tracks if track.missed and bool(track.identity) == known]
            rows = [int(row) for row in np.flatnonzero(chosen) if row not in taken]
            found = [windows[row] for row in rows]
            values = _compare(waiting, boxes[rows], detections.classes[rows], found, of_smaller)
            for track, row in assignment.assign(values, least):
                taken[rows[row]] = waiting[track]
                waiting[track].update(boxes[rows[row]], found[row], hidden[rows[row]])

        assign(True, sure, _LEAST_OVERLAP)
        assign(True, doubtful, _LEAST_OVERLAP_DOUBTFUL)
        assign(False, sure, _LEAST_OVERLAP)
        assign(True, sure, _LEAST_PART, of_smaller=True)  # what comes out from behind another object
        for row in np.flatnonzero(sure):
            if row not in taken:
                taken[int(row)] = self._begin(int(detections.classes[row]), boxes[row], windows[row])
        self._finish_frame([taken[row] for row in sorted(taken)])
        identities = np.array([taken[row].identity for row in sorted(taken)], np.int64)
        shown = detections if len(taken) == len(detections) else detections.select(sorted(taken))
        return shown.number(identities)

    def _move_on(self, boxes: Floats, classes: NDArray[np.int32]) -> None:
        """Move all tracks to where they are expected in a frame with these detections."""
        for track in self._tracks:
            track.predict()
        shift = _find_shift(self._tracks, boxes, classes)
        for track in self._tracks:
            track.state[0, :2] += shift

    def _begin(self, number: int, box: Floats, window: mask_windows.Window) -> _Track:
        track = _Track(number, np.stack([_to_centers(box), np.zeros(4)]), window, box)
        self._tracks.append(track)
        return track

    def _finish_frame(self, found: Sequence[_Track]) -> None:
        """Confirm those that were found often enough, and drop those that have ended."""
        for track in found:
            if not track.identity and track.hits >= self._confirm_after:
                self._last_identity += 1
                track.identity = self._last_identity
        self._tracks = [t for t in self._tracks if t.missed <= (self._lost_after if t.identity else 0)]


def _to_centers(boxes: Floats) -> Floats:
    """Convert yxyx [..., 4] to centre y, centre x, height, width."""
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], axis=-1)


def _compare(
    tracks: Sequence[_Track],
    boxes: Floats,
    classes: NDArray[np.int32],
    windows: Sequence[mask_windows.Window],
    of_smaller: bool,
) -> Floats:
    """Compare tracks and detections of one class, 0..1 [T, D]: boxes, and masks where boxes leave a choice.

    Args:
      tracks: T tracks, where they are expected.
      boxes: float64 [D, 4] yxyx_px.
      classes: of the detections.
      windows: their masks.
      of_smaller: compare the intersection of boxes with the smaller one, not with the union.
    """
    if not tracks or not len(boxes):
        return np.zeros((len(tracks), len(boxes)))
    states = np.stack([track.state[0] for track in tracks])[:, np.newaxis]  # [T, 1, 4]
    wider = 1 + 2 * np.minimum([(track.missed - 1) * _DRIFT for track in tracks], _MAX_DRIFT)
    scale = np.stack([np.ones(len(tracks))] * 2 + [wider] * 2, axis=-1)[:, np.newaxis]  # [T, 1, 4]
    values = _measure_overlaps(states * scale, _to_centers(boxes) * scale, of_smaller)
    values[_differ(tracks, classes)] = 0.0
    possible = values > 0
    several = possible & ((possible.sum(1, keepdims=True) > 1) | (possible.sum(0) > 1))
    for row, column in np.argwhere(several):
        masks = mask_windows.measure_overlap(tracks[row].place_window(), windows[column])
        values[row, column] = (values[row, column] + masks) / 2
    return values


def _differ(tracks: Sequence[_Track], classes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Find the pairs of different classes, [T, D]."""
    different: NDArray[np.bool_] = np.array([track.number for track in tracks])[:, np.newaxis] != classes
    return different


def _measure_overlaps(one: Floats, other: Floats, of_smaller: bool) -> Floats:
    """Measure the intersection of boxes (centre y, centre x, height, width) over union or smaller one."""
    last = np.minimum(one[..., :2] + one[..., 2:] / 2, other[..., :2] + other[..., 2:] / 2)
    first = np.maximum(one[..., :2] - one[..., 2:] / 2, other[..., :2] - other[..., 2:] / 2)
    common = np.maximum(last - first, 0).prod(axis=-1)
    areas = one[..., 2:].prod(axis=-1), other[..., 2:].prod(axis=-1)
    whole = np.minimum(*areas) if of_smaller else areas[0] + areas[1] - common
    overlaps: Floats = common / np.maximum(whole, 1e-9)
    return overlaps


def _find_hidden(boxes: Floats) -> Floats:
    """Find the part of each box yxyx [D, 4] that the one other box that covers most of it covers; [D]."""
    last = np.minimum(boxes[:, np.newaxis, 2:], boxes[:, 2:])  # [D, D, 2]
    first = np.maximum(boxes[:, np.newaxis, :2], boxes[:, :2])
    common = np.maximum(last - first, 0).prod(axis=-1)
    np.fill_diagonal(common, 0)
    parts: Floats = common.max(axis=1, initial=0.0) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-9)
    return parts


def _find_shift(tracks: Sequence[_Track], boxes: Floats, classes: NDArray[np.int32]) -> Floats:
    """Find the (down, right) in pixels that most tracks have moved beyond what was expected of them.

    Each pair of a track and a detection that could be one object proposes the shift between them. The shift
    that the most tracks agree with wins; none at all wins a tie.
    """
    seen = [track for track in tracks if track.missed <= _RECENT]
    if len(seen) < _MIN_SHARED or len(boxes) < _MIN_SHARED:
        return np.zeros(2)
    states, found = np.stack([track.state[0] for track in seen]), _to_centers(boxes)
    shifts = found[:, :2] - states[:, np.newaxis, :2]  # [T, D, 2]
    sides = [np.maximum(box[..., 2:], 1e-9) for box in (states[:, np.newaxis], found)]
    alike = (np.minimum(*sides) / np.maximum(*sides)).prod(axis=-1)
    alike[_differ(seen, classes)] = 0.0
    tolerance = 0.15 * np.sqrt(states[:, np.newaxis, 2] * states[:, np.newaxis, 3])  # [T, 1]

    def agree(shift: Floats) -> NDArray[np.bool_]:
        agreeing: NDArray[np.bool_] = (np.abs(shifts - shift).max(axis=-1) <= tolerance) & (alike > 0.5)
        return agreeing

    pairs = np.argwhere(alike > 0.5)
    best_first = np.argsort(-alike[tuple(pairs.T)], kind="stable")[:_MAX_VOTES]
    candidates = [np.zeros(2), *shifts[tuple(pairs[best_first].T)]]
    votes = [int(agree(shift).any(axis=1).sum()) for shift in candidates]
    winner = agree(candidates[int(np.argmax(votes))])
    if max(votes) < _MIN_SHARED:
        return np.zeros(2)
    shift: Floats = np.median(shifts[winner], axis=0)
    return shift
