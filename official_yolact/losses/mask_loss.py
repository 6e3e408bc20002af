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

    def draw(seed: Tensor) -> Tensor:
        seed = tf.random.experimental.stateless_fold_in(seed, _SEED_SALT)
        return tf.random.stateless_uniform([num_anchors], seed, alg="philox")

    draws = tf.cond(
        tf.reduce_any(num_positives > limit),
        lambda: tf.map_fn(draw, seeds, fn_output_signature=tf.float32),
        lambda: tf.zeros_like(positive, tf.float32),
    )
    draws = tf.where(num_positives > limit, draws, 0.0)
    # Of equal keys top_k takes the first.
    _, chosen = tf.math.top_k(tf.where(positive, 1.0 + draws, 0.0), limit)
    return chosen, tf.range(limit) < num_positives


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
