"""The mask loss: cropped to the instance's box and normalised by its area."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from official_yolact import schema
from official_yolact.ops import boxes
from official_yolact.ops import masks as masks_ops
from official_yolact.schema import Tensor

OUTSIDE_COST = 100.0
_SMALLEST_AREA = 1e-12
_SEED_SALT = 0x6D61736B  # Other draws for the same example come from the same seed.


def sum_mask_loss(
    prototypes: Tensor,
    coefficients: Tensor,
    labels: schema.Labels,
    targets: schema.Targets,
    masks_to_train: int,
) -> Tensor:
    """Sum the mask loss over the positives of a batch.

    Inside the window of the instance's box (one grid cell wider) a pixel costs its binary
    cross-entropy; outside, a pixel of the instance costs 100 and has no gradient. The sum over the
    grid is divided by the area of the box in grid cells.

    Args:
      prototypes: float32 [B, h, w, K].
      coefficients: float32 [B, A, K].
      labels: of the batch.
      targets: made from them.
      masks_to_train: positives of an image that draw masks, at most; the sum is scaled up to stand
        for all of them.

    Returns:
      float32 scalar.

    Source: the original, which takes the logarithm of rounded probabilities, limited to -100;
    here the logits are used, so that the cost of a confident mistake has a gradient.
    """
    positive = targets["class_ids"] > 0
    chosen, counts = choose_positives(positive, labels["seed"], masks_to_train)
    instances = tf.gather(targets["instance_index"], chosen, batch_dims=1)  # [B, T]
    boxes_norm = tf.gather(tf.cast(labels["boxes"], tf.float32), instances, batch_dims=1)
    height, width = prototypes.shape[1:3]
    costs = sum_window_entropy(
        masks_ops.assemble_masks(prototypes, tf.gather(coefficients, chosen, batch_dims=1)),
        tf.gather(labels["masks"], instances, batch_dims=1),
        masks_ops.crop_windows(boxes_norm, height, width),
    )
    areas = tf.maximum(boxes.area(boxes_norm), _SMALLEST_AREA) * float(height * width)
    per_image = tf.reduce_sum(tf.where(counts, costs / areas, 0.0), axis=1)
    num_positives = tf.reduce_sum(tf.cast(positive, tf.float32), axis=1)
    kept = tf.reduce_sum(tf.cast(counts, tf.float32), axis=1)
    return tf.reduce_sum(per_image * num_positives / tf.maximum(kept, 1.0))


def choose_positives(positive: Tensor, seeds: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Choose the anchors of each image that draw masks.

    Args:
      positive: bool [B, A].
      seeds: int32 [B, 2].
      limit: anchors of an image, at most.

    Returns:
      int32 [B, T] anchors and bool [B, T] whether the place is taken, T = min(limit, A). Up to the
      limit these are all positives in their order; beyond, a random subset that is a function of
      the seed.
    """
    num_anchors = positive.shape[1]
    limit = min(limit, num_anchors)
    num_positives = tf.reduce_sum(tf.cast(positive, tf.int32), axis=1, keepdims=True)

    draws = _draw(seeds, num_anchors)
    draws = tf.where(num_positives > limit, draws, 0.0)
    # Of equal keys top_k takes the first.
    _, chosen = tf.math.top_k(tf.where(positive, 1.0 + draws, 0.0), limit)
    return chosen, tf.range(limit) < num_positives


def _draw(seeds: Tensor, count: int) -> Tensor:
    """Draw float32 [B, count] in 0..1 from int32 [B, 2] seeds, the same on every device.

    tf.random.stateless_uniform gives other numbers under XLA, and takes one seed at a time.
    """
    state = tf.fill([1], tf.constant(_SEED_SALT, tf.int64))
    for part in tf.unstack(tf.cast(seeds, tf.int64), axis=-1):
        state = _mix(tf.bitwise.bitwise_xor(state, part))
    state = _mix(tf.bitwise.bitwise_xor(state[:, tf.newaxis], tf.range(count, dtype=tf.int64)))
    return tf.cast(tf.bitwise.right_shift(state, tf.constant(8, tf.int64)), tf.float32) * 2.0**-24


def _mix(state: Tensor) -> Tensor:
    """Scatter 32-bit numbers over all 32-bit numbers, one to one, by xor-shift and multiplication."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x5BD1E995), (16, 1)):
        state = tf.bitwise.bitwise_and(state, tf.constant(0xFFFFFFFF, tf.int64))
        shifted = tf.bitwise.right_shift(state, tf.constant(shift, tf.int64))
        state = tf.bitwise.bitwise_xor(state, shifted) * factor
    return state


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
