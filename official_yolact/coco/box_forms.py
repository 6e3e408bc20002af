"""Boxes beside their masks: which of them disagree, and in which form a file seems to have written them."""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import polygons
from official_yolact.coco import segmentations
from official_yolact_runtime import values

Boxes = NDArray[np.float64]
"""[N, 4]: x0, y0, x1, y1 in pixels of the image, unless a name says otherwise."""

_TOLERANCE, _SHARE = 2.0, 0.05
_FORM_TOLERANCE, _FORM_SHARE = 1.5, 0.01
"""Pixels, and share of the mask's side, by which an edge of a box may be off the mask's."""

_POINTS, _NUMBERS = 6, {int, float}
_UNKNOWN = (math.nan,) * 4

_LAYOUTS = {
    "x, y, width, height": ((0, 1), (2, 3), "size"),
    "x1, y1, x2, y2": ((0, 1), (2, 3), "corner"),
    "centre x, centre y, width, height": ((0, 1), (2, 3), "centre"),
    "y, x, height, width": ((1, 0), (3, 2), "size"),
    "y1, x1, y2, x2": ((1, 0), (3, 2), "corner"),
    "x1, x2, y1, y2": ((0, 2), (1, 3), "corner"),
}
"""Name to the positions of the first and of the second pair (x, y), and what these are."""

_UNITS = {
    "": None,
    " as fractions of the image": 1.0,
    " as per cent of the image": 100.0,
    " as thousandths of the image": 1000.0,
}
"""Name to what the whole side of an image is, None: its pixels."""


def differ(own: Boxes, mask: Boxes) -> NDArray[np.bool_]:
    """Mark boxes of which an edge is off that of the mask by more than 2 pixels and 5 % of the mask's side.

    Args:
      own: boxes, clipped to the image; NaN differs from nothing.
      mask: boxes of their masks.

    Returns:
      bool [N].
    """
    return _are_apart(own, mask, _TOLERANCE, _SHARE)


def find_box_of_mask(
    box: coco_annotations.Box, segmentation: Any, height: int, width: int
) -> coco_annotations.Box | None:
    """Find the box of a mask with which the box of an annotation disagrees.

    A tip too thin for a pixel is in the box of a polygon's points and not in that of the mask: the box of the
    annotation must differ from both.

    Args:
      box: (x, y, width, height) in pixels, as the file has it.
      segmentation: checked polygons or run-length code.
      height: of the image.
      width: of the image.

    Returns:
      (x, y, width, height) of the mask; None where the two agree, or the mask is empty.
    """
    sides = np.array([[width, height, width, height]], np.float64)
    own = np.clip(to_corners([box]), 0, sides)
    if isinstance(segmentation, list):
        points = np.clip(np.array([polygons.extent(segmentation)]), 0, sides)
        if not differ(own, points)[0]:
            return None
    code, _ = segmentations.to_rle(segmentation, height, width, "")
    x, y, box_width, box_height = coco_mask.toBbox(code).tolist()
    of_mask = x, y, box_width, box_height
    return of_mask if coco_mask.area(code) and differ(own, to_corners([of_mask]))[0] else None


def has_area(box: coco_annotations.Box, height: int, width: int) -> bool:
    """Check whether something of a box (x, y, width, height) lies inside an image."""
    x, y, box_width, box_height = box
    inside_x = min(x + box_width, width) > max(x, 0)
    return inside_x and min(y + box_height, height) > max(y, 0)


def to_corners(boxes: Sequence[coco_annotations.Box]) -> Boxes:
    """Write boxes (x, y, width, height) as their corners."""
    listed = np.array(boxes, np.float64).reshape(-1, 4)
    return np.concatenate([listed[:, :2], listed[:, :2] + listed[:, 2:]], axis=1)


def find_suspects(boxes: Sequence[coco_annotations.Box], segmentations_: Sequence[Any]) -> list[int]:
    """Find the boxes that may disagree with their masks, without drawing any.

    Args:
      boxes: (x, y, width, height) in pixels, as the file has them.
      segmentations_: theirs, as the file has them.

    Returns:
      Positions: boxes that differ from the points of the polygons, and those whose mask is written otherwise.
    """
    extents = [find_extent(given) for given in segmentations_]
    unknown = np.array([extent is _UNKNOWN for extent in extents], np.bool_)
    apart = differ(to_corners(boxes), np.array(extents, np.float64).reshape(-1, 4))
    return np.flatnonzero(apart | unknown).tolist()


def find_extent(given: Any) -> tuple[float, float, float, float]:
    """Find x0, y0, x1, y1 of polygons that are flat lists of numbers; four times NaN for anything else."""
    if type(given) is not list or not given:
        return _UNKNOWN
    for part in given:
        if type(part) is not list or len(part) < _POINTS or not _NUMBERS.issuperset(map(type, part)):
            return _UNKNOWN
    extent = polygons.extent(given)
    return extent if all(map(values.is_finite, extent)) else _UNKNOWN


def count_forms(written: Boxes, mask: Boxes, sizes: Boxes) -> collections.Counter[str]:
    """Count the boxes that each form explains.

    Args:
      written: [N, 4] as the file has them.
      mask: boxes of their masks.
      sizes: [N, 2] height and width of the images.

    Returns:
      Name of the form to number of boxes; a box counts for every form that explains it.
    """
    counts: collections.Counter[str] = collections.Counter()
    whole = np.tile(sizes[:, ::-1], 2)  # [N, 4]: width, height, width, height
    for unit, scale in _UNITS.items():
        for layout, (first, second, kind) in _LAYOUTS.items():
            start, end = written[:, first], written[:, second]
            with np.errstate(invalid="ignore", over="ignore"):
                if kind == "centre":
                    start = start - end / 2
                corners = np.concatenate([start, end if kind == "corner" else start + end], axis=1)
                corners = corners if scale is None else corners / scale * whole
                fits = ~_are_apart(np.clip(corners, 0, whole), mask, _FORM_TOLERANCE, _FORM_SHARE)
            counts[f"{layout}{unit}"] = int((fits & np.isfinite(corners).all(axis=1)).sum())
    return +counts


def name_form(counts: Mapping[str, int], total: int) -> str:
    """Say which form explains most of the boxes that disagree.

    Args:
      counts: of `count_forms`.
      total: number of boxes that disagree.

    Returns:
      Words such as "6 of them look like x1, y1, x2, y2"; empty where no form explains half of them.
    """
    best = max(counts, key=lambda form: counts[form], default="")
    if not best or 2 * counts[best] < total:
        return ""
    few = "all of them look" if counts[best] == total else f"{counts[best]} of them look"
    return f"{few} like {best}" if total > 1 else f"it looks like {best}"


def _are_apart(own: Boxes, mask: Boxes, tolerance: float, share: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        sides = np.tile(mask[:, 2:] - mask[:, :2], 2)  # [N, 4]: width, height, width, height
        return np.asarray((np.abs(own - mask) > tolerance + share * sides).any(axis=1))
