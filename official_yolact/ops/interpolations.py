"""Resizing of feature maps, the same on every device."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from official_yolact.schema import Tensor


def resize_bilinear(images: Tensor, size: Any) -> Tensor:
    """Resize bilinearly, with half-pixel centres and without antialiasing.

    Args:
      images: float [B, h, w, C].
      size: (height, width).

    Returns:
      The dtype of `images` [B, height, width, C], interpolated in float32.

    Source: `tf.image.resize`, whose compiled form in TensorFlow 2.20 is wrong for some sizes that are
    not twice the input's (5 to 9 rows, for one); products with the weights' matrices are right in both.
    """
    values = tf.cast(images, tf.float32)
    rows, columns = values.shape[1:3]
    if None in (rows, columns) or tf.is_tensor(size) or tuple(size) == (2 * rows, 2 * columns):
        return tf.cast(tf.image.resize(values, size, method="bilinear"), images.dtype)
    height, width = (int(side) for side in size)
    channels = values.shape[3]
    with tf.name_scope("resize_bilinear"):
        flat = tf.reshape(values, [-1, rows, columns * channels])
        stretched = tf.reshape(tf.matmul(_weigh(rows, height), flat), [-1, height, columns, channels])
        return tf.cast(tf.matmul(_weigh(columns, width), stretched), images.dtype)


def _weigh(old: int, new: int) -> np.ndarray:
    """Compute the weights of `old` cells for each of `new` cells: float32 [new, old]."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(1.0 - np.abs(centres[:, np.newaxis] - np.arange(old)), 0.0).astype(np.float32)
