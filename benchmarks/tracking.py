"""Follow generated objects through generated videos, and count what the tracker takes for another object.

python benchmarks/tracking.py [--seeds 5] [--frames 200]

Prints one JSON object. In each video twelve objects of two classes cross one another, most of them in the
middle; the camera swings, trembles and is knocked. A detection is missing (10 %), doubtful (20 %: a score
from 0.1 to 0.3), or of nothing (in each fifth frame); boxes are off by 3 % of their sides. Switches of
identity and IDF1 are counted here, by SciPy's assignment. `possible_IDF1` is what numbers without a mistake
would have, for an object that is not detected has none. `plain` is a greedy tracker on the overlap with the
last box.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import tracking

HEIGHT, WIDTH, COUNT = 360, 480, 12
DROPPED, DOUBTFUL, FALSE = 0.1, 0.2, 0.2


@dataclasses.dataclass
class Frame:
    """One frame: what is in it, and what a detector finds."""

    identities: list[int]
    boxes: Any  # of what can be seen, float [N, 4] yxyx_px
    detections: detections_lib.Detections


def make_video(seed: int, frames: int = 200, camera: bool = True) -> Iterator[Frame]:
    """Make a video; objects near the end of the list lie above the others."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(36, 80, (COUNT, 2))
    angles = 2 * np.pi * (np.arange(COUNT) + rng.uniform(0, 0.8, COUNT)) / COUNT
    away = np.stack([np.sin(angles) * 0.42 * HEIGHT, np.cos(angles) * 0.42 * WIDTH], 1)  # [N, 2]
    through = rng.uniform(-0.18, 0.18, (COUNT, 2)) * [HEIGHT, WIDTH]
    speed = 2 * rng.uniform(0.8, 1.2, (COUNT, 1)) * (through - away) / frames
    classes = rng.integers(1, 3, COUNT)
    knock = np.zeros(2)
    for at in range(frames):
        if camera and at % 40 == 39:
            knock = rng.uniform(-30, 30, 2)
        swing = np.array([10 * np.sin(at / 17), 30 * np.sin(at / 25)]) + rng.normal(0, 2, 2)
        centers = away + speed * at + [HEIGHT / 2, WIDTH / 2] + (swing + knock if camera else 0)
        masks = draw_visible(centers, sizes)
        full = np.pi / 4 * sizes.prod(axis=1)
        seen = np.flatnonzero(masks.sum(axis=(1, 2)) >= 0.25 * full)
        boxes = np.array([find_box(masks[index]) for index in seen]).reshape(-1, 4)
        yield Frame([int(i) for i in seen], boxes, detect(rng, boxes, classes[seen], masks[seen]))


def draw_visible(centers: Any, sizes: Any) -> Any:
    """Draw ellipses [N, H, W], each without what lies above it."""
    rows, columns = np.arange(HEIGHT)[:, np.newaxis] + 0.5, np.arange(WIDTH) + 0.5
    masks = np.zeros((len(centers), HEIGHT, WIDTH), np.bool_)
    for index, ((y, x), (height, width)) in enumerate(zip(centers, sizes, strict=True)):
        masks[index] = ((rows - y) * 2 / height) ** 2 + ((columns - x) * 2 / width) ** 2 <= 1
        masks[:index] &= ~masks[index]
    return masks


