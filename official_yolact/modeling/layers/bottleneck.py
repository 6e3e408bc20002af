"""The residual block of ResNet-50 and deeper."""

from __future__ import annotations

from typing import Any

import tf_keras

from official.modeling import hyperparams
from official.modeling import tf_utils
from official_yolact.modeling.layers import deformable_conv
from official_yolact.modeling.layers import normalized_conv
from official_yolact.modeling.layers import symmetric_conv
from official_yolact.schema import Tensor

EXPANSION = 4


class Bottleneck(tf_keras.layers.Layer):
    """1x1, 3x3 (it carries the stride) and 1x1 convolution around a shortcut.

    Source: the stride is where torchvision has it; the paper of ResNet has it in the first 1x1.
    """

    def __init__(
        self,
        *,
        filters: int,
        strides: int,
        project: bool,
        norm_activation: hyperparams.Config,
        zero_init_residual: bool = False,
        kernel_regularizer: Any = None,
        deformable: bool = False,
        **kwargs: Any,
    ) -> None:
        """Set up the layers.

        Args:
          filters: channels of the 3x3 convolution; the block has four times as many.
          strides: stride of the block.
          project: give the shortcut a convolution, as the first block of a stage has it.
          norm_activation: Model Garden's `NormActivation`.
          zero_init_residual: start the last gamma at 0.
          kernel_regularizer: of every kernel, or None.
          deformable: make the 3x3 convolution a `DeformableConv2D`; it has a bias.
          **kwargs: what every Keras layer takes.
        """
        super().__init__(**kwargs)
        self._activation = tf_utils.get_activation(norm_activation.activation)
        self.conv1 = tf_keras.layers.Conv2D(filters, 1, name="conv1", **conv_options(kernel_regularizer))
        self.bn1 = batch_norm(norm_activation, name="bn1")
        self.conv2 = _conv3x3(filters, strides, deformable, conv_options(kernel_regularizer))
        self.bn2 = batch_norm(norm_activation, name="bn2")
        self.conv3 = tf_keras.layers.Conv2D(
            EXPANSION * filters, 1, name="conv3", **conv_options(kernel_regularizer)
        )
        gamma = "zeros" if zero_init_residual else "ones"
        self.bn3 = batch_norm(norm_activation, name="bn3", gamma_initializer=gamma)
        self.shortcut_conv: Any = None
        self.shortcut_bn: Any = None
        if project:
            self.shortcut_conv = tf_keras.layers.Conv2D(
                EXPANSION * filters,
                1,
                strides=strides,
                name="shortcut_conv",
                **conv_options(kernel_regularizer),
            )
            self.shortcut_bn = batch_norm(norm_activation, name="shortcut_bn")

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Map [B, H, W, C] to [B, ceil(H / strides), ceil(W / strides), 4 * filters]."""
        convolve = normalized_conv.convolve
        x, shortcut = normalized_conv.convolve_beside(
            self.conv1, self.bn1, inputs, training, self._activation
        )
        x = convolve(self.conv2, self.bn2, x, training, self._activation)
        if self.shortcut_conv is not None:
            shortcut = convolve(self.shortcut_conv, self.shortcut_bn, shortcut, training)
        return convolve(self.conv3, self.bn3, x, training, self._activation, shortcut)


def _conv3x3(filters: int, strides: int, deformable: bool, options: dict[str, Any]) -> Any:
    if not deformable:
        return symmetric_conv.SymmetricConv2D(filters, 3, strides=strides, name="conv2", **options)
    options = {name: value for name, value in options.items() if name != "use_bias"}
    return deformable_conv.DeformableConv2D(filters, strides, name="conv2", **options)


def conv_options(kernel_regularizer: Any) -> dict[str, Any]:
    """Give the arguments that every convolution of the backbone has: no bias, as batch norm follows.

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
