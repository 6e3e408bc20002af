"""Bilinear resizing of pictures and masks, in the arithmetic of `tf.image.resize`, its order too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FILL_COLOR = (123.68, 116.78, 103.94)
"""RGB where the input shows no photo: ImageNet's mean, also for DarkNet, which subtracts none."""


class Taps(NamedTuple):
    """The two cells between which each pixel of one axis lies; all three are [pixels] and ascend.

    Attributes:
      lower: int64, the cell before it.
      upper: int64, the cell after it.
      weight: float32, of the upper cell.
    """

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    weight: NDArray[np.float32]

    def touching(self, used: NDArray[np.bool_]) -> slice:
        """Find the pixels that any cell from the first to the last of `used`, bool [cells], reaches."""
        cells = np.flatnonzero(used)
        if not len(cells):
            return slice(0, 0)
        first = int(np.searchsorted(self.upper, cells[0]))
        return slice(first, int(np.searchsorted(self.lower, cells[-1], side="right")))

    def select(self, pixels: slice) -> Taps:
        """Keep the taps of some pixels."""
        return Taps(self.lower[pixels], self.upper[pixels], self.weight[pixels])


def find_taps(cells: int, pixels: int) -> Taps:
    """Find between which cells so many pixels lie, with half-pixel centres and without antialias."""
    scale = np.float32(cells) / np.float32(pixels)
    at = (np.arange(pixels, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)  # [pixels]
    before = np.floor(at)
    lower = np.maximum(before, 0).astype(np.int64)
    return Taps(lower, np.minimum(np.ceil(at).astype(np.int64), cells - 1), at - before)


def interpolate(cells: NDArray[Any], down: Taps, across: Taps) -> NDArray[np.float32]:
    """Interpolate between cells at the pixels of both axes: first across, then down.

    Args:
      cells: uint8 or float32 [h, w], or [h, w, channels].
      down: of the pixels down.
      across: of the pixels across.

    Returns:
      float32 [pixels down, pixels across], or with channels.
    """
    shape = (len(down.lower), len(across.lower), *cells.shape[2:])
    if 0 in shape:
        return np.zeros(shape, np.float32)
    first, last = down.lower[0], down.upper[-1]
    if last - first < 2 * len(down.lower):
        needed, above, below = cells[first : last + 1], down.lower - first, down.upper - first
    else:  # a large picture has rows that no pixel needs
        used = np.union1d(down.lower, down.upper)
        needed, above, below = cells[used], *(np.searchsorted(used, at) for at in (down.lower, down.upper))
    if cells.ndim == 3:
        across, needed = _spread(across, cells.shape[2]), needed.reshape(len(needed), -1)
    wide = _between(_take(needed, across.lower, 1), _take(needed, across.upper, 1), across.weight)
    values = _between(_take(wide, above, 0), _take(wide, below, 0), down.weight[:, np.newaxis])
    return values.reshape(shape)


def resize(image: NDArray[Any], size: Sequence[int]) -> NDArray[np.float32]:
    """Squash an image [h, w, channels] to a (height, width): float32 [height, width, channels]."""
    (rows, columns), (height, width) = image.shape[:2], size
    return interpolate(image, find_taps(rows, height), find_taps(columns, width))


def resize_canvas(
    image: NDArray[Any], canvas: Sequence[int], size: Sequence[int], fill: Sequence[float]
) -> NDArray[np.float32]:
    """Resize a canvas with an image on it to a (height, width).

    Args:
      image: uint8 or float32 [h, w, channels].
      canvas: (top, left, bottom, right) in pixels of the image; may reach beyond it.
      size: (height, width).
      fill: value of each channel where the canvas shows no image.

    Returns:
      float32 [height, width, channels], to the bit as `ops.preprocess.resize_canvas` of the library has it.
    """
    (first, last), taken, inside = (canvas[:2], canvas[2:]), [], []
    taps = [find_taps(last[axis] - first[axis], size[axis]) for axis in (0, 1)]
    for axis, found in enumerate(taps):
        at = np.concatenate([found.lower, found.upper]) + first[axis]
        taken.append(np.clip(at, 0, image.shape[axis] - 1))
        inside.append(taken[-1] == at)
    # The lower of all pixels of an axis, then the upper: [2 height, 2 width, channels].
    values = _take(_take(image, taken[0], 0), taken[1], 1).astype(np.float32)
    values[~(inside[0][:, np.newaxis] & inside[1])] = fill
    left, right = np.split(values, 2, axis=1)
    above, below = np.split(_between(left, right, taps[1].weight[:, np.newaxis]), 2, axis=0)
    return _between(above, below, taps[0].weight[:, np.newaxis, np.newaxis])


def _between(first: NDArray[Any], second: NDArray[Any], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate between two arrays; the second may be overwritten."""
    values = second.astype(np.float32, copy=False)
    values -= first
    values *= weight
    values += first
    return values


def _spread(taps: Taps, channels: int) -> Taps:
    """Repeat taps of columns for each of their channels: over an axis of three numbers NumPy is slow."""
    lower, upper = (
        (column[:, np.newaxis] * channels + np.arange(channels)).ravel()
        for column in (taps.lower, taps.upper)
    )  # [pixels * channels]
    return Taps(lower, upper, np.repeat(taps.weight, channels))


def _take(values: NDArray[Any], at: NDArray[np.int64], axis: int) -> NDArray[Any]:
    """Copy rows or columns; with `clip` NumPy makes no copy of its own first."""
    return np.take(values, at, axis=axis, mode="clip")
