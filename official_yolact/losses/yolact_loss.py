"""The losses of YOLACT."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from official_yolact import schema
from official_yolact.configs import yolact as configs
from official_yolact.losses import class_loss
from official_yolact.losses import mask_loss
from official_yolact.losses import targets as targets_lib
from official_yolact.schema import Tensor


class _Counts(NamedTuple):
    """What the sums are divided by: global counts over the number of replicas."""

    classes: Tensor
    positives: Tensor
    images: Tensor


class YolactLoss:
    """Computes class, box, mask and semantic loss of a batch of a replica.

    The sums are divided by the counts of the global batch, shared by its replicas: the mean over
    the replicas is the loss of the global batch, on one replica as on many.

    Args:
      config: weights and thresholds.
      anchors: float32 [A, 4] cyxhw_norm.
    """

    def __init__(self, config: configs.Losses, anchors: np.ndarray) -> None:
        self._config = config
        self._anchors = np.asarray(anchors, np.float32)

    def __call__(self, raw_outputs: schema.RawOutputs, labels: schema.Labels) -> schema.Losses:
        """Compute the losses.

        Args:
          raw_outputs: of the model, any float type.
          labels: of the same images.

        Returns:
          Losses: float32 scalars, already weighted. Class, box and mask loss are normalised by the
          positive anchors, the semantic loss by the images of weight above 0; each count is at
          least 1. Images of weight 0 and padding rows enter nothing.

        Source: the original, with its counts over the global batch instead of one GPU's. Mined
        negatives count as so many thirds of a positive (`negatives_per_positive`) where
        `min_negatives` makes them more than that: else one batch without objects outweighs many.
        """
        config = self._config
        raw = {name: tf.cast(value, tf.float32) for name, value in raw_outputs.items()}
        targets = targets_lib.build_targets(labels, self._anchors, config)
        positive = targets["class_ids"] > 0
        weight = tf.cast(labels["weight"] > 0.0, tf.float32)

        class_sum, num_mined = class_loss.sum_class_loss(raw["cls_outputs"], targets["class_ids"], config)
        counts = _count_global(positive, num_mined, weight, config.negatives_per_positive)
        box_sum = _sum_box_loss(raw["box_outputs"], targets["box_codes"], positive)
        mask_sum = mask_loss.sum_mask_loss(
            raw["prototypes"], raw["mask_coefficients"], labels, targets, config.masks_to_train
        )
        semantic = _image_semantic_loss(raw["semantic_outputs"], labels["semantic_masks"])
        losses = [
            config.class_weight * class_sum / counts.classes,
            config.box_weight * box_sum / counts.positives,
            config.mask_weight * mask_sum / counts.positives,
            config.semantic_weight * tf.reduce_sum(semantic * weight) / counts.images,
        ]
        return schema.Losses(
            class_loss=losses[0],
            box_loss=losses[1],
            mask_loss=losses[2],
            semantic_loss=losses[3],
            total_loss=tf.add_n(losses),
        )


def _sum_box_loss(codes: Tensor, target_codes: Tensor, positive: Tensor) -> Tensor:
    """Sum the smooth L1 loss, whose corner is at 1, over the positives."""
    error = tf.abs(tf.where(positive[..., tf.newaxis], codes - target_codes, 0.0))
    return tf.reduce_sum(tf.where(error < 1.0, 0.5 * tf.square(error), error - 0.5))


def _image_semantic_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Sum the binary cross-entropy over classes and average it over pixels: [B]."""
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(masks, tf.float32), logits)
    return tf.reduce_sum(entropy, axis=[1, 2, 3]) / math.prod(logits.shape[1:3])


def _count_global(positive: Tensor, num_mined: Tensor, weight: Tensor, per_positive: int) -> _Counts:
    num_positives = tf.reduce_sum(tf.cast(positive, tf.float32))
    counts = tf.stack([num_positives, num_mined / max(per_positive, 1), tf.reduce_sum(weight)])
    context = tf.distribute.get_replica_context()
    replicas = 1 if context is None else context.num_replicas_in_sync
    if replicas > 1:
        counts = context.all_reduce(tf.distribute.ReduceOp.SUM, counts)
    positives, mined, images = tf.unstack(tf.stop_gradient(tf.maximum(counts, 1.0)) / replicas)
    return _Counts(tf.maximum(positives, mined), positives, images)
