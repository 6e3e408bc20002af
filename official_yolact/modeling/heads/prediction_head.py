"""The head that every pyramid level shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.modeling.layers import conv_norm
from official_yolact.schema import Tensor


class PredictionHead(tf_keras.layers.Layer):
    """One 3x3 convolution with ReLU, and three parallel ones: box codes, class logits, coefficients.

    Attributes:
      conv: the first convolution.
      box_conv: to A * 4 channels, anchor by anchor (dy, dx, dh, dw).
      class_conv: to A * C channels.
      coefficient_conv: to A * K channels.
      quality_conv: to A channels, with `predict_quality`; else None.
    """

    def __init__(
        self,
        config: hyperparams.Config,
        num_anchors: int,
        num_classes: int,
        num_prototypes: int,
        **kwargs: Any,
    ) -> None:
        """Set up the layers.

        Args:
          config: `configs.yolact.Head`.
          num_anchors: anchors of one cell.
          num_classes: C, with the background.
          num_prototypes: K.
          **kwargs: what every Keras layer takes.
        """
        super().__init__(**kwargs)
        self._num_classes, self._num_prototypes = num_classes, num_prototypes
        self.conv = tf_keras.layers.Conv2D(config.num_filters, 3, padding="same", name="conv")
        self.box_conv = tf_keras.layers.Conv2D(num_anchors * 4, 3, padding="same", name="box_conv")
        self.class_conv = tf_keras.layers.Conv2D(
            num_anchors * num_classes, 3, padding="same", name="class_conv"
        )
        self.coefficient_conv = tf_keras.layers.Conv2D(
            num_anchors * num_prototypes, 3, padding="same", name="coefficient_conv"
        )
        self.quality_conv = None
        if config.predict_quality:
            self.quality_conv = tf_keras.layers.Conv2D(num_anchors, 3, padding="same", name="quality_conv")

    def call(self, inputs: Mapping[str, Tensor], training: bool | None = None) -> dict[str, Tensor]:
        """Predict for every anchor, lowest level first, then y, x and the anchors of the cell.

        Args:
          inputs: float [B, h, w, F] of each level, by level.
          training: whether gradients will be asked for.

        Returns:
          float32 `box_outputs` [B, A, 4], `cls_outputs` [B, A, C] logits and `mask_coefficients`
          [B, A, K] after tanh; with `predict_quality` also `quality_outputs` [B, A] logits.
        """
        boxes, classes, coefficients, quality = [], [], [], []
        for level in sorted(inputs, key=int):
            x = conv_norm.convolve(self.conv, inputs[level], training, activation=tf.nn.relu)
            boxes.append(_flatten_anchors(self.box_conv(x), 4))
            classes.append(_flatten_anchors(self.class_conv(x), self._num_classes))
            coefficients.append(_flatten_anchors(self.coefficient_conv(x), self._num_prototypes))
            if self.quality_conv is not None:
                quality.append(_flatten_anchors(self.quality_conv(x), 1))
        outputs = {
            "box_outputs": tf.cast(tf.concat(boxes, 1), tf.float32),
            "cls_outputs": tf.cast(tf.concat(classes, 1), tf.float32),
            "mask_coefficients": tf.tanh(tf.cast(tf.concat(coefficients, 1), tf.float32)),
        }
        if quality:
            outputs["quality_outputs"] = tf.cast(tf.concat(quality, 1), tf.float32)[..., 0]
        return outputs


def _flatten_anchors(outputs: Tensor, depth: int) -> Tensor:
    _, height, width, channels = outputs.shape
    if height is None or width is None:
        return tf.reshape(outputs, [tf.shape(outputs)[0], -1, depth])
    return tf.reshape(outputs, [-1, height * width * (channels // depth), depth])
