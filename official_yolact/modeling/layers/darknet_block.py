"""The residual block of DarkNet-53."""

from __future__ import annotations

from typing import Any

import tf_keras

from official.modeling import hyperparams
from official_yolact.modeling.layers import conv_unit
from official_yolact.schema import Tensor


class DarkNetBlock(tf_keras.layers.Layer):
    """Narrow to half of the channels, widen again, and add the input; nothing follows the addition.

    Attributes:
      unit1: the 1x1 `ConvUnit`.
      unit2: the 3x3 `ConvUnit`.
    """

    def __init__(
        self,
        filters: int,
        *,
        norm_activation: hyperparams.Config,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Set up the layers.

        Args:
          filters: channels of the 1x1 convolution; input and output have twice as many.
          norm_activation: Model Garden's `NormActivation`; its activation is not used.
          kernel_regularizer: of every kernel, or None.
          **kwargs: what every Keras layer takes.
        """
        super().__init__(**kwargs)
        self.unit1 = conv_unit.ConvUnit(
            filters, 1, norm_activation=norm_activation, kernel_regularizer=kernel_regularizer, name="unit1"
        )
        self.unit2 = conv_unit.ConvUnit(
            2 * filters,
            3,
            norm_activation=norm_activation,
            kernel_regularizer=kernel_regularizer,
            name="unit2",
        )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Map [B, H, W, 2 * filters] to the same shape."""
        return inputs + self.unit2(self.unit1(inputs, training=training), training=training)
