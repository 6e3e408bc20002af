"""The losses of YOLACT."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
import tensorflow as tf

from official_yolact import schema
from official_yolact.configs import yolact as configs
from official_yolact.losses import box_loss
from official_yolact.losses import class_loss
from official_yolact.losses import drawn_masks
from official_yolact.losses import focal_loss
from official_yolact.losses import mask_iou_loss
from official_yolact.losses import mask_loss
from official_yolact.losses import quality_loss
from official_yolact.losses import targets as targets_lib
from official_yolact.ops import grids
from official_yolact.schema import Tensor


class Assignment(NamedTuple):
    """The targets of a replica's whole batch; they depend on labels and anchors alone.

    Attributes:
      targets: labels matched with the anchors.
      counts: float32 [3], positive anchors, mined negatives (0 where the class loss mines none) and images
        of weight above 0 of the global batch.
    """

    targets: schema.Targets
    counts: Tensor


class YolactLoss:
    """Computes class, box, mask, semantic and mask-IoU loss of a batch of a replica.

    The sums are divided by the counts of the global batch, shared by its replicas: the mean over
    the replicas is the loss of the global batch, on one replica as on many.

    Args:
      config: weights and thresholds.
      anchors: float32 [A, 4] cyxhw_norm.
      levels: (height, width) of each level of the anchors; `assignment: adaptive` needs them.
    """

    def __init__(
        self, config: configs.Losses, anchors: np.ndarray, levels: Sequence[grids.Size] = ()
    ) -> None:
        self._config = config
        self._levels = levels
        self._anchors = np.asarray(anchors, np.float32)

    def __call__(
        self,
        raw_outputs: schema.RawOutputs,
        labels: schema.Labels,
        mask_iou_head: mask_iou_loss.MaskIoUHead | None = None,
        assignment: Assignment | None = None,
    ) -> schema.Losses:
        """Compute the losses.

        Args:
          raw_outputs: of the model, any float type.
          labels: of the same images.
          mask_iou_head: the branch that predicts the IoU of masks, if the model has it.
          assignment: of the labels, with the counts of a larger batch where these are a part of one:
            the losses of its parts then add up to its losses. None: `assign` of these labels.

        Returns:
          Losses: float32 scalars, already weighted; `mask_iou_loss` only with the branch, `quality_loss`
          only of a head that predicts the quality. The
          semantic loss is divided by the number of images of weight above 0, the others by that of the
          positive anchors; each count is at least 1. Images of weight 0 and padding rows do not count.

        Source: the original, with its counts over the global batch instead of one GPU's. Where
        `min_negatives` mines more negatives than `negatives_per_positive` would, the class loss is divided
        by the negatives over `negatives_per_positive`: else one batch without objects outweighs many.
        """
        config = self._config
        raw = {name: tf.cast(value, tf.float32) for name, value in raw_outputs.items()}
        targets, counts = assignment or self.assign(labels)
        classes, positives, images = _share_counts(counts, config.negatives_per_positive)
        weight = tf.cast(labels["weight"] > 0.0, tf.float32)

        class_sum = self._sum_class_loss(raw, targets)
        box_sum = box_loss.sum_box_loss(raw["box_outputs"], targets, self._anchors, config.box_loss)
        mask_sum, iou_sum = self._sum_mask_losses(raw, labels, targets, mask_iou_head)
        semantic = _image_semantic_loss(raw["semantic_outputs"], labels["semantic_masks"])
        terms = {
            "class_loss": config.class_weight * class_sum / classes,
            "box_loss": config.box_weight * box_sum / positives,
            "mask_loss": config.mask_weight * mask_sum / positives,
            "semantic_loss": config.semantic_weight * tf.reduce_sum(semantic * weight) / images,
        }
        if iou_sum is not None:
            terms["mask_iou_loss"] = config.mask_iou_weight * iou_sum / positives
        if "quality_outputs" in raw:
            quality = quality_loss.sum_quality_loss(raw, labels, targets, self._anchors, config)
            terms["quality_loss"] = config.quality_weight * quality / positives
        return cast(schema.Losses, {**terms, "total_loss": tf.add_n(list(terms.values()))})

    def _sum_class_loss(self, raw: dict[str, Tensor], targets: schema.Targets) -> Tensor:
        logits, class_ids, config = raw["cls_outputs"], targets["class_ids"], self._config
        if config.class_loss == "focal":
            return focal_loss.sum_focal_loss(logits, class_ids, config)
        if config.class_loss == "quality":
            quality = box_loss.measure_fits(raw["box_outputs"], targets, self._anchors)
            return focal_loss.sum_quality_loss(logits, class_ids, quality, config)
        return class_loss.sum_class_loss(logits, class_ids, config)

    def _sum_mask_losses(
        self,
        raw: dict[str, Tensor],
        labels: schema.Labels,
        targets: schema.Targets,
        mask_iou_head: mask_iou_loss.MaskIoUHead | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Sum the mask loss and, with a head for it, the mask-IoU loss, which sees the same masks."""
        config = self._config
        sources = raw["prototypes"], raw["mask_coefficients"], labels, targets
        if mask_iou_head is None:
            return mask_loss.draw_and_sum(*sources, config), None
        drawn = drawn_masks.draw_masks(*sources, config.masks_to_train)
        iou_sum = mask_iou_loss.sum_mask_iou_loss(drawn, mask_iou_head, config.min_mask_iou_area)
        return mask_loss.sum_mask_loss(drawn, config), iou_sum

    def assign(self, labels: schema.Labels) -> Assignment:
        """Match the labels of a replica and count over the global batch.

        Args:
          labels: of the whole batch of the replica.
        """
        targets = targets_lib.build_targets(labels, self._anchors, self._config, self._levels)
        positive = tf.cast(targets["class_ids"] > 0, tf.float32)
        mined = tf.cast(class_loss.count_mined(targets["class_ids"], self._config), tf.float32)
        if self._config.class_loss != "mined_softmax":
            mined = tf.zeros_like(mined)
        weight = tf.cast(labels["weight"] > 0.0, tf.float32)
        counts = tf.stack([tf.reduce_sum(positive), tf.reduce_sum(mined), tf.reduce_sum(weight)])
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            counts = context.all_reduce(tf.distribute.ReduceOp.SUM, counts)
        return Assignment(targets, tf.stop_gradient(counts))


