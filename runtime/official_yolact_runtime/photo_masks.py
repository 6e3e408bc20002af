"""Soft masks of a grid over the network's input, brought to the pixels of their photo."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import resizing

CROPS = "detection_crops"
"""Key of the crops beside the masks in the detections of a photo whose masks are cut at its size."""


class Window(NamedTuple):
    """The part of a photo outside of which a mask is empty.

    Attributes:
      top: first row.
      left: first column.
      mask: bool [height, width] of the part; both are 0 where the mask is empty.
    """

    top: int
    left: int
    mask: NDArray[np.bool_]


def find_windows(
    masks: NDArray[np.floating[Any]],
    image_info: NDArray[np.floating[Any]],
    threshold: float = 0.5,
    crops: NDArray[np.floating[Any]] | None = None,
) -> Iterator[Window]:
    """Resample soft masks bilinearly to the photo and binarise them, each inside the window that it reaches.

    Pixel for pixel this is the whole mask resampled and then cut by its crop, since a mask that is zero stays
    zero. A border that `image_info` states is cut off at whole pixels of the photo.

    Args:
      masks: float [D, h, w], at least 0, on a grid over the network's input.
      image_info: float [4, 2], as in `ops.frames`.
      threshold: a pixel belongs to the object when its value is above it; at least 0.
      crops: float [D, 4] yxyx_px of the photo: pixels with their centre outside of it are left out; None:
        masks are not cut here.

    Returns:
      D windows.

    Source: the arithmetic, its order too, is that of `tf.image.resize`.
    """
    height, width = _size(image_info)
    (first_row, first_column), (rows, columns) = _find_frame(image_info)
    down = resizing.find_taps(masks.shape[1], rows).select(slice(first_row, first_row + height))
    across = resizing.find_taps(masks.shape[2], columns).select(slice(first_column, first_column + width))
    for index, mask in enumerate(masks.astype(np.float32, copy=False)):
        below, beside = down.touching(mask.any(axis=1)), across.touching(mask.any(axis=0))
        if crops is not None:
            top, left, bottom, right = crops[index].tolist()
            below, beside = _intersect(below, top, bottom), _intersect(beside, left, right)
        values = resizing.interpolate(mask, down.select(below), across.select(beside))
        yield Window(below.start, beside.start, values > threshold)


def draw(
    masks: NDArray[np.floating[Any]],
    image_info: NDArray[np.floating[Any]],
    threshold: float = 0.5,
    crops: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.bool_]:
    """Resample soft masks as `find_windows`, each to a mask of the whole photo: bool [D, height, width]."""
    return draw_windows(list(find_windows(masks, image_info, threshold, crops)), *_size(image_info))


def draw_windows(windows: Sequence[Window], height: int, width: int) -> NDArray[np.bool_]:
    """Draw each window in a mask of the whole photo: bool [D, height, width]."""
    drawn = np.zeros((len(windows), height, width), np.bool_)
    for whole, (top, left, part) in zip(drawn, windows, strict=True):
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return drawn


def cut_window(mask: NDArray[Any]) -> Window:
    """Cut out of a mask [H, W], of bool or of 0 and 1, the part that is not empty."""
    rows, columns = find_extent(mask)
    return Window(rows.start, columns.start, mask[rows, columns].astype(np.bool_, copy=False))


def find_extent(mask: NDArray[Any]) -> tuple[slice, slice]:
    """Find the rows and columns from the first to the last pixel of a mask [H, W]."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def find_pixels(start: float, end: float) -> slice:
    """Find the pixels of an axis, from pixel 0 on, whose centres lie from `start` to before `end`."""
    first, last = (max(0, math.ceil(side - 0.5)) for side in (start, end))
    return slice(first, max(first, last))


def _intersect(pixels: slice, start: float, end: float) -> slice:
    inside = find_pixels(start, end)
    first = max(pixels.start, inside.start)
    return slice(first, max(first, min(pixels.stop, inside.stop)))


def _size(image_info: NDArray[np.floating[Any]]) -> tuple[int, int]:
    height, width = np.rint(image_info[0]).astype(np.int64).tolist()
    return height, width


def _find_frame(image_info: NDArray[np.floating[Any]]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Find where the photo begins in what the network's input covers, and how large that is, in its pixels.

    Rounded as pixels need it; `ops.frames.input_window` has the same in tensors and not rounded.
    """
    network, scale, offset = np.asarray(image_info, np.float32)[1:]
    first = np.rint(-offset / scale).astype(np.int64)
    extent = np.maximum(np.rint(network / scale).astype(np.int64), first + _size(image_info))
    return (int(first[0]), int(first[1])), (int(extent[0]), int(extent[1]))
