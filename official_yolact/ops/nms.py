"""The forms of non-maximum suppression of YOLACT.

All shapes are static but for the batch, and all compile under XLA.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from official_yolact.ops import boxes
from official_yolact.schema import Tensor

_EXCLUDED = -1.0
_POOLS = (64, 512)
"""Where the anchors above the threshold are so few, only they are looked at."""
_STAGES = ((16, (4, 12)), (64, (2, 24)))
"""The best N of every class are compared, then more of the classes that need it, if they are at most the last
of these numbers M; the smallest M that is enough is chosen."""
_is_one_way = contextvars.ContextVar("is_one_way", default=False)


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
    second_threshold: bool = False,
) -> Kept:
    """Keep, class by class, the boxes that no better box of the class overlaps.

    A box that is itself suppressed still suppresses. An anchor whose best class score is not above
    the threshold is left out of every class; beyond that no score is too low, unless
    `second_threshold` says so.

    Args:
      boxes_norm: float [B, A, 4] yxyx.
      scores: float [B, A, C-1] probabilities of the classes without the background.
      score_threshold: see above.
      iou_threshold: a box goes when a better one has a higher IoU with it.
      top_k: candidates of each class.
      max_detections: D.
      second_threshold: leave out also what scores no more than the threshold in its own class.

    Returns:
      Kept, of static shape. Equal scores keep the order of class, then anchor.

    Source: the original's default. Of two boxes without area it drops the second, as their IoU is
    NaN; here it is 0 and both stay.
    """

    def suppress(boxes_norm: Tensor, scores: Tensor) -> Kept:
        candidate = tf.reduce_max(scores, axis=-1, keepdims=True) > score_threshold
        by_class = tf.transpose(tf.where(candidate, scores, _EXCLUDED), [0, 2, 1])  # [B, C-1, A]
        stages = _STAGES if _may_branch() else ()
        by_class, indices = _find_best_kept(
            boxes_norm, by_class, top_k, iou_threshold, max_detections, stages
        )
        if second_threshold:
            by_class = tf.where(by_class > score_threshold, by_class, _EXCLUDED)
        return _keep_best(by_class, indices, max_detections)

    return _suppress_candidates(boxes_norm, scores, score_threshold, suppress)


def cross_class_nms(
    boxes_norm: Tensor,
    scores: Tensor,
    score_threshold: float,
    iou_threshold: float,
    top_k: int,
    max_detections: int,
) -> Kept:
    """Reduce each box to its best class, and keep those that no better box of any class overlaps.

    As in `fast_nms`, a box that is itself suppressed still suppresses.

    Args:
      boxes_norm: float [B, A, 4] yxyx.
      scores: float [B, A, C-1] probabilities of the classes without the background.
      score_threshold: boxes whose best class score is not above it are left out.
      iou_threshold: a box goes when a better one has a higher IoU with it.
      top_k: candidates of the image.
      max_detections: D.

    Returns:
      Kept, of static shape. Equal scores keep the order of anchors, equal classes of a box the first.

    Source: the original, which returns all that is left of `top_k` instead of the best
    `max_detections`; boxes without area as in `fast_nms`.
    """

    def suppress(boxes_norm: Tensor, scores: Tensor) -> Kept:
        best = tf.reduce_max(scores, axis=-1)
        best = tf.where(best > score_threshold, best, _EXCLUDED)[:, tf.newaxis]  # [B, 1, A]
        best, indices = _sort_rows(best, top_k)
        kept = _keep_best(
            _exclude_overlapped(boxes_norm, best, indices, iou_threshold), indices, max_detections
        )
        # [B, A] to [B, D]
        classes = tf.gather(tf.argmax(scores, axis=-1, output_type=tf.int32), kept.indices, batch_dims=1) + 1
        return kept._replace(classes=tf.where(kept.classes > 0, classes, 0))

    return _suppress_candidates(boxes_norm, scores, score_threshold, suppress)


def traditional_nms(
    boxes_norm: Tensor,
    scores: Tensor,
    input_size: Tensor,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> Kept:
    """Keep, class by class, the boxes that no better *kept* box of the class overlaps.

    The best box of all classes is kept, and the boxes of its class that overlap it are excluded; and so on
    until D are kept or none is left. These are the best D of what greedy suppression keeps in every class.

    Args:
      boxes_norm: float [B, A, 4] yxyx.
      scores: float [B, A, C-1] probabilities of the classes without the background.
      input_size: number [B, 2] (height, width) of the network input in pixels, for the IoU.
      score_threshold: a class score must be above it.
      iou_threshold: a box goes when a better one has at least this IoU with it.
      max_detections: D.

    Returns:
      Kept, of static shape. Equal scores keep the order of class, then anchor.

    Source: the original, whose pixel boxes include their last row and column: side = y2 - y1 + 1.
    """
    scale = tf.tile(tf.cast(input_size, tf.float32), [1, 2])[:, tf.newaxis]

    def suppress(boxes_norm: Tensor, scores: Tensor) -> Kept:
        boxes_px = boxes_norm * scale
        by_class = tf.where(scores > score_threshold, scores, _EXCLUDED)
        by_class = tf.transpose(by_class, [0, 2, 1])  # [B, C-1, A]
        batch = tf.shape(by_class)[0]
        none = tf.zeros([batch, max_detections], tf.int32)
        kept = Kept(none, none, tf.cast(none, tf.float32), tf.zeros([batch], tf.int32))
        _, _, kept = tf.while_loop(
            lambda best, left, kept: tf.reduce_any(best > _EXCLUDED),  # noqa: ARG005
            lambda best, left, kept: _keep_one_more(boxes_px, by_class, best, left, kept, iou_threshold),
            (tf.reduce_max(by_class, axis=-1), by_class > _EXCLUDED, kept),
            maximum_iterations=max_detections,
        )
        return Kept(*kept)

    return _suppress_candidates(boxes_norm, scores, score_threshold, suppress)


def lower_other_classes(kept: Kept, boxes_norm: Tensor, iou_threshold: float, factor: float) -> Kept:
    """Lower the scores of detections that overlap a better one of another class: one object, one class.

    Only what is kept is compared, and a detection that is itself lowered lowers others.

    Args:
      kept: of suppression in each class.
      boxes_norm: float [B, A, 4] yxyx, of all anchors.
      iou_threshold: a score is lowered when a better one's box has a higher IoU with its box.
      factor: multiplies the score; 0 leaves the detection out.

    Returns:
      Kept, in the order of the new scores; equal ones as before.

    Source: none. `cross_class_nms` leaves out what overlaps by as little as the objects of a class may, and
    so loses neighbours of two classes, and the right class where it is the second best.
    """
    found = tf.gather(tf.cast(boxes_norm, tf.float32), kept.indices, batch_dims=1)  # [B, D, 4]
    overlaps = boxes.iou(found, found)  # [B, D, D]
    num = found.shape[1]
    others = kept.classes[:, :, tf.newaxis] != kept.classes[:, tf.newaxis, :]
    better = (tf.range(num)[:, tf.newaxis] < tf.range(num)) & others & (kept.classes > 0)[:, :, tf.newaxis]
    repeats = tf.reduce_any(better & (overlaps > iou_threshold), axis=1)  # [B, D]
    lowered = tf.where(repeats, kept.scores * factor if factor else _EXCLUDED, kept.scores)
    scores, order = tf.math.top_k(tf.where(kept.classes > 0, lowered, _EXCLUDED), num)
    real = scores > _EXCLUDED
    return Kept(
        tf.where(real, tf.gather(kept.indices, order, batch_dims=1), 0),
        tf.where(real, tf.gather(kept.classes, order, batch_dims=1), 0),
        tf.where(real, scores, 0.0),
        tf.reduce_sum(tf.cast(real, tf.int32), axis=-1),
    )


def _suppress_candidates(
    boxes_norm: Tensor, scores: Tensor, score_threshold: float, suppress: Callable[[Tensor, Tensor], Kept]
) -> Kept:
    """Suppress among the anchors alone whose best class score is above the threshold, where they are few.

    Args:
      boxes_norm: float [B, A, 4].
      scores: float [B, A, C-1].
      score_threshold: below it `suppress` keeps nothing of an anchor.
      suppress: maps float32 boxes [B, P, 4] and scores [B, P, C-1] to what is kept of them.

    Returns:
      What `suppress` keeps of all anchors.
    """
    boxes_norm, scores = tf.cast(boxes_norm, tf.float32), tf.cast(scores, tf.float32)
    candidate = tf.cast(tf.reduce_max(scores, axis=-1) > score_threshold, tf.float32)  # [B, A]
    most = tf.reduce_max(tf.reduce_sum(candidate, axis=-1))

    def suppress_pool(size: int) -> Kept:
        # [B, P]: the candidates, then others; of equal values the first comes first, so anchors ascend.
        anchors = tf.math.top_k(candidate, size).indices
        kept = suppress(
            tf.gather(boxes_norm, anchors, batch_dims=1), tf.gather(scores, anchors, batch_dims=1)
        )
        indices = tf.gather(anchors, kept.indices, batch_dims=1)  # [B, D]
        return kept._replace(indices=tf.where(kept.classes > 0, indices, 0))

    def suppress_all() -> Kept:
        return suppress(boxes_norm, scores)

    branch = suppress_all
    sizes = [size for size in _POOLS if size < scores.shape[1]] if _may_branch() else []
    for size in reversed(sizes):
        branch = functools.partial(tf.cond, most <= size, functools.partial(suppress_pool, size), branch)
    return Kept(*branch())


@contextlib.contextmanager
def without_branches() -> Iterator[None]:
    """Trace suppression as one way for all data: the same detections, more work where candidates are few."""
    token = _is_one_way.set(True)
    try:
        yield
    finally:
        _is_one_way.reset(token)


def _may_branch() -> bool:
    """Tell whether a program may choose its way by the data: for a TPU nothing of this was measured."""
    return not _is_one_way.get() and not isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy)


def _keep_one_more(
    boxes_px: Tensor, by_class: Tensor, best: Tensor, left: Tensor, kept: Kept, iou_threshold: float
) -> tuple[Tensor, Tensor, Kept]:
    """Move the best box of each image to `kept`, and exclude from its class the boxes that overlap it.

    Scores are read for that class only. The loop copies its state in each step: so `left`, the largest part,
    has one byte for each box and class.

    Args:
      boxes_px: float32 [B, A, 4].
      by_class: float32 [B, C-1, A] scores.
      best: float32 [B, C-1] the largest score left in each class.
      left: bool [B, C-1, A].
      kept: what was kept so far.
      iou_threshold: a box goes when it has at least this IoU.

    Returns:
      The next `best`, `left` and `kept`.
    """
    label = tf.argmax(best, axis=-1, output_type=tf.int32)  # [B]; `row` is [B, A], the class's scores
    row = tf.where(tf.gather(left, label, batch_dims=1), tf.gather(by_class, label, batch_dims=1), _EXCLUDED)
    index = tf.argmax(row, axis=-1, output_type=tf.int32)
    score = tf.gather(row, index, batch_dims=1)
    overlaps = _iou_of_pixels(tf.gather(boxes_px, index, batch_dims=1), boxes_px)  # [B, A]
    is_kept = tf.range(row.shape[1]) == index[:, tf.newaxis]
    row = tf.where(is_kept | (overlaps >= iou_threshold), _EXCLUDED, row)
    is_label = tf.range(best.shape[1]) == label[:, tf.newaxis]  # [B, C-1]
    # A scatter into `left` would be as fast on a CPU, but GPUs have none for bytes.
    left = tf.where(is_label[..., tf.newaxis], (row > _EXCLUDED)[:, tf.newaxis], left)
    best = tf.where(is_label, tf.reduce_max(row, axis=-1, keepdims=True), best)
    real = score > _EXCLUDED
    is_next = (tf.range(kept.scores.shape[1]) == kept.num[:, tf.newaxis]) & real[:, tf.newaxis]  # [B, D]
    kept = Kept(
        tf.where(is_next, index[:, tf.newaxis], kept.indices),
        tf.where(is_next, label[:, tf.newaxis] + 1, kept.classes),
        tf.where(is_next, score[:, tf.newaxis], kept.scores),
        kept.num + tf.cast(real, tf.int32),
    )
    return best, left, kept


def _sort_rows(by_row: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Sort each row [B, R, A] of scores and cut it to `top_k`: scores and anchors, [B, R, k]."""
    values, indices = tf.math.top_k(by_row, min(top_k, by_row.shape[2]))
    return values, indices


