"""Fast NMS of YOLACT."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from official_yolact.ops import boxes
from official_yolact.schema import Tensor

_EXCLUDED = -1.0


class Kept(NamedTuple):
    """Detections, best first; rows from `num` on are zero."""

    indices: Tensor  # int32 [B, D] anchor
    classes: Tensor  # int32 [B, D] from 1
    scores: Tensor  # float32 [B, D] descending
    num: Tensor  # int32 [B]


def fast_nms(
    boxes_norm: Tensor,
    scores: Tensor,
    score_threshold: float,
    iou_threshold: float,
    top_k: int,
    max_detections: int,
) -> Kept:
    """Keep, class by class, the boxes that no better box of the class overlaps.

    A box that is itself suppressed still suppresses. An anchor whose best class score is not above
    the threshold is left out of every class; beyond that no score is too low.

    Args:
      boxes_norm: float [B, A, 4] yxyx.
      scores: float [B, A, C-1] probabilities of the classes without the background.
      score_threshold: see above.
      iou_threshold: a box goes when a better one has a higher IoU with it.
      top_k: candidates of each class.
      max_detections: D.

    Returns:
      Kept, of static shape. Equal scores keep the order of class, then anchor.

    Source: the original's default. Of two boxes without area it drops the second, as their IoU is
    NaN; here it is 0 and both stay.
    """
    boxes_norm, scores = tf.cast(boxes_norm, tf.float32), tf.cast(scores, tf.float32)
    candidate = tf.reduce_max(scores, axis=-1, keepdims=True) > score_threshold
    by_class = tf.transpose(tf.where(candidate, scores, _EXCLUDED), [0, 2, 1])  # [B, C-1, A]
    num_classes, num_anchors = by_class.shape[1:]
    per_class = min(top_k, num_anchors)
    by_class, indices = tf.math.top_k(by_class, per_class)  # [B, C-1, k]
    # Excluded anchors come last in their class, so that they suppress no candidate.
    overlaps = _self_iou(tf.gather(boxes_norm, indices, batch_dims=1))  # [B, C-1, k, k]
    better = tf.linalg.band_part(tf.ones([per_class, per_class]), 0, -1) - tf.eye(per_class)
    kept = tf.reduce_max(overlaps * better, axis=-2) <= iou_threshold
    by_class = tf.where(kept, by_class, _EXCLUDED)

    total = num_classes * per_class
    best, place = tf.math.top_k(tf.reshape(by_class, [-1, total]), min(max_detections, total))
    indices = tf.gather(tf.reshape(indices, [-1, total]), place, batch_dims=1)
    padding = [[0, 0], [0, max_detections - min(max_detections, total)]]
    best = tf.pad(best, padding, constant_values=_EXCLUDED)
    real = best > _EXCLUDED
    return Kept(
        tf.where(real, tf.pad(indices, padding), 0),
        tf.where(real, tf.pad(place // per_class, padding) + 1, 0),
        tf.where(real, best, 0.0),
        tf.reduce_sum(tf.cast(real, tf.int32), axis=-1),
    )


def _self_iou(candidates: Tensor) -> Tensor:
    return boxes.iou(candidates, candidates)
