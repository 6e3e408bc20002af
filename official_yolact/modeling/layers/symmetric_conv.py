"""A convolution that pads both sides alike."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.schema import Tensor


class SymmetricConv2D(tf_keras.layers.Conv2D):
    """Convolve with half a kernel of zeros on every side, whatever the stride.

    Source: PyTorch's padding. TensorFlow's SAME pads less on the top left where the input is even
    and the stride is 2.
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, **kwargs: Any) -> None:
        """Set up the convolution.

        Args:
          filters: output channels.
          kernel_size: side of the kernel, odd.
          strides: stride in both directions.
          **kwargs: what `tf_keras.layers.Conv2D` takes besides, without `padding`.
        """
        padding = "same" if strides == 1 else "valid"
        super().__init__(filters, kernel_size, strides=strides, padding=padding, **kwargs)

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Convolve [B, H, W, C] to [B, ceil(H / stride), ceil(W / stride), filters]."""
        if is_same_symmetric(inputs, self.strides[0]):
            return tf.nn.conv2d(inputs, kernel, self.strides, "SAME")
        return super().convolution_op(pad_symmetric(inputs, self.kernel_size[0] // 2), kernel)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Compute [B, ceil(H / stride), ceil(W / stride), filters] from [B, H, W, C]."""
        batch, *size, _ = tf.TensorShape(input_shape).as_list()
        halved = [None if side is None else -(-side // self.strides[0]) for side in size]
        return tf.TensorShape([batch, *halved, self.filters])


def is_same_symmetric(images: Tensor, stride: int) -> bool:
    """Tell whether SAME pads [B, H, W, C] alike on both sides for an odd kernel, which needs no copy.

    Images one pixel wide or high are excluded. With a stride above 1, the bfloat16 gradient of the kernel
    (oneDNN's) is uninitialised memory in the cells of the kernel that only padding reaches.
    """
    if stride == 1:
        return True
    return all(side is not None and side > 1 and (side - 1) % stride == 0 for side in images.shape[1:3])


def pad_symmetric(images: Tensor, size: int) -> Tensor:
    """Put `size` rows and columns of zeros on every side of [B, H, W, C]."""
    return tf.pad(images, [[0, 0], [size, size], [size, size], [0, 0]])
