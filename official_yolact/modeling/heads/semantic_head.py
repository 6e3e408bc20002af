"""The semantic segmentation branch, which only training uses."""

from __future__ import annotations

from typing import Any

import tf_keras

from official_yolact.modeling.layers import conv_norm
from official_yolact.schema import Tensor


class SemanticHead(tf_keras.layers.Layer):
    """A 1x1 convolution to one logit for each class.

    Attributes:
      conv: the convolution.
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        """Set up the convolution for `num_classes` classes, the background counted but not predicted."""
        super().__init__(**kwargs)
        self.conv = tf_keras.layers.Conv2D(num_classes - 1, 1, name="conv")

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Map the lowest pyramid level [B, h3, w3, F] to logits [B, h3, w3, C-1], of class 1 first."""
        return conv_norm.convolve(self.conv, inputs, training)
