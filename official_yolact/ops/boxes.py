"""Geometry of axis-aligned boxes: yxyx corners, or centre and size (cyxhw)."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.schema import Tensor


def area(boxes: Tensor) -> Tensor:
    """Compute the area of each box.

    Args:
      boxes: float [..., 4] yxyx, in any unit.

    Returns:
      float [...] height × width in that unit squared; 0 where corners are swapped.
    """
    y1, x1, y2, x2 = tf.unstack(boxes, axis=-1)
    return tf.maximum(y2 - y1, 0.0) * tf.maximum(x2 - x1, 0.0)


def intersection(a: Tensor, b: Tensor) -> Tensor:
    """Compute the area that each box of `a` shares with each box of `b`.

    Args:
      a: float [..., M, 4] yxyx.
      b: float [..., N, 4] yxyx in the same frame; leading dimensions broadcast.

    Returns:
      float [..., M, N].
    """
    # [..., M, 1] of `a` against [..., 1, N] of `b`.
    ay1, ax1, ay2, ax2 = (side[..., :, tf.newaxis] for side in tf.unstack(a, axis=-1))
    by1, bx1, by2, bx2 = (side[..., tf.newaxis, :] for side in tf.unstack(b, axis=-1))
    height = tf.maximum(tf.minimum(ay2, by2) - tf.maximum(ay1, by1), 0.0)
    width = tf.maximum(tf.minimum(ax2, bx2) - tf.maximum(ax1, bx1), 0.0)
    return height * width


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Compute the intersection over union of each box of `a` with each box of `b`.

    Args:
      a: float [..., M, 4] yxyx.
      b: float [..., N, 4] yxyx in the same frame; leading dimensions broadcast.

    Returns:
      float [..., M, N] in 0..1; 0 for two boxes without area.

    Source: the original divides without an epsilon, and so do we; its 0/0 is NaN, ours is 0.
    """
    shared = intersection(a, b)
    union = area(a)[..., :, tf.newaxis] + area(b)[..., tf.newaxis, :] - shared
    return tf.math.divide_no_nan(shared, union)


def yxyx_to_cyxhw(boxes: Tensor) -> Tensor:
    """Convert corners to centre and size.

    Args:
      boxes: float [..., 4] (y1, x1, y2, x2).

    Returns:
      float [..., 4] (centre y, centre x, height, width).
    """
    low, high = tf.split(boxes, 2, axis=-1)
    return tf.concat([(low + high) / 2.0, high - low], axis=-1)


def cyxhw_to_yxyx(boxes: Tensor) -> Tensor:
    """Convert centre and size to corners.

    Args:
      boxes: float [..., 4] (centre y, centre x, height, width).

    Returns:
      float [..., 4] (y1, x1, y2, x2).
    """
    centre, size = tf.split(boxes, 2, axis=-1)
    return tf.concat([centre - size / 2.0, centre + size / 2.0], axis=-1)
