"""Labels matched with anchors: what each anchor learns."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from official_yolact import schema
from official_yolact.configs import yolact as configs
from official_yolact.ops import adaptive_matcher
from official_yolact.ops import box_coder
from official_yolact.ops import boxes
from official_yolact.ops import cases
from official_yolact.ops import grids
from official_yolact.ops import matcher
from official_yolact.schema import Tensor

# How many rows of the labels are matched: the smallest of these that is enough for every image of the batch.
_ROWS_MATCHED = (8, 24)


def build_targets(
    labels: schema.Labels, anchors: Tensor, config: configs.Losses, levels: Sequence[grids.Size] = ()
) -> schema.Targets:
    """Match the labels with the anchors and encode what each anchor learns.

    Args:
      labels: of a batch.
      anchors: float32 [A, 4] cyxhw_norm.
      config: the form and the thresholds of matching.
      levels: (height, width) of each level of the anchors; `assignment: adaptive` needs them.

    Returns:
      Targets. In an image without instances every anchor is background, or ignored in a crowd; in
      an image of weight 0 every anchor is ignored.
    """
    anchors = tf.convert_to_tensor(anchors, tf.float32)
    boxes_norm = tf.cast(labels["boxes"], tf.float32)

    def match_first(num_rows: int) -> matcher.Matches:
        arguments = (
            boxes_norm[:, :num_rows],
            tf.range(num_rows) < labels["num_instances"][:, tf.newaxis],
            labels["is_crowd"][:, :num_rows],
            boxes.cyxhw_to_yxyx(anchors),
        )
        if config.assignment == "adaptive":
            return adaptive_matcher.match(*arguments, levels, config.crowd_iou)
        return matcher.match(*arguments, config.positive_iou, config.negative_iou, config.crowd_iou)

    most = tf.reduce_max(labels["num_instances"])
    matches = cases.run_smallest(most, (*_ROWS_MATCHED, boxes_norm.shape[1]), match_first)
    counts = labels["weight"][:, tf.newaxis] > 0.0
    state = tf.where(counts, matches.state, matcher.IGNORED)
    classes = tf.gather(tf.cast(labels["classes"], tf.int32), matches.instance_index, batch_dims=1)  # [B, A]
    matched = tf.gather(boxes_norm, matches.instance_index, batch_dims=1)  # [B, A, 4]
    return schema.Targets(
        class_ids=tf.where(state == matcher.POSITIVE, classes, state),
        box_codes=box_coder.encode(matched, anchors),
        instance_index=matches.instance_index,
    )
