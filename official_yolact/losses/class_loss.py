"""The class loss: softmax cross-entropy with mined negatives."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.ops import cases
from official_yolact.schema import Tensor

# How many anchors of each image are sorted: the smallest of these sizes that is enough for every image of
# the batch. Sorting all anchors would take longer than the loss itself.
_SORTED = (256, 1024, 4096)


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
        is_used, chosen = tf.math.top_k(tf.cast(used, tf.float32), size)  # [B, size], used anchors first
        labels = tf.gather(tf.maximum(class_ids, 0), chosen, batch_dims=1)  # [B, size]
        rows = tf.gather(logits, chosen, batch_dims=1)  # [B, size, C]
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, rows)
        return tf.reduce_sum(tf.where(is_used > 0.0, entropy, 0.0))

    most = tf.reduce_max(tf.reduce_sum(tf.cast(used, tf.int32), axis=1))
    total: Tensor = cases.run_smallest(most, (*_SORTED, logits.shape[1]), sum_entropy)
    return total


def measure_hardness(logits: Tensor) -> Tensor:
    """Compute the cross-entropy of every anchor as background, logsumexp - background logit.

    Args:
      logits: float32 [B, A, C], background first.

    Returns:
      float32 [B, A], at least 0.
    """
    # logsumexp(logits) = largest logit - log(largest probability), and this is a fifth faster.
    largest = tf.reduce_max(tf.nn.softmax(logits), axis=-1)
    return tf.reduce_max(logits, axis=-1) - logits[..., 0] - tf.math.log(largest)


def count_mined(class_ids: Tensor, config: configs.Losses) -> Tensor:
    """Count the negatives that `mine_negatives` chooses in each image; it does not depend on the logits.

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
    wanted = _count_wanted(class_ids, config)[:, tf.newaxis]  # [B, 1]
    hardness = tf.where(class_ids == 0, hardness, -1.0)

    def read_threshold(size: int) -> Tensor:
        hardest = tf.math.top_k(hardness, size).values  # [B, size]
        return tf.gather(hardest, tf.clip_by_value(wanted - 1, 0, size - 1), batch_dims=1)

    threshold = cases.run_smallest(tf.reduce_max(wanted), (*_SORTED, hardness.shape[1]), read_threshold)
    # The threshold is [B, 1]. Of the anchors that equal it, the first ones fill what is left.
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
