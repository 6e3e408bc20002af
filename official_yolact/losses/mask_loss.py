"""The mask loss: cropped to the instance's box and normalised by its area."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from official_yolact import schema
from official_yolact.losses import drawn_masks
from official_yolact.ops import cases
from official_yolact.schema import Tensor

OUTSIDE_COST = 100.0
# How many masks of each image are drawn: the smallest of these that is enough for every image of the batch.
_MASKS_DRAWN = (20, 40, 64)
_SMALLEST_AREA = 1e-12  # Of a box, as a part of the grid.


def draw_and_sum(
    prototypes: Tensor, coefficients: Tensor, labels: schema.Labels, targets: schema.Targets, limit: int
) -> Tensor:
    """Draw the masks of the positives and sum their loss; few positives need little memory.

    The gradient is computed together with the loss: the gradient from above is a scalar factor.

    Args:
      prototypes: float32 [B, h, w, K].
      coefficients: float32 [B, A, K].
      labels: of the batch.
      targets: made from them.
      limit: masks of an image, at most.

    Returns:
      float32 scalar, see `sum_mask_loss`.
    """

    @tf.custom_gradient
    def run(
        prototypes: Tensor, coefficients: Tensor
    ) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]:
        sources = prototypes, coefficients

        def differentiate(size: int) -> tuple[Tensor, ...]:
            with tf.GradientTape() as tape:
                tape.watch(sources)
                drawn = drawn_masks.draw_masks(prototypes, coefficients, labels, targets, size)
                total = sum_mask_loss(drawn)
            return total, *(tf.convert_to_tensor(gradient) for gradient in tape.gradient(total, sources))

        positive = tf.cast(targets["class_ids"] > 0, tf.int32)
        most = tf.reduce_max(tf.reduce_sum(positive, axis=1))
        total, *gradients = cases.run_smallest(most, (*_MASKS_DRAWN, limit), differentiate)
        return total, lambda upstream: tuple(upstream * gradient for gradient in gradients)

    return run(prototypes, coefficients)


def sum_mask_loss(drawn: drawn_masks.DrawnMasks) -> Tensor:
    """Sum the mask loss over the positives of a batch.

    Inside the window of the instance's box (one grid cell wider) a cell costs its binary
    cross-entropy; outside, a cell of the instance costs 100 and has no gradient. Where the labels say which
    share of a cell is covered, that share is what the prediction is compared with, and outside it costs 100
    times itself. The sum over the grid is divided by the area of the box in grid cells.

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
    per_image = tf.reduce_sum(tf.where(drawn.taken, costs / areas, 0.0), axis=1)  # [B]
    num_drawn = tf.reduce_sum(tf.cast(drawn.taken, tf.float32), axis=1)
    return tf.reduce_sum(per_image * drawn.num_positives / tf.maximum(num_drawn, 1.0))


@tf.custom_gradient
def sum_window_entropy(
    logits: Tensor, masks: Tensor, windows: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, None, None]]]:
    """Sum the cost of each mask over its grid.

    The gradient is written out: it keeps two float tensors [B, T, h, w] in memory, and the operations'
    own gradients would keep six.

    Args:
      logits: float32 [B, T, h, w].
      masks: [B, T, h, w] of the instances: bool, or the share of each cell that is covered.
      windows: bool [B, T, h, w].

    Returns:
      float32 [B, T].
    """
    wanted = tf.cast(masks, tf.float32)
    inside = tf.nn.softplus(logits) - wanted * logits
    costs = tf.reduce_sum(tf.where(windows, inside, wanted * OUTSIDE_COST), axis=[2, 3])

    def gradient(upstream: Tensor) -> tuple[Tensor, None, None]:
        error = tf.sigmoid(logits) - wanted  # [B, T, h, w]
        return tf.where(windows, error, 0.0) * upstream[:, :, tf.newaxis, tf.newaxis], None, None

    return costs, gradient
