"""The class loss: softmax cross-entropy with mined negatives."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.ops import cases
from official_yolact.schema import Tensor

_ORDERED = (256, 1024, 4096)
"""Anchors of an image that are put in order when no image of the batch has more that count."""


def sum_class_loss(logits: Tensor, class_ids: Tensor, config: configs.Losses) -> Tensor:
    """Sum the cross-entropy of the positives and of each image's hardest negatives.

    Args:
      logits: float32 [B, A, C], background first.
      class_ids: int32 [B, A] 0 background, -1 ignored.
      config: how many negatives are mined.

    Returns:
      The sum over the batch, float32.
    """
    mined = mine_negatives(measure_hardness(tf.stop_gradient(logits)), class_ids, config)
    used = tf.logical_or(class_ids > 0, mined)

    def sum_entropy(size: int) -> Tensor:
        taken, chosen = tf.math.top_k(tf.cast(used, tf.float32), size)
        labels = tf.gather(tf.maximum(class_ids, 0), chosen, batch_dims=1)
        rows = tf.gather(logits, chosen, batch_dims=1)
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, rows)
        return tf.reduce_sum(tf.where(taken > 0.0, entropy, 0.0))

    most = tf.reduce_max(tf.reduce_sum(tf.cast(used, tf.int32), axis=1))
    total: Tensor = cases.run_smallest(most, (*_ORDERED, logits.shape[1]), sum_entropy)
    return total


def measure_hardness(logits: Tensor) -> Tensor:
    """Compute the cross-entropy of every anchor as background, logsumexp - background logit.

    Args:
      logits: float32 [B, A, C], background first.

    Returns:
      float32 [B, A], at least 0.
    """
    # The largest probability is exp(0) / sum(exp(logit - largest)). A fifth faster than a logsumexp.
    largest = tf.reduce_max(tf.nn.softmax(logits), axis=-1)
    return tf.reduce_max(logits, axis=-1) - logits[..., 0] - tf.math.log(largest)


def count_mined(class_ids: Tensor, config: configs.Losses) -> Tensor:
    """Count the negatives that are mined in each image, which the logits do not decide.

    Args:
      class_ids: int32 [B, A] 0 background, -1 ignored.
      config: `negatives_per_positive` and `min_negatives`.

    Returns:
      int32 [B].
    """
    num_background = tf.reduce_sum(tf.cast(class_ids == 0, tf.int32), axis=1)
    return tf.minimum(_count_wanted(class_ids, config), num_background)


def mine_negatives(hardness: Tensor, class_ids: Tensor, config: configs.Losses) -> Tensor:
    """Choose each image's hardest background anchors; of equal ones the first.

    Args:
      hardness: float32 [B, A], at least 0.
      class_ids: int32 [B, A] 0 background, -1 ignored.
      config: `negatives_per_positive` and `min_negatives`.

    Returns:
      bool [B, A].
    """
    wanted = _count_wanted(class_ids, config)[:, tf.newaxis]
    hardness = tf.where(class_ids == 0, hardness, -1.0)

    def read_threshold(size: int) -> Tensor:
        hardest = tf.math.top_k(hardness, size).values
        return tf.gather(hardest, tf.clip_by_value(wanted - 1, 0, size - 1), batch_dims=1)

    threshold = cases.run_smallest(tf.reduce_max(wanted), (*_ORDERED, hardness.shape[1]), read_threshold)
    harder = hardness > threshold
    room = wanted - tf.reduce_sum(tf.cast(harder, tf.int32), axis=1, keepdims=True)
    equal = hardness == threshold
    first = tf.logical_and(equal, tf.cumsum(tf.cast(equal, tf.int32), axis=1) <= room)
    chosen = tf.logical_or(harder, first)
    return tf.logical_and(chosen, tf.logical_and(class_ids == 0, wanted > 0))


def _count_wanted(class_ids: Tensor, config: configs.Losses) -> Tensor:
    num_positives = tf.reduce_sum(tf.cast(class_ids > 0, tf.int32), axis=1)
    wanted = tf.maximum(config.negatives_per_positive * num_positives, config.min_negatives or 0)
    return tf.minimum(wanted, class_ids.shape[1] - 1)
