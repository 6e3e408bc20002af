"""Convolution, norm, shortcut and activation: the unit of the whole network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.modeling.layers import processor_conv
from official_yolact.schema import Tensor

Activation = Callable[[Tensor], Tensor]


def convolve(
    conv: Any,
    inputs: Tensor,
    training: bool | None,
    norm: Any = None,
    activation: Activation = tf.identity,
    shortcut: Tensor | None = None,
) -> Tensor:
    """Convolve, normalise, add a shortcut and activate.

    On a processor `processor_conv` does it. On a GPU or TPU these lines do: nothing was measured there.

    Args:
      conv: a convolution without activation.
      inputs: float [B, H, W, C].
      training: whether gradients are computed; a batch norm that is not frozen then uses the batch's
        statistics.
      norm: a batch norm, or None.
      activation: of each element.
      shortcut: float [B, H', W', F], or None.

    Returns:
      float [B, H', W', F].
    """
    if processor_conv.is_faster(conv, norm, training):
        return processor_conv.convolve(conv, inputs, training, norm, activation, shortcut)
    x = conv(inputs)
    if norm is not None:
        x = norm(x, training=training)
    return activation(x if shortcut is None else x + shortcut)


def convolve_and_share(
    conv: Any, inputs: Tensor, training: bool | None, norm: Any, activation: Activation
) -> tuple[Tensor, Tensor]:
    """Convolve as `convolve` does, and return the inputs too: the shortcut around a block reads these.

    The gradients of the two results then meet in one place, where a processor adds them at no cost.
    """
    if processor_conv.is_faster(conv, norm, training):
        return processor_conv.convolve_and_share(conv, inputs, training, norm, activation)
    return convolve(conv, inputs, training, norm, activation), inputs


def conv_options(kernel_regularizer: Any) -> dict[str, Any]:
    """Return the arguments of every convolution of a backbone; it has no bias, as batch norm follows.

    Source: initial weights are normal with variance 2 / fan-out, as torchvision's.
    """
    return {
        "use_bias": False,
        "kernel_initializer": tf_keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        "kernel_regularizer": kernel_regularizer,
    }


def batch_norm(norm_activation: hyperparams.Config, **kwargs: Any) -> Any:
    """Build a batch norm from Model Garden's `NormActivation`."""
    return tf_keras.layers.BatchNormalization(
        momentum=norm_activation.norm_momentum,
        epsilon=norm_activation.norm_epsilon,
        synchronized=norm_activation.use_sync_bn,
        **kwargs,
    )
