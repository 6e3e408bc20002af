"""The mask loss: cropped to the instance's box and normalised by its area."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from official_yolact.losses import drawn_masks
from official_yolact.schema import Tensor

OUTSIDE_COST = 100.0
_SMALLEST_AREA = 1e-12  # Of a box, as a part of the grid.


def sum_mask_loss(drawn: drawn_masks.DrawnMasks) -> Tensor:
    """Sum the mask loss over the positives of a batch.

    Inside the window of the instance's box (one grid cell wider) a pixel costs its binary
    cross-entropy; outside, a pixel of the instance costs 100 and has no gradient. The sum over the
    grid is divided by the area of the box in grid cells.

    Args:
      drawn: masks of the positives; where they are fewer than the positives of their image, their
        sum is scaled up to stand for all of them.

    Returns:
      float32 scalar.

    Source: the original, which takes the logarithm of rounded probabilities, limited to -100;
    here the logits are used, so that the cost of a confident mistake has a gradient.
    """
    costs = sum_window_entropy(drawn.logits, drawn.masks, drawn.windows)
    height, width = drawn.logits.shape[2:]
    areas = tf.maximum(drawn.box_areas, _SMALLEST_AREA * height * width)
    per_image = tf.reduce_sum(tf.where(drawn.taken, costs / areas, 0.0), axis=1)
    num_drawn = tf.reduce_sum(tf.cast(drawn.taken, tf.float32), axis=1)
    return tf.reduce_sum(per_image * drawn.num_positives / tf.maximum(num_drawn, 1.0))


@tf.custom_gradient
def sum_window_entropy(
    logits: Tensor, masks: Tensor, windows: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, None, None]]]:
    """Sum the cost of each mask over its grid.

    The gradient is written out: it keeps one float grid in memory where the operations' own keep
    six.

    Args:
      logits: float32 [B, T, h, w].
      masks: bool [B, T, h, w] of the instances.
      windows: bool [B, T, h, w].

    Returns:
      float32 [B, T].
    """
    inside = tf.nn.softplus(logits) - tf.where(masks, logits, 0.0)
    outside = tf.where(masks, OUTSIDE_COST, 0.0)
    costs = tf.reduce_sum(tf.where(windows, inside, outside), axis=[2, 3])

    def gradient(upstream: Tensor) -> tuple[Tensor, None, None]:
        error = tf.sigmoid(logits) - tf.cast(masks, tf.float32)
        return tf.where(windows, error, 0.0) * upstream[:, :, tf.newaxis, tf.newaxis], None, None

    return costs, gradient
