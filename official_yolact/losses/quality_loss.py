"""The quality loss: how well an anchor knows the IoU of the mask that it draws."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from official_yolact import schema
from official_yolact.configs import yolact as configs
from official_yolact.losses import drawn_masks
from official_yolact.losses import mask_iou_loss
from official_yolact.ops import box_coder
from official_yolact.ops import cases
from official_yolact.ops import masks as masks_ops
from official_yolact.schema import Tensor

_MASKS_DRAWN = (20, 40, 64)  # as many as the mask loss draws


def sum_quality_loss(
    raw: Mapping[str, Tensor],
    labels: schema.Labels,
    targets: schema.Targets,
    anchors: Tensor,
    config: configs.Losses,
) -> Tensor:
    """Sum the binary cross-entropy between predicted quality and mask IoU over the positives.

    The IoU is that of the mask as it is detected, cut to the predicted box, with the instance's. It is a
    target without a gradient: the head alone learns.

    Args:
      raw: `schema.RawOutputs` with `quality_outputs`, float32.
      labels: of the batch.
      targets: made from them.
      anchors: float32 [A, 4] cyxhw_norm.
      config: `masks_to_train` of an image are drawn, at most; their sum is scaled up to stand for all.

    Returns:
      float32 scalar.

    Source: the idea is that of Mask Scoring R-CNN, arXiv 1903.00241, and YOLACT++; that an output of the
    head predicts it for each anchor, that of IoU-aware RetinaNet, arXiv 1912.05992, for boxes.
    """
    frozen = {name: tf.stop_gradient(value) for name, value in raw.items()}
    positive = targets["class_ids"] > 0

    def sum_entropy(size: int) -> Tensor:
        drawn = drawn_masks.draw_masks(
            frozen["prototypes"], frozen["mask_coefficients"], labels, targets, size
        )
        chosen, _ = drawn_masks.choose_positives(positive, labels["seed"], size)  # [B, T]
        codes = tf.gather(frozen["box_outputs"], chosen, batch_dims=1)  # [B, T, 4]
        predicted = box_coder.decode(codes, tf.gather(tf.constant(anchors), chosen))
        windows = masks_ops.crop_windows(predicted, *drawn.logits.shape[2:])
        soft = tf.where(windows, tf.sigmoid(drawn.logits), 0.0)
        reached = tf.stop_gradient(mask_iou_loss.measure_iou(soft, drawn.masks))  # [B, T]
        logits = tf.gather(raw["quality_outputs"], chosen, batch_dims=1)  # [B, T]
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=reached, logits=logits)
        per_image = tf.reduce_sum(tf.where(drawn.taken, entropy, 0.0), axis=1)  # [B]
        num_drawn = tf.reduce_sum(tf.cast(drawn.taken, tf.float32), axis=1)
        return tf.reduce_sum(per_image * drawn.num_positives / tf.maximum(num_drawn, 1.0))

    most = tf.reduce_max(tf.reduce_sum(tf.cast(positive, tf.int32), axis=1))
    total: Tensor = cases.run_smallest(most, (*_MASKS_DRAWN, config.masks_to_train), sum_entropy)
    return total
