"""The predicted masks of a batch's positive anchors, and the masks that they are compared with."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from official_yolact import schema
from official_yolact.ops import boxes
from official_yolact.ops import masks as masks_ops
from official_yolact.schema import Tensor

_SEED_SALT = 0x6D61736B  # Augmentation draws from the same seed: this makes the numbers different.


class DrawnMasks(NamedTuple):
    """T masks for each image, on the prototype grid.

    Where an image has fewer than T positives, the last masks are those of other anchors: `taken` is False
    for these, and they must not count.

    Attributes:
      logits: float32 [B, T, h, w] as predicted, not cropped.
      windows: bool [B, T, h, w] cells inside the instance's box.
      masks: [B, T, h, w] of the instances, as in the labels: bool, or float16 shares of the cells.
      classes: int32 [B, T] of the instances, from 1.
      box_areas: float32 [B, T] of the instances' boxes, in grid cells.
      taken: bool [B, T] whether the mask is that of a positive.
      num_positives: float32 [B] of the image, also those beyond T.
    """

    logits: Tensor
    windows: Tensor
    masks: Tensor
    classes: Tensor
    box_areas: Tensor
    taken: Tensor
    num_positives: Tensor


def draw_masks(
    prototypes: Tensor,
    coefficients: Tensor,
    labels: schema.Labels,
    targets: schema.Targets,
    limit: int,
) -> DrawnMasks:
    """Assemble the masks of each image's positives.

    Args:
      prototypes: float32 [B, h, w, K].
      coefficients: float32 [B, A, K].
      labels: of the batch.
      targets: made from them.
      limit: masks of an image, at most.

    Returns:
      DrawnMasks, T = min(limit, A).
    """
    positive = targets["class_ids"] > 0
    chosen, taken = choose_positives(positive, labels["seed"], limit)
    instances = tf.gather(targets["instance_index"], chosen, batch_dims=1)  # [B, T]
    boxes_norm = tf.gather(tf.cast(labels["boxes"], tf.float32), instances, batch_dims=1)  # [B, T, 4]
    height, width = prototypes.shape[1:3]
    return DrawnMasks(
        logits=masks_ops.assemble_masks(prototypes, tf.gather(coefficients, chosen, batch_dims=1)),
        windows=masks_ops.crop_windows(boxes_norm, height, width),
        masks=tf.gather(labels["masks"], instances, batch_dims=1),
        classes=tf.gather(targets["class_ids"], chosen, batch_dims=1),
        box_areas=boxes.area(boxes_norm) * float(height * width),
        taken=taken,
        num_positives=tf.reduce_sum(tf.cast(positive, tf.float32), axis=1),
    )


def choose_positives(positive: Tensor, seeds: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Choose the anchors of each image whose masks are drawn.

    Args:
      positive: bool [B, A].
      seeds: int32 [B, 2].
      limit: anchors of an image, at most.

    Returns:
      int32 [B, T] anchors and bool [B, T] whether each is a positive, T = min(limit, A). Up to `limit`
      positives are all chosen, in their order; of more, a random subset that is a function of the seed.
    """
    num_anchors = positive.shape[1]
    limit = min(limit, num_anchors)
    num_positives = tf.reduce_sum(tf.cast(positive, tf.int32), axis=1, keepdims=True)

    draws = _draw(seeds, num_anchors)
    draws = tf.where(num_positives > limit, draws, 0.0)  # [B, A]
    # Of equal keys top_k chooses the first.
    _, chosen = tf.math.top_k(tf.where(positive, 1.0 + draws, 0.0), limit)
    return chosen, tf.range(limit) < num_positives  # [B, T] both


def _draw(seeds: Tensor, count: int) -> Tensor:
    """Draw float32 [B, count] in 0..1 from int32 [B, 2] seeds, the same on every device.

    tf.random.stateless_uniform gives other numbers under XLA, and takes one seed at a time.
    """
    state = tf.fill([1], tf.constant(_SEED_SALT, tf.int64))
    for part in tf.unstack(tf.cast(seeds, tf.int64), axis=-1):
        state = _mix(tf.bitwise.bitwise_xor(state, part))  # [B]
    state = _mix(tf.bitwise.bitwise_xor(state[:, tf.newaxis], tf.range(count, dtype=tf.int64)))  # [B, count]
    return tf.cast(tf.bitwise.right_shift(state, tf.constant(8, tf.int64)), tf.float32) * 2.0**-24


def _mix(state: Tensor) -> Tensor:
    """Scatter 32-bit numbers over all 32-bit numbers, one to one, by xor-shift and multiplication."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x5BD1E995), (16, 1)):
        state = tf.bitwise.bitwise_and(state, tf.constant(0xFFFFFFFF, tf.int64))
        shifted = tf.bitwise.right_shift(state, tf.constant(shift, tf.int64))
        state = tf.bitwise.bitwise_xor(state, shifted) * factor
    return state
