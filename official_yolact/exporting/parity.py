"""How far the detections of an export are from those of its model, picture by picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import photo_masks

Row = Mapping[str, NDArray[Any]]
"""What `Predictor.detect` gives of a picture: `schema.Detections` without the batch, and `image_info`."""

_SAME_OBJECT = 0.5
"""Boxes of one class that overlap by this IoU are of one object."""

_TIE = 1e-4
"""Scores that differ by less are equal: rounding decides which comes first."""

_SLACK_PX = 0.05
"""Pixels by which the crop of a mask may be elsewhere, as its box is: pixels at its edge are in doubt."""

_SMALLEST_MASK = 50
"""Masks of fewer pixels are not compared: one pixel at their edge would be a hundredth of them."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an export may lose.

    Attributes:
      min_score: detections below it are not compared; one whose partner is below it is matched all the same.
      unmatched: largest share of missing, and of extra detections.
      box_px: largest distance of a side, in pixels of the photo.
      score: largest difference of a score or mask score.
      mask_iou: smallest IoU of two masks of at least 50 pixels.
      mean_mask_iou: smallest mean of these.
      ap_loss: largest loss of box AP and of mask AP.
    """

    min_score: float
    unmatched: float
    box_px: float
    score: float
    mask_iou: float
    mean_mask_iou: float
    ap_loss: float


_ANY = float("inf")
LIMITS = {
    "float32": Limits(0.0, 0.0, 0.05, 1e-3, 0.999, 0.999, 0.001),
    "float16": Limits(0.3, 0.05, _ANY, _ANY, 0.0, 0.95, 0.01),
    "dynamic": Limits(0.3, 0.25, _ANY, _ANY, 0.0, 0.85, 0.02),
    "int8": Limits(0.3, 0.25, _ANY, _ANY, 0.0, 0.85, 0.02),
}
"""By precision. Quantised weights are another network: how well that one finds things, only AP says."""

Candidates = Callable[[], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Gives what the model could have detected in a picture: boxes [A, 4] yxyx_px and scores [A, C-1]."""


