"""The feature pyramid of YOLACT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.modeling.layers import conv_norm
from official_yolact.modeling.layers import symmetric_conv
from official_yolact.ops import interpolations
from official_yolact.schema import Tensor


class YolactFPN(tf_keras.layers.Layer):
    """Top-down pyramid that resizes to the exact size of each level.

    Source: the original upsamples bilinearly, applies ReLU to the levels that the backbone has and
    computes the coarser ones from the last of them by strided convolutions without ReLU. Model Garden's
    `fpn` upsamples by exactly 2, normalises every level and puts a ReLU before level 7.

    Attributes:
      lateral: the 1x1 convolution of each level that the backbone has, by level.
      smooth: the 3x3 convolution of the same levels.
      downsample: the strided 3x3 convolution of each coarser level.
    """

    def __init__(
        self,
        backbone_levels: list[int],
        min_level: int,
        max_level: int,
        num_filters: int = 256,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Set up the layers.

        Args:
          backbone_levels: levels of the backbone.
          min_level: lowest level of the pyramid.
          max_level: highest level of the pyramid.
          num_filters: channels of every level.
          kernel_regularizer: of every kernel, or None.
          **kwargs: what every Keras layer takes.

        Raises:
          ValueError: the backbone lacks a level that the pyramid is built from.
        """
        super().__init__(**kwargs)
        top = min(max_level, max(backbone_levels))
        self._lateral_levels = list(range(min_level, top + 1))
        self._coarse_levels = list(range(top + 1, max_level + 1))
        missing = sorted(set(self._lateral_levels) - set(backbone_levels))
        if missing or not self._lateral_levels:
            raise ValueError(
                f"the pyramid has levels {min_level} to {max_level}, but the backbone gives"
                f" {sorted(backbone_levels)}: set model.min_level to one"
                " that it gives, with none missing above"
            )
        self._num_filters = num_filters
        conv = {"kernel_regularizer": kernel_regularizer}
        self.lateral = {
            str(level): tf_keras.layers.Conv2D(num_filters, 1, name=f"lateral{level}", **conv)
            for level in self._lateral_levels
        }
        self.smooth = {
            str(level): symmetric_conv.SymmetricConv2D(num_filters, 3, name=f"smooth{level}", **conv)
            for level in self._lateral_levels
        }
        self.downsample = {
            str(level): symmetric_conv.SymmetricConv2D(
                num_filters, 3, strides=2, name=f"downsample{level}", **conv
            )
            for level in self._coarse_levels
        }

    def call(self, inputs: Mapping[str, Tensor], training: bool | None = None) -> dict[str, Tensor]:
        """Compute the pyramid.

        Args:
          inputs: float [B, h, w, C] of each backbone level, by level.
          training: whether gradients will be asked for.

        Returns:
          float [B, h, w, num_filters] of each level of the pyramid, by level.
        """
        outputs = {}
        x = None
        for level in reversed(self._lateral_levels):
            lateral = conv_norm.convolve(self.lateral[str(level)], inputs[str(level)], training)
            x = lateral if x is None else lateral + _resize_like(x, lateral)
            outputs[str(level)] = conv_norm.convolve(
                self.smooth[str(level)], x, training, activation=tf.nn.relu
            )
        for level in self._coarse_levels:
            outputs[str(level)] = self.downsample[str(level)](outputs[str(level - 1)])
        return outputs


def _resize_like(images: Tensor, target: Tensor) -> Tensor:
    size = target.shape[1:3]
    return interpolations.resize_bilinear(images, size if size.is_fully_defined() else tf.shape(target)[1:3])


def build_yolact_fpn(
    input_specs: Mapping[str, Any], model_config: hyperparams.Config, l2_regularizer: Any = None
) -> YolactFPN:
    """Build a `YolactFPN` for Model Garden's decoder factory.

    Args:
      input_specs: shape of each level that the backbone gives, by level.
      model_config: `configs.yolact.YolactModel`.
      l2_regularizer: of every kernel, or None.

    Returns:
      The decoder, not built yet.
    """
    return YolactFPN(
        backbone_levels=sorted(int(level) for level in input_specs),
        min_level=model_config.min_level,
        max_level=model_config.max_level,
        num_filters=model_config.decoder.get().num_filters,
        kernel_regularizer=l2_regularizer,
        name="yolact_fpn",
    )
