"""The frames of a photo and of the network's input in NumPy.

`image_info` is that of the library's `ops.frames`, which has the same in tensors, for graphs. A test holds
both to the same numbers: change both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def find_canvas(photo_size: tuple[int, int], input_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Find the smallest canvas of the input's proportions that has a photo in its middle.

    Args:
      photo_size: (height, width) in pixels.
      input_size: (height, width) in pixels.

    Returns:
      (top, left, bottom, right) in pixels of the photo, whole ones: its proportions are those of the input as
      nearly as these allow.
    """
    (height, width), (rows, columns) = photo_size, input_size
    high = max(height, (2 * width * rows + columns) // (2 * columns))
    wide = max(width, (2 * height * columns + rows) // (2 * rows))
    high, wide = (high, width) if height * columns < width * rows else (height, wide)
    top, left = (height - high) // 2, (width - wide) // 2
    return top, left, top + high, left + wide


def fit(
    photo_size: tuple[int, int], input_size: tuple[int, int], keep_aspect: bool = False
) -> NDArray[np.float32]:
    """Decide how a photo is brought to the network's input: its sides, or its canvas's, are scaled to that.

    Args:
      photo_size: (height, width) in pixels.
      input_size: (height, width) in pixels.
      keep_aspect: scale the sides of `find_canvas` to the input's, which keeps the photo's proportions.

    Returns:
      `image_info`, float32 [4, 2].
    """
    photo, network = np.array(photo_size, np.float32), np.array(input_size, np.float32)
    if not keep_aspect:
        return np.stack([photo, network, network / photo, np.zeros(2, np.float32)])
    canvas = np.array(find_canvas(photo_size, input_size), np.float32)
    scale = network / (canvas[2:] - canvas[:2])
    return np.stack([photo, network, scale, canvas[:2] * scale])


def boxes_to_photo(
    boxes_px: NDArray[np.floating[Any]], image_info: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Convert boxes in pixels of the network's input to pixels of the photo, clipped to it.

    Args:
      boxes_px: float [D, 4] yxyx_px of the input.
      image_info: float32 [4, 2].

    Returns:
      float32 [D, 4] yxyx_px of the photo.
    """
    photo, _, scale, offset = (np.tile(row, 2) for row in image_info)  # [4] each
    moved: NDArray[np.float32] = np.clip((boxes_px + offset) / scale, 0, photo).astype(np.float32)
    return moved


def widen_boxes(
    boxes_px: NDArray[np.float32], image_info: NDArray[np.float32], grid: Sequence[int], cells: float
) -> NDArray[np.float32]:
    """Widen boxes of the photo on every side, also beyond it, by cells of a grid over the network's input.

    Args:
      boxes_px: float32 [D, 4] yxyx_px of the photo.
      image_info: float32 [4, 2].
      grid: (height, width) of the grid in cells.
      cells: so many of them.

    Returns:
      float32 [D, 4] yxyx_px of the photo.
    """
    _, network, scale, _ = image_info
    margin = network / scale / np.array(grid, np.float32) * np.float32(cells)  # [2]
    widened: NDArray[np.float32] = boxes_px + np.concatenate([-margin, margin])
    return widened
