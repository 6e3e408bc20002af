"""A convolution and the batch norm behind it, in one convolution where the norm stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.modeling.layers import pointwise_conv
from official_yolact.modeling.layers import rectifier
from official_yolact.schema import Tensor

Activation = Callable[[Tensor], Tensor]


def convolve(
    conv: Any,
    norm: Any,
    inputs: Tensor,
    training: bool | None,
    activation: Activation = tf.identity,
    shortcut: Tensor | None = None,
) -> Tensor:
    """Convolve, normalise, add a shortcut and activate.

    A norm on stored statistics is a factor and an offset for each channel. The factor goes into the
    kernel and the offset becomes the bias, since a pass over the kernel costs far less than one over the
    activations, forward and backward, and what would lie between the two need not be kept.

    Args:
      conv: the convolution; only a `tf_keras.layers.Conv2D` without bias takes a factor.
      norm: a batch norm.
      inputs: float [B, H, W, C].
      training: whether a norm that is not frozen uses the batch's statistics.
      activation: of each element.
      shortcut: float [B, H', W', filters], or None.

    Returns:
      float [B, H', W', filters].
    """
    if not (conv.built and norm.built):
        norm(conv(inputs), training=False)
    if not _takes_factor(conv, norm, training):
        x = norm(conv(inputs), training=training)
        return activation(x if shortcut is None else x + shortcut)
    kernel, bias = _fold(conv, norm, inputs.dtype)
    is_relu = rectifier.is_relu(activation)
    if training and conv.kernel_size == (1, 1) and (is_relu or activation is tf.identity):
        shortcuts = () if shortcut is None else (shortcut,)
        return pointwise_conv.convolve(conv.strides[0], is_relu, inputs, kernel, bias, *shortcuts)
    x = tf.nn.bias_add(conv.convolution_op(inputs, kernel), bias)
    x = x if shortcut is None else x + shortcut
    return rectifier.relu(x, training) if is_relu else activation(x)


def convolve_beside(
    conv: Any, norm: Any, inputs: Tensor, training: bool | None, activation: Activation
) -> tuple[Tensor, Tensor]:
    """Convolve as `convolve` does, and hand on the inputs for their other use.

    The gradient of that use is then added where this convolution computes its own, which spares a pass
    over both.

    Args:
      conv: see `convolve`.
      norm: see `convolve`.
      inputs: float [B, H, W, C].
      training: see `convolve`.
      activation: of each element.

    Returns:
      the outputs, float [B, H', W', filters], and `inputs`.
    """
    can_add = training and conv.kernel_size == conv.strides == (1, 1) and rectifier.is_relu(activation)
    if not (can_add and conv.built and norm.built and _takes_factor(conv, norm, training)):
        return convolve(conv, norm, inputs, training, activation), inputs
    return pointwise_conv.convolve_beside(inputs, *_fold(conv, norm, inputs.dtype))


def _takes_factor(conv: Any, norm: Any, training: bool | None) -> bool:
    stands_still = training is False or training is None or not norm.trainable
    return stands_still and isinstance(conv, tf_keras.layers.Conv2D) and not conv.use_bias


def _fold(conv: Any, norm: Any, dtype: Any) -> tuple[Tensor, Tensor]:
    """Compute the kernel with the norm's factor, and the norm's offset, rounded last."""
    factor = tf.math.rsqrt(_in_float32(norm.moving_variance) + norm.epsilon) * _in_float32(norm.gamma)
    offset = _in_float32(norm.beta) - _in_float32(norm.moving_mean) * factor
    return tf.cast(_in_float32(conv.kernel) * factor, dtype), tf.cast(offset, dtype)


def _in_float32(variable: Any) -> Tensor:
    """Read a variable without the cast that mixed precision puts around it."""
    return tf.convert_to_tensor(getattr(variable, "_variable", variable))
