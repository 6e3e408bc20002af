"""Masks that are kept as the part of a photo in which they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import photo_masks

Window = photo_masks.Window


def crop(window: Window, box: NDArray[Any]) -> Window:
    """Look at the part of a mask inside a box yxyx of whole pixels of the photo; it may be empty."""
    corner = np.array([window.top, window.left])
    first = np.clip(box[:2], corner, corner + window.mask.shape).astype(int)
    last = np.clip(box[2:], first, corner + window.mask.shape).astype(int)
    (top, left), (bottom, right) = (first - corner).tolist(), (last - corner).tolist()
    return Window(window.top + top, window.left + left, window.mask[top:bottom, left:right])


def unite(windows: Sequence[Window]) -> Window:
    """Draw several masks of one photo, at least one, as one."""
    top, left = min(window.top for window in windows), min(window.left for window in windows)
    bottom = max(window.top + window.mask.shape[0] for window in windows)
    right = max(window.left + window.mask.shape[1] for window in windows)
    drawn = np.zeros((bottom - top, right - left), np.bool_)
    for window in windows:
        height, width = window.mask.shape
        down, beside = window.top - top, window.left - left
        drawn[down : down + height, beside : beside + width] |= window.mask
    return Window(top, left, drawn)


def count_common(one: Window, other: Window) -> int:
    """Count the pixels that are in both of two masks of one photo."""
    top, left = max(one.top, other.top), max(one.left, other.left)
    bottom = min(window.top + window.mask.shape[0] for window in (one, other))
    right = min(window.left + window.mask.shape[1] for window in (one, other))
    if top >= bottom or left >= right:
        return 0
    parts = [w.mask[top - w.top : bottom - w.top, left - w.left : right - w.left] for w in (one, other)]
    return int(np.count_nonzero(parts[0] & parts[1]))


def measure_overlap(one: Window, other: Window) -> float:
    """Measure the intersection over the union of two masks of one photo, 0 of two empty ones."""
    common = count_common(one, other)
    union = np.count_nonzero(one.mask) + np.count_nonzero(other.mask) - common
    return common / union if union else 0.0
