"""Masks of single annotations, drawn only after every number of them has been checked."""

from __future__ import annotations

from typing import Any

from pycocotools import mask as coco_mask

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import segmentations
from official_yolact.data.checking import outlines
from official_yolact.images import image_files

_MAX_OUTLINE = 1_000_000


def count_pixels(segmentation: Any, height: int, width: int) -> int | None:
    """Count the pixels of a mask; None where it cannot be drawn."""
    measured = _encode(segmentation, height, width)
    return None if measured is None else int(measured[0])


def measure(segmentation: Any, height: int, width: int) -> tuple[float, coco_annotations.Box] | None:
    """Measure a mask.

    Args:
      segmentation: as the JSON has it.
      height: of the image.
      width: of the image.

    Returns:
      Its area in pixels and its tight box (x, y, width, height); None where it cannot be drawn or has
      no pixel.
    """
    measured = _encode(segmentation, height, width)
    if measured is None or not measured[0]:
        return None
    x, y, box_width, box_height = measured[1]
    return float(measured[0]), (x, y, box_width, box_height)


def _encode(segmentation: Any, height: int, width: int) -> tuple[int, Any] | None:
    if not 0 < height * width <= image_files.MAX_PIXELS:
        return None
    if outlines.measure([segmentation]).outline[0] > _MAX_OUTLINE:
        return None
    try:
        code, _ = segmentations.to_rle(segmentation, height, width, "")
    except (ValueError, OverflowError):
        return None
    return int(coco_mask.area(code)), coco_mask.toBbox(code).tolist()