def find_box(mask: Any) -> list[float]:
    """Find the yxyx box of a mask with a pixel."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


def detect(rng: Any, boxes: Any, classes: Any, masks: Any) -> detections_lib.Detections:
    """Find what a middling detector finds."""
    kept = rng.random(len(boxes)) >= DROPPED
    boxes, classes, masks = boxes[kept], classes[kept], masks[kept]
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = boxes + rng.normal(0, 0.03, boxes.shape) * sides
    scores = rng.uniform(0.4, 1.0, len(boxes))
    doubtful = rng.random(len(boxes)) < DOUBTFUL
    scores[doubtful] = rng.uniform(0.1, 0.3, int(doubtful.sum()))
    if rng.random() < FALSE:
        corner, sides = rng.uniform(0, [HEIGHT - 80, WIDTH - 80]), rng.uniform(30, 80, 2)
        mask = np.zeros((1, HEIGHT, WIDTH), np.bool_)
        top, left, bottom, right = np.concatenate([corner, corner + sides]).astype(int)
        mask[0, top:bottom, left:right] = True
        boxes, masks = np.concatenate([boxes, [[top, left, bottom, right]]]), np.concatenate([masks, mask])
        classes, scores = np.append(classes, rng.integers(1, 3)), np.append(scores, rng.uniform(0.3, 0.5))
    found = detections_lib.Detections(
        image=np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        boxes=boxes.astype(np.float32),
        scores=scores.astype(np.float32),
        mask_scores=scores.astype(np.float32),
        classes=classes.astype(np.int32),
        category_ids=classes.astype(np.int64),
        names=["ab"[number - 1] for number in classes],
        masks=masks,
    )
    return found.select(np.argsort(-scores, kind="stable"))


def measure_overlaps(one: Any, other: Any) -> Any:
    """Measure the intersection over union of boxes, [N, M]."""
    table = np.zeros((len(one), len(other)))
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            common = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
            table[i, j] = common / (sum(areas) - common)
    return table


class Account:
    """Counts of one video. Source: CLEAR MOT (Bernardin, 2008) and IDF1 (Ristani et al., 2016)."""

    def __init__(self) -> None:
        self.switches = self.objects = self.numbered = self.detected = 0
        self.last: dict[int, int] = {}
        self.together: dict[tuple[int, int], int] = {}

    def add(self, frame: Frame, boxes: Any, numbers: Any) -> None:
        """Add a frame with the numbered boxes of a tracker."""
        from scipy.optimize import linear_sum_assignment

        boxes, numbers = boxes[numbers > 0], numbers[numbers > 0]
        overlaps = measure_overlaps(frame.boxes, boxes)
        self.objects += len(frame.boxes)
        self.numbered += len(boxes)
        close = measure_overlaps(frame.boxes, frame.detections.boxes) >= 0.5
        self.detected += int(close[linear_sum_assignment(-close.astype(float))].sum())
        for i, j in np.argwhere(overlaps >= 0.5):
            pair = (frame.identities[i], int(numbers[j]))
            self.together[pair] = self.together.get(pair, 0) + 1
            overlaps[i, j] += self.last.get(pair[0]) == pair[1]  # who were a pair stay one
        for i, j in zip(*linear_sum_assignment(-np.where(overlaps >= 0.5, overlaps, 0)), strict=True):
            if overlaps[i, j] >= 0.5:
                identity, number = frame.identities[i], int(numbers[j])
                self.switches += self.last.get(identity, number) != number
                self.last[identity] = number

    def summarize(self) -> dict[str, float]:
        """Compute the figures."""
        from scipy.optimize import linear_sum_assignment

        identities, numbers = (sorted({pair[axis] for pair in self.together}) for axis in (0, 1))
        table = np.array([[self.together.get((i, n), 0) for n in numbers] for i in identities])
        right = int(table[linear_sum_assignment(-table)].sum())
        return {
            "switches": self.switches,
            "IDF1": 2 * right / (self.objects + self.numbered),
            "possible_IDF1": 2 * self.detected / (self.objects + self.detected),
        }


class PlainTracker:
    """Gives each detection from 0.3 on the number of the last box that it overlaps most."""

    def __init__(self) -> None:
        self.boxes: dict[int, Any] = {}
        self.missed: dict[int, int] = {}
        self.count = 0

    def update(self, detections: detections_lib.Detections) -> detections_lib.Detections:
        found = detections.select(detections.scores >= 0.3)
        keys = list(self.boxes)
        table = measure_overlaps([self.boxes[key] for key in keys], found.boxes)
        numbers = np.zeros(len(found), np.int64)
        while table.size and table.max() >= 0.3:
            i, j = np.unravel_index(np.argmax(table), table.shape)
            numbers[j] = keys[i]
            table[i], table[:, j] = 0, 0
        for j in np.flatnonzero(numbers == 0):
            self.count += 1
            numbers[j] = self.count
        self.missed = {key: missed + 1 for key, missed in self.missed.items() if missed < 30}
        for number, box in zip(numbers, found.boxes, strict=True):
            self.boxes[int(number)], self.missed[int(number)] = box, 0
        self.boxes = {key: box for key, box in self.boxes.items() if key in self.missed}
        return dataclasses.replace(found, track_ids=numbers)


def follow(make: Callable[[], Any], seed: int, frames: int, camera: bool) -> dict[str, float]:
    """Follow one video."""
    tracker, account, milliseconds = make(), Account(), []
    for frame in make_video(seed, frames, camera):
        start = time.process_time()
        found = tracker.update(frame.detections)
        milliseconds.append(1e3 * (time.process_time() - start))
        account.add(frame, found.boxes, found.track_ids)
    return {**account.summarize(), "ms_a_frame": statistics.median(milliseconds)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=200)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for camera in (False, True):
        for name, make in (("plain", PlainTracker), ("tracker", tracking.Tracker)):
            videos = [follow(make, seed, options.frames, camera) for seed in range(options.seeds)]
            means = {key: round(statistics.mean(video[key] for video in videos), 3) for key in videos[0]}
            label = f"{'camera moves' if camera else 'camera still'}, {name}"
            results[label] = {**means, "switches_of_each": [video["switches"] for video in videos]}
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    device = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"versions": versions, "device": device, "results": results}, indent=1))


if __name__ == "__main__":
    main()
