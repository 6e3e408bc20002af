"""Masks: assembled from prototypes, cropped, resampled."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.schema import Tensor


def assemble_masks(prototypes: Tensor, coefficients: Tensor) -> Tensor:
    """Combine the prototypes of an image linearly, once for each detection.

    Args:
      prototypes: float [B, h, w, K] after ReLU.
      coefficients: float [B, D, K] after tanh.

    Returns:
      float [B, D, h, w] logits.
    """
    height, width, num_prototypes = prototypes.shape[1:]
    flat = tf.reshape(prototypes, [-1, height * width, num_prototypes])
    logits = tf.matmul(coefficients, flat, transpose_b=True)  # [B, D, h w]
    return tf.reshape(logits, [-1, coefficients.shape[1], height, width])


def crop_windows(boxes_norm: Tensor, height: int, width: int, padding: float = 1.0) -> Tensor:
    """Mark the grid cells that a box keeps.

    Column c is kept where x1·width - padding <= c < x2·width + padding, and rows alike.

    Args:
      boxes_norm: float [..., 4] yxyx_norm; swapped corners are put in order.
      height: rows of the grid.
      width: columns of the grid.
      padding: cells added on every side.

    Returns:
      bool [..., height, width].

    Source: the original; whole cells are compared with the box's corners in float.
    """
    y1, x1, y2, x2 = (side[..., tf.newaxis] for side in tf.unstack(boxes_norm, axis=-1))  # [..., 1]
    rows = _kept_cells(y1, y2, height, padding)  # [..., height]
    columns = _kept_cells(x1, x2, width, padding)  # [..., width]
    return tf.logical_and(rows[..., :, tf.newaxis], columns[..., tf.newaxis, :])


def _kept_cells(start: Tensor, end: Tensor, size: int, padding: float) -> Tensor:
    """Mark the cells of one axis, bool [..., size], between two ends [..., 1]."""
    cells = tf.range(size, dtype=tf.float32)
    low = tf.maximum(tf.minimum(start, end) * size - padding, 0.0)
    high = tf.minimum(tf.maximum(start, end) * size + padding, float(size))
    return tf.logical_and(cells >= low, cells < high)
