"""The frames of a photo and of the network's input, and the way between them.

`image_info`, float32 [..., 4, 2], says how a photo was brought to the network's input. Its rows are those of
Model Garden, each (y, x): the photo's size, the input's size, scale and offset. A point of the photo lies in
the input at point x scale - offset, both in pixels; a negative offset is a border before the photo. Only
`fit` decides about scale and offset; everything else reads them. An export's runtime knows no TensorFlow:
`official_yolact_runtime.frames` has the same in NumPy, and a test holds both to the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from official_yolact.schema import Tensor


def fit(photo_size: Tensor, input_size: Sequence[int], keep_aspect: bool = False) -> Tensor:
    """Decide how a photo is brought to the network's input: its sides, or its canvas's, are scaled to that.

    Args:
      photo_size: int or float [2], (height, width) in pixels.
      input_size: (height, width) in pixels.
      keep_aspect: scale the sides of `find_canvas` to the input's, which keeps the photo's proportions.

    Returns:
      `image_info`, float32 [4, 2].

    Source: without `keep_aspect` the original. `ops.preprocess` resizes the pixels alike.
    """
    photo, network = tf.cast(photo_size, tf.float32), tf.constant(list(input_size), tf.float32)
    if not keep_aspect:
        return tf.stack([photo, network, network / photo, tf.zeros([2])])
    canvas = tf.cast(find_canvas(photo_size, input_size), tf.float32)
    scale = network / (canvas[2:] - canvas[:2])
    return tf.stack([photo, network, scale, canvas[:2] * scale])


def find_canvas(photo_size: Tensor, input_size: Sequence[int]) -> Tensor:
    """Find the smallest window, int32 [4], of the input's proportions around a photo of int [2]."""
    size = tf.cast(photo_size, tf.int32)
    return widen_window(tf.concat([tf.zeros_like(size), size], axis=0), input_size)


def widen_window(window: Tensor, input_size: Sequence[int]) -> Tensor:
    """Add to a window what it lacks to the proportions of the network's input, equally on two sides.

    Args:
      window: int32 [4] (top, left, bottom, right) in pixels of the photo; may reach beyond it.
      input_size: (height, width) in pixels.

    Returns:
      int32 [4] window, whose proportions are those of the input as nearly as whole pixels allow.
    """
    rows, columns = (tf.constant(side, tf.int64) for side in input_size)
    height, width = tf.unstack(tf.cast(window[2:] - window[:2], tf.int64), num=2)
    high = tf.maximum(height, (2 * width * rows + columns) // (2 * columns))
    wide = tf.maximum(width, (2 * height * columns + rows) // (2 * rows))
    is_wide = height * columns < width * rows
    sides = tf.stack([tf.where(is_wide, high, height), tf.where(is_wide, width, wide)])
    sides = tf.cast(sides, tf.int32)  # [2]
    first = window[:2] + (window[2:] - window[:2] - sides) // 2
    return tf.concat([first, first + sides], axis=0)


def photo_size(image_info: Tensor) -> Tensor:
    """Read the photo's (height, width) in pixels, float [..., 2], of a tensor or an array [..., 4, 2]."""
    return image_info[..., 0, :]


def input_size(image_info: Tensor) -> Tensor:
    """Read the input's (height, width) in pixels, float [..., 2], of a tensor or an array [..., 4, 2]."""
    return image_info[..., 1, :]


def input_window(image_info: Tensor) -> tuple[Tensor, Tensor]:
    """Find what the network's input covers, in pixels of the photo; borders reach beyond the photo.

    Args:
      image_info: float32 [..., 4, 2].

    Returns:
      (top, left) and (height, width), float32 [..., 2] each.
    """
    image_info = tf.cast(image_info, tf.float32)
    photo, scale = photo_size(image_info), image_info[..., 2, :]
    extent = input_size(image_info) / scale
    # Without a border the extent is the photo's size, which the division may miss in the last bit.
    extent = tf.where(tf.abs(extent - photo) <= 1e-6 * photo, photo, extent)
    return image_info[..., 3, :] / scale, extent


def boxes_to_photo(boxes_norm: Tensor, image_info: Tensor) -> Tensor:
    """Convert boxes of the network's input to pixels of the photo, clipped to it.

    Args:
      boxes_norm: float32 [..., D, 4] yxyx_norm of the input.
      image_info: float32 [..., 4, 2].

    Returns:
      float32 [..., D, 4] yxyx_px of the photo.
    """
    corner, extent = input_window(image_info)
    size = tf.cast(photo_size(image_info), tf.float32)
    return tf.clip_by_value(boxes_norm * _for_corners(extent) + _for_corners(corner), 0.0, _for_corners(size))


def boxes_to_input(boxes_px: Tensor, image_info: Tensor) -> Tensor:
    """Convert boxes [..., D, 4] yxyx_px of the photo to yxyx_norm of the network's input."""
    corner, extent = input_window(image_info)
    return (tf.cast(boxes_px, tf.float32) - _for_corners(corner)) / _for_corners(extent)


def widen_boxes(boxes_px: Tensor, image_info: Tensor, grid: Sequence[int], cells: float) -> Tensor:
    """Widen boxes of the photo on every side, also beyond it, by cells of a grid over the network's input.

    Args:
      boxes_px: float32 [..., D, 4] yxyx_px of the photo.
      image_info: float32 [..., 4, 2].
      grid: (height, width) of the grid in cells.
      cells: so many of them.

    Returns:
      float32 [..., D, 4] yxyx_px of the photo.
    """
    _, extent = input_window(image_info)
    margin = extent / tf.constant(list(grid), tf.float32) * cells  # [..., 2]
    return boxes_px + tf.concat([-margin, margin], axis=-1)[..., tf.newaxis, :]


def _for_corners(point: Tensor) -> Tensor:
    """Repeat (y, x) for both corners of every box: [..., 2] to [..., 1, 4]."""
    return tf.concat([point, point], axis=-1)[..., tf.newaxis, :]
