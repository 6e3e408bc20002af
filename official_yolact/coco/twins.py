"""Objects of a file that are the same object: within an image, with the same mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from official_yolact.coco import box_forms
from official_yolact.coco import segmentations as segmentations_lib
from official_yolact_runtime import run_lengths

MIN_IOU = 0.95
"""Of the masks of two entries of one object."""

_MIN_BOX_IOU = 0.8
_MOST_NEIGHBOURS = 8
"""Later objects, sorted by their left edges, that one object is compared with."""

_MAX_DRAWN = 20_000
"""Masks of a file that are drawn; beyond that only segmentations that are written alike are found."""


@dataclasses.dataclass(frozen=True)
class Objects:
    """Objects in the order of a file, N of them.

    Attributes:
      images: int64 [N] which image each is of, by any number.
      boxes: float64 [N, 4] x0, y0, x1, y1 in pixels; one without area or with NaN has no twin.
      segmentations: as a file has them; of two objects without one the boxes are compared.
      sizes: float64 [N, 2] height and width of the image; NaN: only what is written alike is the same.
    """

    images: NDArray[np.int64]
    boxes: box_forms.Boxes
    segmentations: Sequence[Any]
    sizes: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Positions of two entries of one object, and whether their masks are the same to the pixel."""

    first: int
    second: int
    is_exact: bool


def find(objects: Objects) -> list[Pair]:
    """Find the entries that show the object of an earlier entry.

    Args:
      objects: of any number of images.

    Returns:
      Pairs of which the first comes earlier in the file, sorted; the work is linear in the objects unless
      many of them lie upon one another.
    """
    drawn = _Drawn(objects)
    found = []
    for first, second in _find_near(objects.images, objects.boxes).tolist():
        iou = drawn.compare(first, second)
        if iou >= MIN_IOU:
            has_mask = segmentations_lib.has_mask(objects.segmentations[first])
            found.append(Pair(first, second, has_mask and iou == 1.0))
    return found


def keep_first(pairs: Sequence[Pair]) -> list[Pair]:
    """Keep for each second entry the pair with the earliest first one."""
    earliest: dict[int, Pair] = {}
    for pair in pairs:
        earliest.setdefault(pair.second, pair)
    return sorted(earliest.values(), key=lambda pair: (pair.first, pair.second))


def _find_near(images: NDArray[np.int64], boxes: box_forms.Boxes) -> NDArray[np.int64]:
    """Find the positions [pairs, 2] of objects of one image whose boxes nearly agree, sorted."""
    with np.errstate(invalid="ignore"):
        usable = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1) & np.isfinite(boxes).all(axis=1))
    order = usable[np.lexsort((boxes[usable, 0], images[usable]))]
    images, boxes = images[order], boxes[order]
    reach = boxes[:, 0] + (1 - _MIN_BOX_IOU) * (boxes[:, 2] - boxes[:, 0])
    left, found = np.arange(len(order)), []
    hits = np.zeros(len(order), np.int64)
    for lag in range(1, len(order)):
        left = left[(left + lag < len(order)) & (hits[left] < _MOST_NEIGHBOURS)]
        right = left + lag
        # Sorted by the left edge, the next ones lie farther away still.
        near = (images[left] == images[right]) & (boxes[right, 0] <= reach[left])
        left, right = left[near], right[near]
        if not left.size:
            break
        agree = _iou(boxes[left], boxes[right]) >= _MIN_BOX_IOU
        hits[left[agree]] += 1
        found.append(np.stack([order[left[agree]], order[right[agree]]], axis=1))
    pairs = np.concatenate(found or [np.zeros((0, 2), np.int64)])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _iou(one: box_forms.Boxes, other: box_forms.Boxes) -> NDArray[np.float64]:
    """Compute the IoU [N] of boxes [N, 4] with area, row by row."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = sides.clip(min=0).prod(axis=1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (one, other)]
    return np.asarray(shared / (areas[0] + areas[1] - shared))


class _Drawn:
    """Masks of objects, each encoded once."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._codes: dict[int, run_lengths.Rle | None] = {}

    def compare(self, first: int, second: int) -> float:
        """Compute the IoU of two objects' masks, or of their boxes where neither has a mask."""
        own, other = (self._objects.segmentations[at] for at in (first, second))
        if not segmentations_lib.has_mask(own) or not segmentations_lib.has_mask(other):
            if segmentations_lib.has_mask(own) or segmentations_lib.has_mask(other):
                return 0.0
            boxes = self._objects.boxes
            return float(_iou(boxes[first : first + 1], boxes[second : second + 1])[0])
        if own == other:
            return 1.0
        codes = [self._encode(at) for at in (first, second)]
        if codes[0] is None or codes[1] is None:
            return 0.0
        return 1.0 if codes[0] == codes[1] else float(coco_mask.iou([codes[0]], [codes[1]], [0])[0, 0])

    def _encode(self, at: int) -> run_lengths.Rle | None:
        """Encode a mask; None where that is not possible, or too many have been drawn."""
        size = self._objects.sizes[at]
        if at not in self._codes and (len(self._codes) >= _MAX_DRAWN or not np.isfinite(size).all()):
            return None
        if at not in self._codes:
            try:
                code, _ = segmentations_lib.to_rle(
                    self._objects.segmentations[at], int(size[0]), int(size[1]), ""
                )
            except (ValueError, OverflowError):
                self._codes[at] = None
            else:
                self._codes[at] = code if coco_mask.area(code) else None
        return self._codes[at]
