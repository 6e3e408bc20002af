"""Box codes: a box relative to its anchor, as the network predicts it."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.ops import boxes
from official_yolact.schema import Tensor

CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2
_SMALLEST_SIDE = 1e-6
_LARGEST_LOG_RATIO = 20.0


def encode(boxes_norm: Tensor, anchors: Tensor) -> Tensor:
    """Encode boxes relative to anchors.

    Args:
      boxes_norm: float [..., A, 4] yxyx_norm.
      anchors: float [A, 4] cyxhw_norm with sides above 0.

    Returns:
      float [..., A, 4] (dy, dx, dh, dw), finite for boxes without height or width too.

    Source: the original, whose code of a box without area is minus infinity; here sides below
    1e-6 of the image count as that.
    """
    box = boxes.yxyx_to_cyxhw(boxes_norm)
    centre = (box[..., :2] - anchors[..., :2]) / (anchors[..., 2:] * CENTRE_VARIANCE)
    sides = tf.maximum(box[..., 2:], _SMALLEST_SIDE)
    return tf.concat([centre, tf.math.log(sides / anchors[..., 2:]) / SIZE_VARIANCE], axis=-1)


def decode(codes: Tensor, anchors: Tensor) -> Tensor:
    """Decode what `encode` wrote, and what the network predicts.

    Args:
      codes: float [..., A, 4] (dy, dx, dh, dw).
      anchors: float [A, 4] cyxhw_norm.

    Returns:
      float [..., A, 4] yxyx_norm, not clipped to the image.

    Source: the original; its exponential overflows where ours stops, at e^20 anchors.
    """
    centre = anchors[..., :2] + codes[..., :2] * CENTRE_VARIANCE * anchors[..., 2:]
    log_ratio = tf.minimum(codes[..., 2:] * SIZE_VARIANCE, _LARGEST_LOG_RATIO)
    sides = anchors[..., 2:] * tf.exp(log_ratio)
    return boxes.cyxhw_to_yxyx(tf.concat([centre, sides], axis=-1))
