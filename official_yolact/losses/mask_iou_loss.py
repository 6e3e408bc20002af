"""The mask-IoU loss of YOLACT++: how well the branch knows the IoU of the masks drawn."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from official_yolact.losses import drawn_masks
from official_yolact.losses import smooth_l1
from official_yolact.schema import Tensor

MaskIoUHead = Callable[[Tensor], Tensor]
"""Soft masks [M, h, w] to the predicted IoU for each class [M, C-1], class 1 first."""


def sum_mask_iou_loss(drawn: drawn_masks.DrawnMasks, mask_iou_head: MaskIoUHead, min_area: float) -> Tensor:
    """Sum the smooth L1 loss of the predicted IoU over the masks drawn.

    The head's input is the cropped soft masks, and the gradient reaches prototypes and coefficients
    through it. Its target, for the class of the instance, is the IoU of the mask, cropped and binarised,
    with the instance's mask.

    Args:
      drawn: masks of the positives.
      mask_iou_head: predicts the IoU.
      min_area: instances that cover no more grid cells are left out.

    Returns:
      float32 scalar; 0 where no instance is larger.

    Source: the original. As there, where only some positives' masks are drawn, their sum is not scaled up.
    """
    soft = tf.where(drawn.windows, tf.sigmoid(drawn.logits), 0.0)
    num_masks, height, width = soft.shape[1:]
    predicted = mask_iou_head(tf.reshape(soft, [-1, height, width]))  # [B T, C-1]
    predicted = tf.reshape(predicted, [-1, num_masks, predicted.shape[-1]])
    # The class of a mask that is not taken may be 0 or -1.
    predicted = tf.gather(predicted, tf.maximum(drawn.classes - 1, 0), batch_dims=2)  # [B, T]

    counts = tf.logical_and(drawn.taken, _count_cells(drawn.masks) > min_area)
    error = predicted - _compute_iou(soft > 0.5, drawn.masks)
    return tf.reduce_sum(smooth_l1.smooth_l1(tf.where(counts, error, 0.0)))


def _compute_iou(first: Tensor, second: Tensor) -> Tensor:
    """Compute the IoU of bool masks [..., h, w]; of two empty ones 0."""
    union = _count_cells(tf.logical_or(first, second))
    return _count_cells(tf.logical_and(first, second)) / tf.maximum(union, 1.0)


def _count_cells(masks: Tensor) -> Tensor:
    return tf.reduce_sum(tf.cast(masks, tf.float32), axis=[-2, -1])