class Comparison:
    """Collects the differences of pictures."""

    def __init__(self, limits: Limits, nms_iou: float = _SAME_OBJECT) -> None:
        """Begin without pictures.

        Args:
          limits: what the export may lose.
          nms_iou: beyond which suppression leaves out one of two boxes.
        """
        self._limits, self._nms_iou = limits, nms_iou
        self._counts = dict.fromkeys(("pictures", "detections", "matched", "missing", "extra", "tied"), 0)
        self._box_px, self._score, self._mask_iou = [0.0], [0.0], [1.0]

    def add(self, model: Row, export: Row, candidates: Candidates) -> None:
        """Compare the detections of one picture.

        Args:
          model: what the model found.
          export: what the export found.
          candidates: is called where boxes of one object differ, or an object is missing.
        """
        pairs = _match(model, export)
        pairs, tied = self._leave_out_ties(model, export, pairs, candidates)
        tied[0].update(self._find_doubtful(model, {i for i, _ in pairs} | tied[0], candidates))
        tied[1].update(self._find_doubtful(export, {j for _, j in pairs} | tied[1], candidates))
        missing, at_end = self._count_unmatched(model, export, {i for i, _ in pairs} | tied[0])
        extra, _ = self._count_unmatched(export, model, {j for _, j in pairs} | tied[1])
        shown = [(i, j) for i, j in pairs if self._is_shown(model, i) or self._is_shown(export, j)]
        self._measure(model, export, shown)
        self._counts["pictures"] += 1
        self._counts["matched"] += len(shown)
        self._counts["detections"] += sum(self._is_shown(model, i) for i in range(_count(model)))
        self._counts["missing"] += missing
        self._counts["extra"] += extra
        self._counts["tied"] += sum(self._is_shown(model, i) for i in tied[0]) + at_end

    def summary(self) -> dict[str, Any]:
        """Give all numbers, as JSON has them."""
        return {
            **self._counts,
            "box_px": round(max(self._box_px), 5),
            "score": round(max(self._score), 7),
            "mask_iou": round(min(self._mask_iou), 5),
            "mean_mask_iou": round(float(np.mean(self._mask_iou)), 5),
        }

    def find_faults(self) -> list[str]:
        """List what is beyond the limits, one line each."""
        limits, found = self._limits, self.summary()
        faults = []
        for name in ("missing", "extra"):
            share = found[name] / max(found["detections"], 1)
            if share > limits.unmatched:
                faults.append(
                    f"{found[name]} of {found['detections']} detections are {name} (at most"
                    f" {limits.unmatched:.0%})"
                )
        for name, unit in (("box_px", " px"), ("score", "")):
            if found[name] > getattr(limits, name):
                faults.append(f"{name} differs by {found[name]}{unit} (at most {getattr(limits, name)})")
        for name in ("mask_iou", "mean_mask_iou"):
            if found[name] < getattr(limits, name):
                faults.append(f"{name} is {found[name]} (at least {getattr(limits, name)})")
        return faults

    def _is_shown(self, row: Row, index: int) -> bool:
        return bool(row["detection_scores"][index] >= self._limits.min_score)

    def _count_unmatched(self, row: Row, other: Row, known: set[int]) -> tuple[int, int]:
        """Count what has no partner in the other list, though there is room for it, and what has no room.

        The other list has no room where it is full and its last score is higher or equal.
        """
        is_full = _count(other) == len(other["detection_scores"])
        last = other["detection_scores"][-1] + _TIE if is_full else -1.0
        alone = [i for i in range(_count(row)) if i not in known and self._is_shown(row, i)]
        unmatched = sum(bool(row["detection_scores"][index] > last) for index in alone)
        return unmatched, len(alone) - unmatched

    def _leave_out_ties(
        self, model: Row, export: Row, pairs: list[tuple[int, int]], candidates: Candidates
    ) -> tuple[list[tuple[int, int]], tuple[set[int], set[int]]]:
        """Leave out pairs whose boxes differ since another anchor of equal score was taken for the object."""
        far = [
            (i, j)
            for i, j in pairs
            if _distance(model["detection_boxes"][i], export["detection_boxes"][j]) > self._limits.box_px
            and abs(model["detection_scores"][i] - export["detection_scores"][j]) <= _TIE
        ]
        if not far:
            return pairs, (set(), set())
        boxes, scores = candidates()
        tied = []
        for i, j in far:
            of_class = scores[:, int(export["detection_classes"][j]) - 1]
            same = np.abs(boxes - export["detection_boxes"][j]).max(axis=1) <= self._limits.box_px
            if (same & (np.abs(of_class - export["detection_scores"][j]) <= _TIE)).any():
                tied.append((i, j))
        kept = [pair for pair in pairs if pair not in tied]
        return kept, ({i for i, _ in tied}, {j for _, j in tied})

    def _find_doubtful(self, row: Row, known: set[int], candidates: Candidates) -> list[int]:
        """Find detections without a partner of which rounding decides whether suppression leaves them out.

        That is so where an anchor of equal score overlaps the detection's by more than suppression allows,
        for the first of the two suppresses the other, be it suppressed itself or not; and where the overlap
        with a better one is as large as suppression just allows.
        """
        alone = [index for index in range(_count(row)) if index not in known and self._is_shown(row, index)]
        if not alone:
            return []
        boxes, scores = candidates()
        doubtful = []
        for index in alone:
            of_class = scores[:, int(row["detection_classes"][index]) - 1]
            gap = of_class - row["detection_scores"][index]  # [A]
            own = (np.abs(boxes - row["detection_boxes"][index]).max(axis=1) <= _SLACK_PX) & (
                np.abs(gap) <= _TIE
            )
            overlaps = _iou(row["detection_boxes"][[index]], boxes)[0]  # [A]
            is_equal = (np.abs(gap) <= _TIE) & (overlaps > self._nms_iou - _TIE)
            is_just_allowed = (gap > _TIE) & (np.abs(overlaps - self._nms_iou) <= _TIE)
            if own.any() and ((is_equal | is_just_allowed) & ~own).any():
                doubtful.append(index)
        return doubtful

    def _measure(self, model: Row, export: Row, pairs: list[tuple[int, int]]) -> None:
        far = [_distance(model["detection_boxes"][i], export["detection_boxes"][j]) for i, j in pairs]
        self._box_px += far
        for i, j in pairs:
            for name in ("detection_scores", "detection_mask_scores"):
                self._score.append(abs(float(model[name][i]) - float(export[name][j])))
        ours = [i for i, _ in pairs]
        # What cuts a mask at the size of its photo moves with its box.
        slack = np.minimum(far, _SLACK_PX)[:, np.newaxis]  # [pairs, 1]
        sure, possible = (_windows(model, ours, 0.5 + way * _TIE, -way * slack) for way in (1, -1))
        theirs = _windows(export, [j for _, j in pairs])
        for least, most, other in zip(sure, possible, theirs, strict=True):
            if max(most.mask.sum(), other.mask.sum()) > _SMALLEST_MASK:
                self._mask_iou.append(_overlap(least, most, other))