def _find_best_kept(
    boxes_norm: Tensor,
    by_row: Tensor,
    top_k: int,
    iou_threshold: float,
    max_detections: int,
    stages: Sequence[tuple[int, tuple[int, ...]]],
) -> tuple[Tensor, Tensor]:
    """Sort each row, exclude what a better box overlaps, and what cannot be among the best of all rows.

    Whether a box is kept depends on the better ones of its row alone. So the best of each row are sorted and
    decided first. A row whose next score is below D of those that are kept has nothing more to add.

    Args:
      boxes_norm: float32 [B, A, 4].
      by_row: float32 [B, R, A] scores.
      top_k: candidates of a row, k, at most.
      iou_threshold: as of `_exclude_overlapped`.
      max_detections: D.
      stages: how many of each row are decided first, N, and how many rows may need more, each M; then the
        same of the next attempt.

    Returns:
      The scores [B, R, k] of which the best D are right, and their anchors, int32 [B, R, k].
    """
    num_rows, per_row = by_row.shape[1], min(top_k, by_row.shape[2])
    fewer = [(best, tuple(count for count in counts if count < num_rows)) for best, counts in stages]
    stages = [(best, counts) for best, counts in fewer if best < per_row and counts]
    if not stages:
        values, indices = _sort_rows(by_row, top_k)
        return _exclude_overlapped(boxes_norm, values, indices, iou_threshold), indices
    (best, counts), *later = stages
    values, indices = _sort_rows(by_row, best + 1)  # [B, R, N + 1]
    following = values[..., best]
    first = _exclude_overlapped(boxes_norm, values[..., :best], indices[..., :best], iou_threshold)
    least = tf.fill([tf.shape(by_row)[0], 1], _EXCLUDED)
    if num_rows * best >= max_detections:
        least = tf.math.top_k(tf.reshape(first, [-1, num_rows * best]), max_detections).values[:, -1:]
    unfinished = (following > _EXCLUDED) & (following >= least)  # [B, R]

    padding = [[0, 0], [0, 0], [0, per_row - best]]

    def find_rest(rows: Tensor) -> tuple[Tensor, Tensor]:
        return _find_best_kept(boxes_norm, rows, top_k, iou_threshold, max_detections, later)

    def pad_first() -> tuple[Tensor, Tensor]:
        return tf.pad(first, padding, constant_values=_EXCLUDED), tf.pad(indices[..., :best], padding)

    def finish_few(count: int) -> tuple[Tensor, Tensor]:
        rows = tf.math.top_k(tf.cast(unfinished, tf.float32), count).indices  # [B, M], ascending
        finished = find_rest(tf.gather(by_row, rows, batch_dims=1))  # [B, M, k] both
        place = tf.maximum(tf.cumsum(tf.cast(unfinished, tf.int32), axis=-1) - 1, 0)  # [B, R], below M
        scores, found = (
            tf.where(unfinished[..., tf.newaxis], tf.gather(late, place, batch_dims=1), early)
            for late, early in zip(finished, pad_first(), strict=True)
        )  # [B, R, k] both
        return scores, found

    most = tf.reduce_max(tf.reduce_sum(tf.cast(unfinished, tf.int32), axis=-1))
    branch = functools.partial(find_rest, by_row)
    for count in reversed(counts):
        branch = functools.partial(tf.cond, most <= count, functools.partial(finish_few, count), branch)
    scores, found = tf.cond(tf.equal(most, 0), pad_first, branch)
    return scores, found


