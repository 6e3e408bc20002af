"""Which anchor learns which instance."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from official_yolact.ops import boxes
from official_yolact.schema import Tensor

POSITIVE = 1
BACKGROUND = 0
IGNORED = -1


class Matches(NamedTuple):
    """The state of each anchor, and the row of the instance that it is matched with."""

    state: Tensor  # int32 [B, A] POSITIVE, BACKGROUND or IGNORED
    instance_index: Tensor  # int32 [B, A]; 0 where the image has no instance


def match(
    boxes_norm: Tensor,
    valid: Tensor,
    is_crowd: Tensor,
    anchors_norm: Tensor,
    positive_iou: float = 0.5,
    negative_iou: float = 0.4,
    crowd_iou: float = 0.7,
) -> Matches:
    """Match anchors with instances.

    An anchor is matched with the instance that it overlaps best: positive from `positive_iou`, background
    below `negative_iou`, ignored between. Before that every instance gets one positive anchor of its
    own, however small the overlap: the pair with the highest IoU first, then the highest among
    the instances and anchors left. Of equal pairs the lower row goes first, then the lower anchor.
    Anchors that are not positive and lie in a crowd are ignored.

    Args:
      boxes_norm: float [B, N, 4] yxyx_norm.
      valid: bool [B, N] rows that hold an instance or a crowd.
      is_crowd: bool [B, N].
      anchors_norm: float [A, 4] yxyx_norm.
      positive_iou: least IoU of a positive anchor.
      negative_iou: background is below it.
      crowd_iou: an anchor with more than this part of its area in one crowd lies in it.

    Returns:
      Matches; without instances every anchor is background, or ignored in a crowd.

    Source: the original, which fails where an image has no instance, and which gives a box
    without any overlap (no area, say) an arbitrary anchor, where we give it none.
    """
    overlaps, in_crowd = measure_overlaps(boxes_norm, valid, is_crowd, anchors_norm, crowd_iou)
    best_overlap = tf.reduce_max(overlaps, axis=1)  # [B, A]
    best_instance = tf.argmax(overlaps, axis=1, output_type=tf.int32)
    forced = serve_every_instance(overlaps, best_instance)
    is_forced = forced >= 0

    positive = tf.logical_or(is_forced, best_overlap >= positive_iou)
    ignored = tf.logical_or(best_overlap >= negative_iou, in_crowd)
    state = tf.where(positive, POSITIVE, tf.where(ignored, IGNORED, BACKGROUND))
    return Matches(state, tf.where(is_forced, forced, best_instance))


def measure_overlaps(
    boxes_norm: Tensor, valid: Tensor, is_crowd: Tensor, anchors_norm: Tensor, crowd_iou: float
) -> tuple[Tensor, Tensor]:
    """Measure how anchors overlap instances, and which of them lie in a crowd.

    Args:
      boxes_norm: as of `match`, like the others.
      valid: see there.
      is_crowd: see there.
      anchors_norm: see there.
      crowd_iou: see there.

    Returns:
      float [B, N, A] IoU, -1 in rows that hold no instance, and bool [B, A].
    """
    instances = tf.logical_and(valid, tf.logical_not(is_crowd))
    shared = boxes.intersection(boxes_norm, anchors_norm)  # [B, N, A]
    anchor_area = boxes.area(anchors_norm)
    union = boxes.area(boxes_norm)[:, :, tf.newaxis] + anchor_area - shared  # [B, N, A]
    overlaps = tf.where(instances[:, :, tf.newaxis], tf.math.divide_no_nan(shared, union), -1.0)
    crowds = tf.logical_and(valid, is_crowd)
    crowd_area = tf.reduce_max(tf.where(crowds[:, :, tf.newaxis], shared, 0.0), axis=1)  # [B, A]
    return overlaps, crowd_area / anchor_area > crowd_iou


def serve_every_instance(overlaps: Tensor, best_instance: Tensor) -> Tensor:
    """Match every instance with one anchor, greedily by the highest IoU of the pairs left.

    A pair that is the best of its row and of its column is matched whatever the greedy order does with
    other rows and columns. So one round matches all such pairs at once; a few rounds are usual.

    Args:
      overlaps: float [B, N, A] IoU; -1 in rows that get no anchor.
      best_instance: int32 [B, A] row of the highest IoU of each anchor.

    Returns:
      int32 [B, A] row of the instance that the anchor is matched with; -1 for none.
    """
    rows, columns = tf.range(overlaps.shape[1]), tf.range(overlaps.shape[2])

    def serve(left: Tensor, best_row: Tensor, waiting: Tensor, forced: Tensor) -> tuple[Tensor, Tensor]:
        best_column = tf.argmax(left, axis=2, output_type=tf.int32)  # [B, N]
        overlap = tf.gather(left, best_column, batch_dims=2)  # [B, N]
        mutual = tf.gather(best_row, best_column, batch_dims=1) == rows
        served = tf.logical_and(mutual, overlap > 0.0)
        given = tf.gather(tf.where(served, best_column, -1), best_row, batch_dims=1) == columns  # [B, A]
        waiting = tf.logical_and(waiting, tf.logical_and(overlap > 0.0, tf.logical_not(served)))
        return waiting, tf.where(given, best_row, forced)

    def next_round(waiting: Tensor, forced: Tensor) -> tuple[Tensor, Tensor]:
        free = tf.logical_and(waiting[:, :, tf.newaxis], forced[:, tf.newaxis] < 0)  # [B, N, A]
        left = tf.where(free, overlaps, -1.0)
        return serve(left, tf.argmax(left, axis=1, output_type=tf.int32), waiting, forced)

    def anyone_waits(waiting: Tensor, forced: Tensor) -> Tensor:
        del forced
        return tf.reduce_any(waiting)

    start = serve(
        overlaps,
        best_instance,
        tf.fill(tf.shape(overlaps)[:2], True),
        tf.fill(tf.shape(best_instance), -1),
    )
    return tf.while_loop(anyone_waits, next_round, start)[1]
