"""ResNet-50 and -101 with the numbers of the original YOLACT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official.modeling import tf_utils
from official_yolact.modeling.layers import bottleneck
from official_yolact.modeling.layers import conv_norm
from official_yolact.modeling.layers import symmetric_conv
from official_yolact.ops import grids
from official_yolact.schema import Tensor

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class YolactResNet(tf_keras.Model):
    """ResNet with symmetric padding and the stride in the 3x3 convolution.

    Source: torchvision's ResNet as the original YOLACT has it. Model Garden's `resnet` pads as SAME
    does and has other epsilons, so that published weights give other numbers in it.

    Attributes:
      conv1: the stem's convolution; `bn1` follows it.
      stages: for each of the four stages its list of `Bottleneck`.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        norm_activation: hyperparams.Config,
        input_specs: Any = None,
        zero_init_residual: bool = True,
        kernel_regularizer: Any = None,
        deformable_blocks: Sequence[int] = (0, 0, 0, 0),
        deformable_interval: int = 1,
        **kwargs: Any,
    ) -> None:
        """Set up the layers.

        Args:
          blocks: residual blocks of each of the four stages.
          norm_activation: Model Garden's `NormActivation`.
          input_specs: `tf_keras.layers.InputSpec` of the images; None: [None, None, None, 3].
          zero_init_residual: start the last gamma of each residual block at 0.
          kernel_regularizer: of every kernel, or None.
          deformable_blocks: how many of the last blocks of each stage may have a deformable 3x3
            convolution.
          deformable_interval: of these blocks only those have one whose index in the stage is a multiple.
          **kwargs: what every Keras model takes.
        """
        super().__init__(**kwargs)
        self._input_size = tuple(input_specs.shape[1:3]) if input_specs is not None else (None, None)
        self._activation = tf_utils.get_activation(norm_activation.activation)
        self.conv1 = symmetric_conv.SymmetricConv2D(
            64, 7, strides=2, name="conv1", **conv_norm.conv_options(kernel_regularizer)
        )
        self.bn1 = conv_norm.batch_norm(norm_activation, name="bn1")
        self.stages = [
            [
                bottleneck.Bottleneck(
                    filters=64 * 2**stage,
                    strides=2 if stage > 0 and block == 0 else 1,
                    project=block == 0,
                    norm_activation=norm_activation,
                    zero_init_residual=zero_init_residual,
                    kernel_regularizer=kernel_regularizer,
                    deformable=_is_deformable(
                        block, num_blocks, deformable_blocks[stage], deformable_interval
                    ),
                    name=f"stage{stage}_block{block}",
                )
                for block in range(num_blocks)
            ]
            for stage, num_blocks in enumerate(blocks)
        ]

    def call(self, inputs: Tensor, training: bool | None = None) -> dict[str, Tensor]:
        """Compute C2 to C5.

        Args:
          inputs: float [B, H, W, 3], normalised.
          training: whether batch norm uses the batch's statistics.

        Returns:
          {"2", "3", "4", "5"}: float [B, H / 2^level, W / 2^level, 64 * 2^level], sizes rounded up.
        """
        x = conv_norm.convolve(self.conv1, inputs, training, self.bn1, self._activation)
        x = _max_pool(x)
        endpoints = {}
        for level, stage in enumerate(self.stages, start=2):
            for block in stage:
                x = block(x, training=training)
            endpoints[str(level)] = x
        return endpoints

    def layers_up_to(self, level: int) -> list[Any]:
        """List the layers with weights that the endpoint of a level, 2 to 5, depends on."""
        blocks = [block for stage in self.stages[: level - 1] for block in stage]
        return [self.conv1, self.bn1, *blocks]

    @property
    def output_specs(self) -> dict[str, Any]:
        """Shape of every endpoint, as Model Garden's backbones give it."""
        specs = {}
        for level in range(2, 6):
            size = (None, None) if None in self._input_size else grids.level_size(self._input_size, level)
            specs[str(level)] = tf.TensorShape([None, *size, 64 * 2**level])
        return specs


def _max_pool(x: Tensor) -> Tensor:
    if symmetric_conv.is_same_symmetric(x, 2):
        return tf.nn.max_pool2d(x, ksize=3, strides=2, padding="SAME")
    # A zero is no larger than any activated value, so it pads the maximum as -inf would.
    return tf.nn.max_pool2d(symmetric_conv.pad_symmetric(x, 1), ksize=3, strides=2, padding="VALID")


def _is_deformable(block: int, num_blocks: int, deformable_blocks: int, interval: int) -> bool:
    """Tell whether a block, by its index in its stage, has a deformable 3x3 convolution.

    Source: the original's rule; YOLACT++ R101 has 11 with [0, 4, 23, 3] and interval 3, R50 has 13 with
    [0, 4, 6, 3] and interval 1.
    """
    return block + deformable_blocks >= num_blocks and block % interval == 0


def build_yolact_resnet(
    input_specs: Any,
    backbone_config: hyperparams.Config,
    norm_activation_config: hyperparams.Config,
    l2_regularizer: Any = None,
) -> YolactResNet:
    """Build a `YolactResNet` for Model Garden's backbone factory.

    Args:
      input_specs: `tf_keras.layers.InputSpec` of the images.
      backbone_config: `configs.yolact.Backbone` of type `yolact_resnet`.
      norm_activation_config: Model Garden's `NormActivation`.
      l2_regularizer: of every kernel, or None.

    Returns:
      The backbone, not built yet.

    Raises:
      ValueError: if there is no ResNet of the depth asked for.
    """
    config = backbone_config.get()
    if config.depth not in BLOCKS:
        raise ValueError(f"yolact_resnet.depth is {config.depth}: choose one of {sorted(BLOCKS)}")
    return YolactResNet(
        blocks=BLOCKS[config.depth],
        norm_activation=norm_activation_config,
        input_specs=input_specs,
        zero_init_residual=config.zero_init_residual,
        kernel_regularizer=l2_regularizer,
        deformable_blocks=config.deformable_blocks,
        deformable_interval=config.deformable_interval,
        name="yolact_resnet",
    )
