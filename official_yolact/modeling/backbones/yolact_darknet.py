"""DarkNet-53 with the numbers of the original YOLACT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.modeling.layers import conv_unit
from official_yolact.modeling.layers import darknet_block
from official_yolact.ops import grids
from official_yolact.schema import Tensor

BLOCKS = {53: (1, 2, 8, 8, 4)}
_STEM_FILTERS = 32


class YolactDarkNet(tf_keras.Model):
    """DarkNet with symmetric padding and levels 1 to 5.

    Source: YOLOv3's network as the original YOLACT has it: convolution, batch norm of epsilon 1e-5,
    leaky ReLU of slope 0.1. Its inputs are RGB pixels divided by 255.

    Attributes:
      preconv: the stem, a `ConvUnit` at full resolution.
      stages: for each of the five stages its list: the `ConvUnit` that halves the resolution, then
        the stage's `DarkNetBlock`s.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        norm_activation: hyperparams.Config,
        input_specs: Any = None,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Set up the layers.

        Args:
          blocks: residual blocks of each of the five stages.
          norm_activation: Model Garden's `NormActivation`; its activation is not used.
          input_specs: `tf_keras.layers.InputSpec` of the images; None: [None, None, None, 3].
          kernel_regularizer: of every kernel, or None.
          **kwargs: what every Keras model takes.
        """
        super().__init__(**kwargs)
        self._input_size = tuple(input_specs.shape[1:3]) if input_specs is not None else (None, None)
        options: dict[str, Any] = {
            "norm_activation": norm_activation,
            "kernel_regularizer": kernel_regularizer,
        }
        self.preconv = conv_unit.ConvUnit(_STEM_FILTERS, 3, name="preconv", **options)
        self.stages: list[list[Any]] = [
            [
                conv_unit.ConvUnit(
                    _channels(stage + 1), 3, strides=2, name=f"stage{stage}_downsample", **options
                ),
                *(
                    darknet_block.DarkNetBlock(_channels(stage), name=f"stage{stage}_block{block}", **options)
                    for block in range(1, num_blocks + 1)
                ),
            ]
            for stage, num_blocks in enumerate(blocks)
        ]

    def call(self, inputs: Tensor, training: bool | None = None) -> dict[str, Tensor]:
        """Compute C1 to C5.

        Args:
          inputs: float [B, H, W, 3], normalised.
          training: whether batch norm uses the batch's statistics.

        Returns:
          {"1", ..., "5"}: float [B, H / 2^level, W / 2^level, 32 * 2^level], sizes rounded up.
        """
        x = self.preconv(inputs, training=training)
        endpoints = {}
        for level, stage in enumerate(self.stages, start=1):
            for block in stage:
                x = block(x, training=training)
            endpoints[str(level)] = x
        return endpoints

    def layers_up_to(self, level: int) -> list[Any]:
        """List the layers with weights that the endpoint of a level, 1 to 5, depends on."""
        return [self.preconv, *(block for stage in self.stages[:level] for block in stage)]

    @property
    def output_specs(self) -> dict[str, Any]:
        """Shape of every endpoint, as Model Garden's backbones give it."""
        specs = {}
        for level in range(1, len(self.stages) + 1):
            size = (None, None) if None in self._input_size else grids.level_size(self._input_size, level)
            specs[str(level)] = tf.TensorShape([None, *size, _channels(level)])
        return specs


def build_yolact_darknet(
    input_specs: Any,
    backbone_config: hyperparams.Config,
    norm_activation_config: hyperparams.Config,
    l2_regularizer: Any = None,
) -> YolactDarkNet:
    """Build a `YolactDarkNet` for Model Garden's backbone factory.

    Args:
      input_specs: `tf_keras.layers.InputSpec` of the images.
      backbone_config: `configs.yolact.Backbone` of type `yolact_darknet`.
      norm_activation_config: Model Garden's `NormActivation`.
      l2_regularizer: of every kernel, or None.

    Returns:
      The backbone, not built yet.

    Raises:
      ValueError: if there is no DarkNet of the depth asked for.
    """
    depth = backbone_config.get().depth
    if depth not in BLOCKS:
        raise ValueError(f"yolact_darknet.depth is {depth}: choose one of {sorted(BLOCKS)}")
    return YolactDarkNet(
        blocks=BLOCKS[depth],
        norm_activation=norm_activation_config,
        input_specs=input_specs,
        kernel_regularizer=l2_regularizer,
        name="yolact_darknet",
    )


def _channels(level: int) -> int:
    return int(_STEM_FILTERS * 2**level)
