"""A 3x3 convolution that learns where to look."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.modeling.layers import symmetric_conv
from official_yolact.ops import deformable
from official_yolact.schema import Tensor

SCOPE = "deformable"
"""Name scope of what it computes, by which a quantizer finds it."""


class DeformableConv2D(tf_keras.layers.Layer):
    """Modulated deformable 3x3 convolution whose offsets are the outputs of an ordinary convolution.

    Untrained it computes half of a plain convolution: all offsets are 0, all modulations sigmoid(0).

    Source: DCNv2 as the original YOLACT++ has it: one deformable group, a bias, and no lower learning
    rate for the offsets.

    Attributes:
      kernel: float [3, 3, I, filters].
      bias: float [filters].
      offset_conv: convolution to 27 channels: y and x offset of tap 0, of tap 1, ..., then the nine
        logits of the modulation.
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Set up the convolution.

        Args:
          filters: output channels.
          strides: stride in both directions.
          kernel_initializer: of `kernel`; biases and the whole of `offset_conv` start at 0.
          kernel_regularizer: of both kernels, or None.
          **kwargs: what every Keras layer takes.
        """
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.kernel_initializer = tf_keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = tf_keras.regularizers.get(kernel_regularizer)
        self.bias_initializer = tf_keras.initializers.Zeros()
        self.offset_conv = symmetric_conv.SymmetricConv2D(
            3 * deformable.TAPS,
            deformable.SIDE,
            strides=strides,
            kernel_initializer="zeros",
            kernel_regularizer=self.kernel_regularizer,
            name="offset_conv",
        )

    def build(self, input_shape: Any) -> None:
        """Create the variables for inputs of [B, H, W, I]."""
        side = deformable.SIDE
        self.kernel = self.add_weight(
            name="kernel",
            shape=(side, side, int(input_shape[-1]), self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer=self.bias_initializer)
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve [B, H, W, I] to [B, ceil(H / strides), ceil(W / strides), filters]."""
        with tf.name_scope(SCOPE):
            taps = [2 * deformable.TAPS, deformable.TAPS]
            offsets, logits = tf.split(self.offset_conv(inputs), taps, axis=-1)
            modulation = tf.sigmoid(logits)
            return deformable.deform_conv2d(inputs, offsets, modulation, self.kernel, self.bias, self.strides)