def _image_semantic_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Sum the binary cross-entropy over classes and average it over pixels: [B]."""
    return _sum_binary_entropy(logits, masks) / math.prod(logits.shape[1:3])


@tf.custom_gradient
def _sum_binary_entropy(
    logits: Tensor, masks: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, None]]]:
    """Sum over the pixels of an image: float32 and bool [B, h, w, C] to [B].

    The gradient is written out: it passes over the pixels a third as often as the operations' own.
    """
    wanted = tf.cast(masks, tf.float32)

    def differentiate(upstream: Tensor) -> tuple[Tensor, None]:
        return (tf.sigmoid(logits) - wanted) * upstream[:, tf.newaxis, tf.newaxis, tf.newaxis], None

    return tf.reduce_sum(tf.nn.softplus(logits) - wanted * logits, axis=[1, 2, 3]), differentiate


def _share_counts(counts: Tensor, per_positive: int) -> tuple[Tensor, Tensor, Tensor]:
    """Compute what class, positive and image sums are divided by: a replica's share of the counts."""
    context = tf.distribute.get_replica_context()
    replicas = 1 if context is None else context.num_replicas_in_sync
    shares = counts / tf.constant([1.0, max(per_positive, 1), 1.0])
    positives, mined, images = tf.unstack(tf.maximum(shares, 1.0) / replicas)
    return tf.maximum(positives, mined), positives, images
