"""Sizes of the grids that a network of strided layers produces."""

from __future__ import annotations

Size = tuple[int, int]


def level_size(input_size: Size, level: int) -> Size:
    """Compute the (height, width) of a pyramid level.

    Every halving rounds up, as a stride-2 convolution with symmetric padding does: 550 gives
    275, 138, 69, 35, 18, 9, 5.

    Args:
      input_size: (height, width) of the network input in pixels.
      level: number of halvings, 0 for the input itself.

    Returns:
      (height, width) of the level in cells.
    """
    height, width = input_size
    for _ in range(level):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height, width


def prototype_size(input_size: Size, min_level: int) -> Size:
    """Compute the (height, width) of the prototypes: twice the lowest pyramid level."""
    height, width = level_size(input_size, min_level)
    return 2 * height, 2 * width
