"""Class losses over all anchors: focal, and one whose scores say how well the box fits."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.schema import Tensor

_SMALLEST_ERROR = 1e-6  # below it the slope of a power of the error may be infinite


def sum_focal_loss(logits: Tensor, class_ids: Tensor, config: configs.Losses) -> Tensor:
    """Sum alpha (1 - p)^gamma times the cross-entropy, p the probability of what the anchor is.

    Args:
      logits: float32 [B, A, C], background first.
      class_ids: int32 [B, A] 0 background, -1 ignored.
      config: `focal_alpha` (of positives; background has 1 - alpha) and `focal_gamma`.

    Returns:
      The sum over all anchors that are not ignored, float32.

    Source: Lin et al., Focal Loss for Dense Object Detection, arXiv 1708.02002, with the softmax of all
    classes as the original's `use_focal_loss` has it.
    """
    log_probability = tf.gather(tf.nn.log_softmax(logits), tf.maximum(class_ids, 0), batch_dims=2)  # [B, A]
    error = tf.maximum(1.0 - tf.exp(log_probability), _SMALLEST_ERROR)
    weight = tf.where(class_ids > 0, config.focal_alpha, 1.0 - config.focal_alpha)
    costs = -weight * tf.pow(error, config.focal_gamma) * log_probability
    return tf.reduce_sum(tf.where(class_ids >= 0, costs, 0.0))


def sum_quality_loss(logits: Tensor, class_ids: Tensor, quality: Tensor, config: configs.Losses) -> Tensor:
    """Sum the cross-entropy with soft targets, times a power of the distance from them.

    The target of a positive is its quality for its class and the rest for the background, so that a
    class score learns to say how well the box fits. The distance of two distributions is half the sum of
    absolute differences.

    Args:
      logits: float32 [B, A, C], background first.
      class_ids: int32 [B, A] 0 background, -1 ignored.
      quality: float32 [B, A] from 0 to 1, of the positives; it gets no gradient.
      config: `focal_gamma`, the power.

    Returns:
      The sum over all anchors that are not ignored, float32.

    Source: Li et al., Generalized Focal Loss, arXiv 2006.04388, whose quality focal loss this is for one
    class. It has a sigmoid for each class; here a softmax keeps scores what they are with other losses.
    """
    log_all = tf.nn.log_softmax(logits)
    wanted = tf.where(class_ids > 0, tf.stop_gradient(quality), 0.0)  # [B, A]
    log_class = tf.gather(log_all, tf.maximum(class_ids, 1), batch_dims=2)  # [B, A]
    log_background = log_all[..., 0]
    of_class, of_background = tf.exp(log_class), tf.exp(log_background)
    others = 1.0 - of_class - of_background
    distance = (tf.abs(wanted - of_class) + tf.abs(1.0 - wanted - of_background) + others) / 2.0
    distance = tf.where(class_ids > 0, distance, 1.0 - of_background)
    entropy = -wanted * log_class - (1.0 - wanted) * log_background
    costs = tf.pow(tf.maximum(distance, _SMALLEST_ERROR), config.focal_gamma) * entropy
    return tf.reduce_sum(tf.where(class_ids >= 0, costs, 0.0))
