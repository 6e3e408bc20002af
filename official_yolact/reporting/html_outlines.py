"""Outlines of masks and boxes as paths of SVG, in pixels of a small copy of the photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import photo_masks
from official_yolact_runtime import polygons
from official_yolact_runtime import run_lengths


def draw_box(box: Sequence[float], scale: tuple[float, float]) -> str:
    """Draw a box.

    Args:
      box: COCO's, in pixels of the photo.
      scale: pixels of the copy for one of the photo, across and down.
    """
    left, top, right, bottom = scale_box(box, scale)
    return f"M{left} {top}H{right}V{bottom}H{left}Z"


def scale_box(box: Sequence[float], scale: tuple[float, float]) -> list[float]:
    """Give left, top, right and bottom of a COCO box in pixels of the copy, with one decimal."""
    x, y, width, height = box
    across, down = scale
    return [round(side, 1) for side in (x * across, y * down, (x + width) * across, (y + height) * down)]


def draw_mask(segmentation: dict[str, Any], scale: tuple[float, float], tolerance: float) -> str:
    """Draw the outlines of a mask and of its holes, which the even-odd rule leaves empty.

    Args:
      segmentation: run lengths in the size of the photo.
      scale: pixels of the copy for one of the photo, across and down.
      tolerance: pixels of the copy by which an outline may be simplified.

    Returns:
      The path; empty where nothing of the mask is left in the copy.
    """
    top, left, mask = photo_masks.cut_window(run_lengths.decode_mask(segmentation))
    if not mask.size:
        return ""
    across, down = scale
    size = (max(1, round(mask.shape[1] * across)), max(1, round(mask.shape[0] * down)))
    if size[0] < mask.shape[1] and size[1] < mask.shape[0]:
        levels = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
        mask = np.asarray(levels > 127)
    # What is left of the scale after whole pixels: the window keeps its place and its size.
    steps = np.array([size[0] / mask.shape[1], size[1] / mask.shape[0]])
    start = np.array([left * across, top * down])
    rings = polygons.trace(mask, tolerance=tolerance) + polygons.trace(_find_holes(mask), tolerance=tolerance)
    return "".join(_write(np.asarray(ring).reshape(-1, 2) * steps + start) for ring in rings)


def _find_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the pixels [h, w] of the background that no way leads out of, also none over a corner."""
    ground = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    cv2.floodFill(ground, None, (0, 0), 0, flags=8)
    return np.asarray(ground[1:-1, 1:-1] > 0)


def _write(points: NDArray[np.float64]) -> str:
    """Write a closed outline [points, 2], x and y, with one decimal where it has one."""
    words = [f"{round(x, 1):g} {round(y, 1):g}" for x, y in points.tolist()]
    return f"M{'L'.join(words)}Z"
