"""The anchors of every cell of every pyramid level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from official_yolact.ops import grids


def build_anchors(
    input_size: Sequence[int],
    min_level: int,
    max_level: int,
    scales: Sequence[float],
    scales_per_octave: int,
    aspect_ratios: Sequence[float],
    square: bool,
) -> np.ndarray:
    """Lay anchors on all levels; they may reach past the image.

    The order is level, y, x, scale, aspect ratio, the last running fastest.

    Args:
      input_size: (height, width) of the network input in pixels.
      min_level: lowest pyramid level.
      max_level: highest pyramid level.
      scales: side in input pixels, one for each level.
      scales_per_octave: so many sizes for each scale s: s·2^(i / scales_per_octave).
      aspect_ratios: width / height.
      square: give height the value of width.

    Returns:
      float32 [A, 4] cyxhw_norm: y and height over the input's height, x and width over its width.

    Raises:
      ValueError: the number of scales is not the number of levels.

    Source: the original; its published v1 COCO models were trained with `square`. For inputs
    that are not square it divides both sides by one configured size; here each side has its own.
    """
    levels = range(min_level, max_level + 1)
    if len(scales) != len(levels):
        raise ValueError(
            f"anchor.scales has {len(scales)} values, but levels {min_level}..{max_level} need {len(levels)}"
        )
    height, width = int(input_size[0]), int(input_size[1])
    roots = np.sqrt(np.asarray(aspect_ratios, np.float64))
    octave = 2.0 ** (np.arange(scales_per_octave) / scales_per_octave)
    parts = []
    for level, scale in zip(levels, scales, strict=True):
        rows, columns = grids.level_size((height, width), level)
        widths = (scale * octave[:, np.newaxis] * roots).ravel()
        heights = widths if square else (scale * octave[:, np.newaxis] / roots).ravel()
        cells = np.empty((rows, columns, widths.size, 4), np.float64)
        cells[..., 0] = ((np.arange(rows) + 0.5) / rows)[:, np.newaxis, np.newaxis]
        cells[..., 1] = ((np.arange(columns) + 0.5) / columns)[:, np.newaxis]
        cells[..., 2] = heights / height
        cells[..., 3] = widths / width
        parts.append(cells.reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)
