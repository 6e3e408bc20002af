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
    with the instance's mask. Where the labels say which share of a cell is covered, the target is the IoU at
    full size: see `_compute_shared_iou`.

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
    error = predicted - measure_iou(soft, drawn.masks)
    return tf.reduce_sum(smooth_l1.smooth_l1(tf.where(counts, error, 0.0)))


def measure_iou(soft: Tensor, masks: Tensor) -> Tensor:
    """Measure the IoU that predicted masks reach with those of their instances.

    Args:
      soft: float32 [..., h, w], 0 to 1, cropped.
      masks: [..., h, w] of the instances: bool, or the share of each cell that is covered.

    Returns:
      float32 [...]; of two empty masks 0.
    """
    if masks.dtype == tf.bool:
        return _compute_iou(soft > 0.5, masks)
    return _compute_shared_iou(soft, tf.cast(masks, tf.float32))


def _compute_iou(first: Tensor, second: Tensor) -> Tensor:
    """Compute the IoU of bool masks [..., h, w]; of two empty ones 0."""
    union = _count_cells(tf.logical_or(first, second))
    return _count_cells(tf.logical_and(first, second)) / tf.maximum(union, 1.0)


def _compute_shared_iou(soft: Tensor, shares: Tensor) -> Tensor:
    """Estimate the IoU that a soft mask reaches at full size, where it is enlarged and binarised.

    Its share of a cell is that of the four quarters that are above a half when it is enlarged twice. Where
    an outline crosses a cell, the outlines of prediction and instance mostly run alike: the smaller of both
    shares lies in the larger one. So the smaller is the intersection, and the larger the union.

    Args:
      soft: float32 [..., h, w], 0 to 1.
      shares: float32 [..., h, w], of each cell that the instance covers.

    Returns:
      float32 [...]; of two empty masks 0.
    """
    quarters = [part > 0.5 for rows in _halve(soft, -2) for part in _halve(rows, -1)]
    reached = tf.add_n([tf.cast(quarter, tf.float32) for quarter in quarters]) / 4.0
    union = tf.reduce_sum(tf.maximum(reached, shares), axis=[-2, -1])
    both = tf.reduce_sum(tf.minimum(reached, shares), axis=[-2, -1])
    return tf.where(union > 0.0, both / tf.where(union > 0.0, union, 1.0), 0.0)


def _halve(soft: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Interpolate at the middle of the first and of the second half of each cell of an axis."""
    size = soft.shape[axis]
    ends = tf.gather(soft, [0], axis=axis), tf.gather(soft, [size - 1], axis=axis)
    before, _ = tf.split(soft, [size - 1, 1], axis=axis)
    _, after = tf.split(soft, [1, size - 1], axis=axis)
    near = 0.75 * soft
    first = near + 0.25 * tf.concat([ends[0], before], axis=axis)
    return first, near + 0.25 * tf.concat([after, ends[1]], axis=axis)


def _count_cells(masks: Tensor) -> Tensor:
    return tf.reduce_sum(tf.cast(masks, tf.float32), axis=[-2, -1])
