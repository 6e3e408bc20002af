"""Convolution, batch norm and leaky ReLU: the unit of DarkNet."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.modeling.layers import conv_norm
from official_yolact.modeling.layers import symmetric_conv
from official_yolact.schema import Tensor

NEGATIVE_SLOPE = 0.1


class ConvUnit(tf_keras.layers.Layer):
    """Convolve without bias, normalise, and apply a leaky ReLU.

    Attributes:
      conv: the convolution, padded symmetrically.
      bn: the batch norm after it.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        strides: int = 1,
        norm_activation: hyperparams.Config,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Set up the layers.

        Args:
          filters: output channels.
          kernel_size: side of the kernel, odd.
          strides: stride in both directions.
          norm_activation: Model Garden's `NormActivation`; its activation is not used.
          kernel_regularizer: of the kernel, or None.
          **kwargs: what every Keras layer takes.
        """
        super().__init__(**kwargs)
        self.conv = symmetric_conv.SymmetricConv2D(
            filters, kernel_size, strides=strides, name="conv", **conv_norm.conv_options(kernel_regularizer)
        )
        self.bn = conv_norm.batch_norm(norm_activation, name="bn")

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Map [B, H, W, C] to [B, ceil(H / strides), ceil(W / strides), filters]."""
        return conv_norm.convolve(self.conv, inputs, training, self.bn, _activate)


def _activate(x: Tensor) -> Tensor:
    return tf.nn.leaky_relu(x, alpha=NEGATIVE_SLOPE)