def _exclude_overlapped(boxes_norm: Tensor, by_row: Tensor, indices: Tensor, iou_threshold: float) -> Tensor:
    """Exclude from each sorted row [B, R, k] of scores what a better box overlaps; the same shape."""
    per_row = by_row.shape[2]
    # Excluded anchors come last in their row, so that they suppress no candidate.
    candidates = tf.gather(boxes_norm, indices, batch_dims=1)  # [B, R, k, 4]
    overlaps = boxes.iou(candidates, candidates)  # [B, R, k, k]
    # The better boxes of a box are those before it. An overlap is the same both ways, and reducing the last
    # axis is the fastest.
    better = tf.linalg.band_part(tf.ones([per_row, per_row]), -1, 0) - tf.eye(per_row)
    kept = tf.reduce_max(overlaps * better, axis=-1) <= iou_threshold
    return tf.where(kept, by_row, _EXCLUDED)


def _keep_best(by_row: Tensor, indices: Tensor, max_detections: int) -> Kept:
    """Keep the best scores of all rows [B, R, k]; row 0 is class 1."""
    num_rows, per_row = by_row.shape[1:]
    total = num_rows * per_row
    # [B, min(D, R k)] each, then padded to D.
    best, position = tf.math.top_k(tf.reshape(by_row, [-1, total]), min(max_detections, total))
    indices = tf.gather(tf.reshape(indices, [-1, total]), position, batch_dims=1)
    padding = [[0, 0], [0, max_detections - min(max_detections, total)]]
    best = tf.pad(best, padding, constant_values=_EXCLUDED)
    real = best > _EXCLUDED
    return Kept(
        tf.where(real, tf.pad(indices, padding), 0),
        tf.where(real, tf.pad(position // per_row, padding) + 1, 0),
        tf.where(real, best, 0.0),
        tf.reduce_sum(tf.cast(real, tf.int32), axis=-1),
    )


def _iou_of_pixels(box: Tensor, boxes_px: Tensor) -> Tensor:
    """Compute the IoU [B, A] of one box [B, 4] with boxes [B, A, 4], whose last pixels are inside."""
    box = box[:, tf.newaxis]
    low, high = tf.maximum(box[..., :2], boxes_px[..., :2]), tf.minimum(box[..., 2:], boxes_px[..., 2:])
    shared = tf.reduce_prod(tf.maximum(high - low + 1.0, 0.0), axis=-1)
    area = tf.reduce_prod(boxes_px[..., 2:] - boxes_px[..., :2] + 1.0, axis=-1)
    own = tf.reduce_prod(box[..., 2:] - box[..., :2] + 1.0, axis=-1)
    return tf.math.divide_no_nan(shared, own + area - shared)