def _count(row: Row) -> int:
    return int(row["num_detections"])


def _distance(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    return float(np.abs(one - other).max())


def _windows(
    row: Row, chosen: list[int], threshold: float = 0.5, wider: NDArray[np.floating[Any]] | float = 0.0
) -> list[photo_masks.Window]:
    """Resample masks; `wider` [N, 1] is in pixels, by which the crops of those that have any are widened."""
    crops = None
    if photo_masks.CROPS in row:
        crops = row[photo_masks.CROPS][chosen] + np.array([-1, -1, 1, 1]) * wider
    soft = row["detection_masks"][chosen]
    return list(photo_masks.find_windows(soft, row["image_info"], threshold, crops))


def _match(model: Row, export: Row) -> list[tuple[int, int]]:
    """Pair detections of one class, those that overlap most first."""
    ours, theirs = _count(model), _count(export)
    overlaps = _iou(model["detection_boxes"][:ours], export["detection_boxes"][:theirs])
    same = model["detection_classes"][:ours, np.newaxis] == export["detection_classes"][np.newaxis, :theirs]
    overlaps = np.where(same, overlaps, 0.0)  # [ours, theirs]
    order = np.argsort(-overlaps, axis=None, kind="stable")
    pairs: list[tuple[int, int]] = []
    left, right = set(range(ours)), set(range(theirs))
    for i, j in zip(*np.unravel_index(order, overlaps.shape), strict=True):
        if overlaps[i, j] < _SAME_OBJECT:
            break
        if i in left and j in right:
            left.remove(int(i))
            right.remove(int(j))
            pairs.append((int(i), int(j)))
    return pairs


def _iou(ours: NDArray[np.floating[Any]], theirs: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Compute IoUs [M, N] of boxes [M, 4] and [N, 4]; equal boxes without area have 1."""
    one, other = ours[:, np.newaxis].astype(np.float64), theirs[np.newaxis].astype(np.float64)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.maximum(sides, 0.0).prod(axis=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clip(0.0).prod(axis=-1) for boxes in (one, other)]
    union = areas[0] + areas[1] - shared
    # A box at the border may be cut to nothing. [M, N]
    near = np.abs(one - other).max(axis=-1) <= _SAME_OBJECT
    return np.where(near & (union < 1.0), 1.0, shared / np.maximum(union, 1e-12))


def _overlap(least: photo_masks.Window, most: photo_masks.Window, other: photo_masks.Window) -> float:
    """Compute the IoU of a mask with the nearest one that has all of `least` and nothing beyond `most`."""
    parts = (least, most, other)
    top, left = (min(part[axis] for part in parts) for axis in (0, 1))
    bottom, right = (max(part[axis] + part.mask.shape[axis] for part in parts) for axis in (0, 1))
    drawn = np.zeros((3, bottom - top, right - left), np.bool_)
    for whole, part in zip(drawn, parts, strict=True):
        height, width = part.mask.shape
        whole[part.top - top :, part.left - left :][:height, :width] = part.mask
    nearest = (drawn[2] & drawn[1]) | drawn[0]
    return int((nearest & drawn[2]).sum()) / max(int((nearest | drawn[2]).sum()), 1)


def find_losses(model: Mapping[str, float], export: Mapping[str, float], limits: Limits) -> list[str]:
    """List what an export loses of the model's AP beyond the limits, one line each."""
    return [
        f"{name} is {export[name]:.4f}, and {model[name]:.4f} of the model (at most {limits.ap_loss} less)"
        for name in ("box_AP", "mask_AP")
        if name in model and model[name] - export[name] > limits.ap_loss
    ]
