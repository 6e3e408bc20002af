"""The box loss: smooth L1 on codes, or the overlap of decoded boxes."""

from __future__ import annotations

import math

import tensorflow as tf

from official_yolact import schema
from official_yolact.losses import smooth_l1
from official_yolact.ops import box_coder
from official_yolact.ops import boxes
from official_yolact.schema import Tensor

_LARGEST_CODE = 1e4  # of the centre, 1,000 anchors away: farther boxes would overflow squares of distances
_SMALLEST_SIDE = 1e-9  # of the image, in the slope of a diagonal


def sum_box_loss(codes: Tensor, targets: schema.Targets, anchors: Tensor, kind: str) -> Tensor:
    """Sum the box loss over the positives.

    Args:
      codes: float32 [B, A, 4] as predicted.
      targets: of the batch.
      anchors: float32 [A, 4] cyxhw_norm.
      kind: one of `configs.yolact.BOX_LOSSES`.

    Returns:
      float32 scalar.

    Source: the original has smooth L1 with its corner at 1; for the others see `measure_distances`.
    """
    positive, wanted = targets["class_ids"] > 0, targets["box_codes"]
    if kind == "smooth_l1":
        error = tf.where(positive[..., tf.newaxis], codes - wanted, 0.0)
        return tf.reduce_sum(smooth_l1.smooth_l1(error))
    distances = measure_distances(*_decode(codes, targets, anchors), kind)
    return tf.reduce_sum(tf.where(positive, distances, 0.0))


def measure_fits(codes: Tensor, targets: schema.Targets, anchors: Tensor) -> Tensor:
    """Measure the IoU of predicted boxes with those of their instances.

    Args:
      codes: float32 [B, A, 4] as predicted.
      targets: of the batch.
      anchors: float32 [A, 4] cyxhw_norm.

    Returns:
      float32 [B, A] from 0 to 1; 1 for anchors that are not positive.
    """
    return _compute_iou(*_decode(codes, targets, anchors))[0]


def _decode(codes: Tensor, targets: schema.Targets, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Decode predicted and wanted boxes, float32 [B, A, 4] yxyx_norm each."""
    positive, wanted = targets["class_ids"] > 0, targets["box_codes"]
    # What the others predict is not decoded: where it overflows, a gradient of 0 times infinity is NaN.
    codes = tf.where(positive[..., tf.newaxis], codes, wanted)
    centre = tf.clip_by_value(codes[..., :2], -_LARGEST_CODE, _LARGEST_CODE)
    predicted = box_coder.decode(tf.concat([centre, codes[..., 2:]], axis=-1), anchors)
    return predicted, box_coder.decode(wanted, anchors)


def measure_distances(predicted: Tensor, wanted: Tensor, kind: str) -> Tensor:
    """Measure how far boxes are from those wanted: 0 for equal ones, growing with their distance.

    Args:
      predicted: float32 [..., 4] yxyx_norm, with corners in order.
      wanted: float32 [..., 4] likewise, with a side above 0.
      kind: `giou` (1 - IoU + the part of the common enclosing box that neither covers) or `ciou`
        (1 - IoU + squared distance of the centres over the squared diagonal of that box + a penalty of
        different aspect ratios).

    Returns:
      float32 [...], `giou` from 0 to 2, `ciou` from 0 to below 3.

    Source: Rezatofighi et al., Generalized Intersection over Union, arXiv 1902.09630; Zheng et al.,
    Distance-IoU Loss, arXiv 1911.08287, whose weight of the aspect ratios has no gradient, as here.
    """
    iou, union = _compute_iou(predicted, wanted)
    # Height and width of the smallest box around both, [..., 2].
    around = tf.maximum(predicted[..., 2:], wanted[..., 2:]) - tf.minimum(predicted[..., :2], wanted[..., :2])
    if kind == "giou":
        enclosing = tf.reduce_prod(around, axis=-1)
        return 1.0 - iou + tf.math.divide_no_nan(enclosing - union, enclosing)
    ours, theirs = boxes.yxyx_to_cyxhw(predicted), boxes.yxyx_to_cyxhw(wanted)
    apart = tf.reduce_sum(tf.square(ours[..., :2] - theirs[..., :2]), axis=-1)
    apart = tf.math.divide_no_nan(apart, tf.reduce_sum(tf.square(around), axis=-1))
    turned = 4.0 / math.pi**2 * tf.square(_measure_slope(ours) - _measure_slope(theirs))
    weight = tf.stop_gradient(tf.math.divide_no_nan(turned, 1.0 - iou + turned))
    return 1.0 - iou + apart + weight * turned


def _compute_iou(predicted: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the IoU of pairs of boxes [..., 4] and the area of their union, [...] each."""
    low = tf.maximum(predicted[..., :2], wanted[..., :2])
    high = tf.minimum(predicted[..., 2:], wanted[..., 2:])
    shared = tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)
    union = boxes.area(predicted) + boxes.area(wanted) - shared
    return tf.math.divide_no_nan(shared, union), union


def _measure_slope(cyxhw: Tensor) -> Tensor:
    """Measure the angle of a box's diagonal [...], from 0 (no width) to half of pi."""
    return tf.atan(cyxhw[..., 3] / (cyxhw[..., 2] + _SMALLEST_SIDE))
