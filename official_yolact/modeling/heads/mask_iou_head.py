"""The branch that predicts how well a mask fits: YOLACT++'s mask re-scoring."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.schema import Tensor

_FILTERS = (8, 16, 32, 64, 128)
_SMALLEST_SIDE = 2 ** (len(_FILTERS) + 1) - 1


class MaskIoUHead(tf_keras.layers.Layer):
    """Predicts the IoU of a mask with its instance, for each class, from the mask alone.

    Attributes:
      convs: five 3x3 convolutions of stride 2, unpadded, each with a ReLU.
      project: the 1x1 convolution to one number for each class, with a ReLU.

    Source: the original. It fails on a grid whose shorter side is below 63 cells (inputs below about
    250 px), of which five unpadded convolutions leave nothing; here such a grid is padded with zeros
    below and on the right up to 63. No published model has one.
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        """Set up the convolutions for `num_classes` classes, the background counted but not predicted."""
        super().__init__(**kwargs)
        self.convs = [
            tf_keras.layers.Conv2D(filters, 3, strides=2, activation="relu", name=f"conv{index}")
            for index, filters in enumerate(_FILTERS)
        ]
        self.project = tf_keras.layers.Conv2D(num_classes - 1, 1, activation="relu", name="project")

    def call(self, inputs: Tensor) -> Tensor:
        """Predict the IoU of each mask.

        Args:
          inputs: float [M, h, w] or [M, h, w, 1] cropped soft masks (0..1) on the prototype grid,
            whose size is static; M is at least 1.

        Returns:
          float32 [M, C-1], at least 0 and not limited to 1; class 1 first. The convolutions follow
          the precision policy.
        """
        features = inputs[..., tf.newaxis] if inputs.shape.rank == 3 else inputs
        features = _pad_to_smallest(features)
        for conv in self.convs:
            features = conv(features)
        return tf.cast(tf.reduce_max(self.project(features), axis=[1, 2]), tf.float32)


def _pad_to_smallest(masks: Tensor) -> Tensor:
    missing = [max(_SMALLEST_SIDE - side, 0) for side in masks.shape[1:3]]
    if not any(missing):
        return masks
    return tf.pad(masks, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])
