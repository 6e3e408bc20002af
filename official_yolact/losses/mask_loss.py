"""The mask loss: cropped to the instance's box and normalised by its area."""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from official_yolact import schema
from official_yolact.configs import yolact as configs
from official_yolact.losses import dice_loss
from official_yolact.losses import drawn_masks
from official_yolact.ops import cases
from official_yolact.schema import Tensor

OUTSIDE_COST = 100.0
# How many masks of each image are drawn: the smallest of these that is enough for every image of the batch.
_MASKS_DRAWN = (20, 40, 64)
_SMALLEST_AREA = 1e-12  # Of a box, as a part of the grid.


def draw_and_sum(
    prototypes: Tensor,
    coefficients: Tensor,
    labels: schema.Labels,
    targets: schema.Targets,
    config: configs.Losses,
) -> Tensor:
    """Draw the masks of the positives and sum their loss; few positives need little memory.

    The gradient is computed together with the loss: the gradient from above is a scalar factor.

    Args:
      prototypes: float32 [B, h, w, K].
      coefficients: float32 [B, A, K].
      labels: of the batch.
      targets: made from them.
      config: `masks_to_train` of an image, at most, and the fields that `sum_mask_loss` reads.

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
                total = sum_mask_loss(drawn, config)
            return total, *(tf.convert_to_tensor(gradient) for gradient in tape.gradient(total, sources))

        positive = tf.cast(targets["class_ids"] > 0, tf.int32)
        most = tf.reduce_max(tf.reduce_sum(positive, axis=1))
        total, *gradients = cases.run_smallest(most, (*_MASKS_DRAWN, config.masks_to_train), differentiate)
        return total, lambda upstream: tuple(upstream * gradient for gradient in gradients)

    return run(prototypes, coefficients)


def sum_mask_loss(drawn: drawn_masks.DrawnMasks, config: configs.Losses) -> Tensor:
    """Sum the mask loss over the positives of a batch.

    Inside the window of the instance's box (one grid cell wider) a cell costs its binary
    cross-entropy; outside, a cell of the instance costs 100 and has no gradient. Where the labels say which
    share of a cell is covered, that share is what the prediction is compared with, and outside it costs 100
    times itself. The sum over the grid is divided by the area of the box in grid cells.

    Args:
      drawn: masks of the positives; where they are fewer than the positives of their image, their
        sum is scaled up to stand for all of them.
      config: `dice_weight`, of a dice term that is added to each mask's, and `outline_weight`.

    Returns:
      float32 scalar.

    Source: the original, which takes the logarithm of rounded probabilities, limited to -100;
    here the logits are used, so that the cost of a confident mistake has a gradient.
    """
    costs = sum_window_entropy(drawn.logits, drawn.masks, drawn.windows, config.outline_weight)
    height, width = drawn.logits.shape[2:]
    areas = tf.maximum(drawn.box_areas, _SMALLEST_AREA * height * width)
    costs = costs / areas
    if config.dice_weight:
        costs += config.dice_weight * dice_loss.measure_dice(drawn.logits, drawn.masks, drawn.windows)
    per_image = tf.reduce_sum(tf.where(drawn.taken, costs, 0.0), axis=1)  # [B]
    num_drawn = tf.reduce_sum(tf.cast(drawn.taken, tf.float32), axis=1)
    return tf.reduce_sum(per_image * drawn.num_positives / tf.maximum(num_drawn, 1.0))


def sum_window_entropy(logits: Tensor, masks: Tensor, windows: Tensor, outline_weight: float = 0.0) -> Tensor:
    """Sum the cost of each mask over its grid.

    The gradient is written out: it keeps two float tensors [B, T, h, w] in memory, and the operations'
    own gradients would keep six.

    Args:
      logits: float32 [B, T, h, w].
      masks: [B, T, h, w] of the instances: bool, or the share of each cell that is covered.
      windows: bool [B, T, h, w].
      outline_weight: added to the weight 1 of the cells on an outline.

    Returns:
      float32 [B, T].
    """
    wanted = tf.cast(masks, tf.float32)

    @tf.custom_gradient
    def run(logits: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        inside = _weigh(tf.nn.softplus(logits) - wanted * logits, masks, outline_weight)
        costs = tf.reduce_sum(tf.where(windows, inside, wanted * OUTSIDE_COST), axis=[2, 3])

        def gradient(upstream: Tensor) -> Tensor:
            error = _weigh(tf.sigmoid(logits) - wanted, masks, outline_weight)  # [B, T, h, w]
            return tf.where(windows, error, 0.0) * upstream[:, :, tf.newaxis, tf.newaxis]

        return costs, gradient

    total: Tensor = run(logits)
    return total


def _weigh(values: Tensor, masks: Tensor, outline_weight: float) -> Tensor:
    """Multiply values [B, T, h, w] by 1 + `outline_weight` on the outline of masks of this shape."""
    if not outline_weight:
        return values
    return tf.where(find_outline(masks), (1.0 + outline_weight) * values, values)


def find_outline(masks: Tensor) -> Tensor:
    """Find the cells that an outline crosses.

    Args:
      masks: [..., h, w]: bool, or the share of each cell that is covered.

    Returns:
      bool [..., h, w]: shares between 0 and 1; of bool masks, cells beside one of the other value in
      their row or column.
    """
    masks = tf.convert_to_tensor(masks)
    if masks.dtype != tf.bool:
        return tf.logical_and(masks > 0, masks < 1)
    none = [[0, 0]] * (masks.shape.rank - 2)
    rows = tf.not_equal(masks[..., 1:, :], masks[..., :-1, :])
    columns = tf.not_equal(masks[..., 1:], masks[..., :-1])
    sides = [
        *(tf.pad(rows, [*none, ends, [0, 0]]) for ends in ([1, 0], [0, 1])),
        *(tf.pad(columns, [*none, [0, 0], ends]) for ends in ([1, 0], [0, 1])),
    ]
    return functools.reduce(tf.logical_or, sides)
