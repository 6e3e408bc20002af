"""The frames of a photo and of the network's input in NumPy.

`image_info` is that of the library's `ops.frames`, which has the same in tensors, for graphs. A test holds
both to the same numbers: change both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fit(photo_size: tuple[int, int], input_size: tuple[int, int]) -> NDArray[np.float32]:
    """Decide how a photo is brought to the network's input: both sides are scaled to the input's.

    Args:
      photo_size: (height, width) in pixels.
      input_size: (height, width) in pixels.

    Returns:
      `image_info`, float32 [4, 2].
    """
    photo, network = np.array(photo_size, np.float32), np.array(input_size, np.float32)
    return np.stack([photo, network, network / photo, np.zeros(2, np.float32)])


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
