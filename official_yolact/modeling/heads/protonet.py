"""The prototype branch."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.modeling.layers import conv_norm
from official_yolact.ops import interpolations
from official_yolact.schema import Tensor


class Protonet(tf_keras.layers.Layer):
    """Three 3x3 convolutions, bilinear doubling, one more, and a 1x1 to K prototypes, ReLU after each.

    With `config.detail` a 1x1 convolution of finer features is added where the resolution is doubled. The
    original has no such step; it is that of a feature pyramid (arXiv 1612.03144). Its weights begin at 0, so
    that the prototypes begin as those without it: no activation bounds the finer features of MobileNetV2,
    and with ImageNet's weights they would drown the others, and masks would not be learned.

    Attributes:
      convs: the four 3x3 convolutions; the resolution is doubled before the last.
      lateral: the 1x1 convolution of the finer features, or None.
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
        self.lateral = (
            tf_keras.layers.Conv2D(config.num_filters, 1, kernel_initializer="zeros", name="lateral")
            if config.detail
            else None
        )
        self.project = tf_keras.layers.Conv2D(config.num_prototypes, 1, name="project")

    def call(self, inputs: Tensor, detail: Tensor | None = None, training: bool | None = None) -> Tensor:
        """Compute the prototypes.

        Args:
          inputs: float [B, h3, w3, C] of the lowest pyramid level.
          detail: float [B, about 2 h3, about 2 w3, C'] of the backbone's level below it; only with
            `config.detail`.
          training: whether gradients will be asked for.

        Returns:
          [B, 2 h3, 2 w3, K], not below 0.
        """
        x = inputs
        for conv in self.convs[:-1]:
            x = conv_norm.convolve(conv, x, training, activation=tf.nn.relu)
        x = tf.cast(self.upsample(x), x.dtype)
        if self.lateral is not None:
            fine = conv_norm.convolve(self.lateral, detail, training)
            # Sides that are no multiples of the strides have one cell less there.
            x += (
                fine
                if fine.shape[1:3] == x.shape[1:3]
                else interpolations.resize_bilinear(fine, x.shape[1:3])
            )
        for conv in (self.convs[-1], self.project):
            x = conv_norm.convolve(conv, x, training, activation=tf.nn.relu)
        return x
