"""The smooth L1 loss."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.schema import Tensor


def smooth_l1(error: Tensor) -> Tensor:
    """Compute half the square of an error up to 1, above that its size less one half; any float shape."""
    size = tf.abs(error)
    return tf.where(size < 1.0, 0.5 * tf.square(size), size - 0.5)
