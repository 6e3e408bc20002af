"""The residual block of ResNet-50 and deeper."""

from __future__ import annotations

from typing import Any

import tf_keras

from official.modeling import hyperparams
from official.modeling import tf_utils
from official_yolact.modeling.layers import conv_norm
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
        self.conv1 = tf_keras.layers.Conv2D(
            filters, 1, name="conv1", **conv_norm.conv_options(kernel_regularizer)
        )
        self.bn1 = conv_norm.batch_norm(norm_activation, name="bn1")
        self.conv2 = _conv3x3(filters, strides, deformable, conv_norm.conv_options(kernel_regularizer))
        self.bn2 = conv_norm.batch_norm(norm_activation, name="bn2")
        self.conv3 = _conv1x1("conv3", EXPANSION * filters, 1, kernel_regularizer)
        gamma = "zeros" if zero_init_residual else "ones"
        self.bn3 = conv_norm.batch_norm(norm_activation, name="bn3", gamma_initializer=gamma)
        self.shortcut_conv: Any = None
        self.shortcut_bn: Any = None
        if project:
            self.shortcut_conv = _conv1x1("shortcut_conv", EXPANSION * filters, strides, kernel_regularizer)
            self.shortcut_bn = conv_norm.batch_norm(norm_activation, name="shortcut_bn")

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Map [B, H, W, C] to [B, ceil(H / strides), ceil(W / strides), 4 * filters]."""
        convolve, activation = conv_norm.convolve, self._activation
        x, shortcut = conv_norm.convolve_and_share(self.conv1, inputs, training, self.bn1, activation)
        x = convolve(self.conv2, x, training, self.bn2, activation)
        if self.shortcut_conv is not None:
            shortcut = convolve(self.shortcut_conv, shortcut, training, self.shortcut_bn)
        return convolve(self.conv3, x, training, self.bn3, activation, shortcut)


def _conv1x1(name: str, filters: int, strides: int, kernel_regularizer: Any) -> Any:
    options = conv_norm.conv_options(kernel_regularizer)
    return tf_keras.layers.Conv2D(filters, 1, strides=strides, name=name, **options)


def _conv3x3(filters: int, strides: int, deformable: bool, options: dict[str, Any]) -> Any:
    if not deformable:
        return symmetric_conv.SymmetricConv2D(filters, 3, strides=strides, name="conv2", **options)
    options = {name: value for name, value in options.items() if name != "use_bias"}
    from official_yolact.modeling.layers import deformable_conv  # noqa: PLC0415  of YOLACT++ alone

    return deformable_conv.DeformableConv2D(filters, strides, name="conv2", **options)
