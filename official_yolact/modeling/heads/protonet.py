"""The prototype branch."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.modeling.layers import conv_norm
from official_yolact.schema import Tensor


class Protonet(tf_keras.layers.Layer):
    """Three 3x3 convolutions, bilinear doubling, one more, and a 1x1 to K prototypes, ReLU after each.

    Attributes:
      convs: the four 3x3 convolutions; the resolution is doubled before the last.
      project: the 1x1 convolution.
    """

    def __init__(self, config: hyperparams.Config, **kwargs: Any) -> None:
        """Set up the layers from `configs.yolact.Protonet`."""
        super().__init__(**kwargs)
        self.convs = [
            tf_keras.layers.Conv2D(config.num_filters, 3, padding="same", name=f"conv{index}")
            for index in range(4)
        ]
        self.upsample = tf_keras.layers.UpSampling2D(2, interpolation="bilinear", name="upsample")
        self.project = tf_keras.layers.Conv2D(config.num_prototypes, 1, name="project")

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Map the lowest pyramid level [B, h3, w3, C] to prototypes [B, 2 h3, 2 w3, K], not below 0."""
        x = inputs
        for conv in self.convs[:-1]:
            x = conv_norm.convolve(conv, x, training, activation=tf.nn.relu)
        x = tf.cast(self.upsample(x), x.dtype)
        for conv in (self.convs[-1], self.project):
            x = conv_norm.convolve(conv, x, training, activation=tf.nn.relu)
        return x
