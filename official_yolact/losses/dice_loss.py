"""The dice term of the mask loss: how far a whole mask is from overlapping its instance."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from official_yolact.schema import Tensor

_SMOOTHING = 1.0  # cells, added to both sums: an empty mask is taught to be empty


@tf.custom_gradient
def measure_dice(
    logits: Tensor, masks: Tensor, windows: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, None, None]]]:
    """Measure 1 - (2 sum(p m) + 1) / (sum(p^2) + sum(m^2) + 1) over the cells of each window.

    p is the sigmoid of the logits and m the instance's mask. It is 0 where both are equal, also where m is
    between 0 and 1. The gradient is written out: the operations' own would keep more tensors in memory.

    Args:
      logits: float32 [B, T, h, w].
      masks: [B, T, h, w] of the instances: bool, or the share of each cell that is covered.
      windows: bool [B, T, h, w].

    Returns:
      float32 [B, T], from 0 to below 1.

    Source: Milletari et al., V-Net, arXiv 1606.04797, with the smoothing of Cheng et al., MaskFormer, arXiv
    2107.06278.
    """
    soft = tf.where(windows, tf.sigmoid(logits), 0.0)
    wanted = tf.where(windows, tf.cast(masks, tf.float32), 0.0)
    both = 2.0 * tf.reduce_sum(soft * wanted, axis=[2, 3]) + _SMOOTHING  # [B, T]
    sizes = tf.reduce_sum(tf.square(soft) + tf.square(wanted), axis=[2, 3]) + _SMOOTHING

    def gradient(upstream: Tensor) -> tuple[Tensor, None, None]:
        # [B, T, 1, 1] both.
        scale = (upstream * 2.0 / sizes)[..., tf.newaxis, tf.newaxis]
        ratio = (both / sizes)[..., tf.newaxis, tf.newaxis]
        soft = tf.where(windows, tf.sigmoid(logits), 0.0)
        wanted = tf.where(windows, tf.cast(masks, tf.float32), 0.0)
        return scale * (ratio * soft - wanted) * soft * (1.0 - soft), None, None

    return 1.0 - both / sizes, gradient
