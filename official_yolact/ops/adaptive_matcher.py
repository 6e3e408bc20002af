"""Which anchor learns which instance, by an overlap that each instance sets itself."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from official_yolact.ops import boxes
from official_yolact.ops import grids
from official_yolact.ops import matcher
from official_yolact.schema import Tensor

NEAREST_CELLS = 9
"""Cells of each level whose anchors are candidates of an instance."""


def match(
    boxes_norm: Tensor,
    valid: Tensor,
    is_crowd: Tensor,
    anchors_norm: Tensor,
    levels: Sequence[grids.Size],
    crowd_iou: float = 0.7,
) -> matcher.Matches:
    """Match anchors with instances.

    On each level the anchors of the cells whose centres are nearest to that of the instance are its
    candidates. Of these, the positive ones are those with their centre inside its box that overlap it at
    least by the mean of the candidates' IoU plus their standard deviation. An anchor that is positive for
    several instances is matched with the one that it overlaps best. As in `matcher.match`, every instance
    gets one anchor of its own, and others that lie in a crowd are ignored; the rest is background.

    Args:
      boxes_norm: float [B, N, 4] yxyx_norm.
      valid: bool [B, N] rows that hold an instance or a crowd.
      is_crowd: bool [B, N].
      anchors_norm: float [A, 4] yxyx_norm, level by level, every cell with as many.
      levels: (height, width) of each level in cells.
      crowd_iou: an anchor with more than this part of its area in one crowd lies in it.

    Returns:
      Matches; without instances every anchor is background, or ignored in a crowd.

    Source: Zhang et al., Bridging the Gap Between Anchor-based and Anchor-free Detection (ATSS), arXiv
    1912.02424, with 9 cells. There an instance may have no positive; here, cells as near as the ninth are
    candidates, too.
    """
    overlaps, in_crowd = matcher.measure_overlaps(boxes_norm, valid, is_crowd, anchors_norm, crowd_iou)
    nearest = _find_nearest(boxes_norm, anchors_norm, levels)  # [B, N, A]
    least = _measure_least(overlaps, nearest)
    inside = _lie_inside(boxes_norm, anchors_norm)
    fits = nearest & inside & (overlaps >= least) & (overlaps > 0.0)
    best_instance = tf.argmax(tf.where(fits, overlaps, -1.0), axis=1, output_type=tf.int32)  # [B, A]
    forced = matcher.serve_every_instance(overlaps, tf.argmax(overlaps, axis=1, output_type=tf.int32))
    is_forced = forced >= 0
    positive = tf.logical_or(is_forced, tf.reduce_any(fits, axis=1))
    rest = tf.where(in_crowd, matcher.IGNORED, matcher.BACKGROUND)
    return matcher.Matches(
        tf.where(positive, matcher.POSITIVE, rest), tf.where(is_forced, forced, best_instance)
    )


def _find_nearest(boxes_norm: Tensor, anchors_norm: Tensor, levels: Sequence[grids.Size]) -> Tensor:
    """Mark the anchors of the nearest cells of each level, bool [B, N, A]."""
    centres = boxes.yxyx_to_cyxhw(boxes_norm)[:, :, tf.newaxis, :2]  # [B, N, 1, 2]
    per_cell = anchors_norm.shape[0] // sum(height * width for height, width in levels)
    parts = tf.split(
        boxes.yxyx_to_cyxhw(anchors_norm)[:, :2],
        [height * width * per_cell for height, width in levels],
    )
    marks = []
    for size, anchors in zip(levels, parts, strict=True):
        # In cells of the level, so that a row is as far as a column where the image is not square.
        apart = tf.reduce_sum(tf.square((anchors - centres) * tf.constant(size, tf.float32)), axis=-1)
        count = min(NEAREST_CELLS * per_cell, apart.shape[2])
        farthest = -tf.math.top_k(-apart, count).values[..., -1:]  # [B, N, 1]
        marks.append(apart <= farthest)
    return tf.concat(marks, axis=2)


def _measure_least(overlaps: Tensor, nearest: Tensor) -> Tensor:
    """Add mean and standard deviation of the IoU [B, N, A] of candidates: [B, N, 1]."""
    counts = tf.reduce_sum(tf.cast(nearest, tf.float32), axis=2, keepdims=True)
    mean = tf.reduce_sum(tf.where(nearest, overlaps, 0.0), axis=2, keepdims=True) / counts
    squares = tf.reduce_sum(tf.where(nearest, tf.square(overlaps - mean), 0.0), axis=2, keepdims=True)
    return mean + tf.sqrt(squares / tf.maximum(counts - 1.0, 1.0))


def _lie_inside(boxes_norm: Tensor, anchors_norm: Tensor) -> Tensor:
    """Tell whether anchors have their centre inside a box, bool [B, N, A]."""
    centres = boxes.yxyx_to_cyxhw(anchors_norm)[:, :2]
    low, high = boxes_norm[:, :, tf.newaxis, :2], boxes_norm[:, :, tf.newaxis, 2:]  # [B, N, 1, 2]
    return tf.reduce_all((centres > low) & (centres < high), axis=-1)
