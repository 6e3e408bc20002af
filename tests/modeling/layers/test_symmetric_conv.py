"""Symmetric padding, against a NumPy loop."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.modeling.layers import symmetric_conv


def _convolve(image, kernel, stride):
    side = kernel.shape[0]
    padded = np.pad(image, [(side // 2, side // 2), (side // 2, side // 2), (0, 0)])
    height, width = -(-image.shape[0] // stride), -(-image.shape[1] // stride)
    rows = np.zeros((height, width, kernel.shape[-1]))
    for y in range(height):
        for x in range(width):
            window = padded[y * stride : y * stride + side, x * stride : x * stride + side]
            rows[y, x] = np.tensordot(window, kernel, 3)
    return rows


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("size", [(6, 6), (7, 6), (5, 5), (1, 2)])
@pytest.mark.parametrize(("side", "stride"), [(3, 1), (3, 2), (7, 2)])
def test_both_sides_are_padded_alike(size, side, stride, compiled):
    layer = symmetric_conv.SymmetricConv2D(2, side, strides=stride, use_bias=False)
    image = np.random.default_rng(0).standard_normal((1, *size, 3)).astype(np.float32)
    run = tf.function(layer, jit_compile=True) if compiled else layer
    found = run(tf.constant(image))[0].numpy()
    assert layer.compute_output_shape([4, *size, 3]) == [4, *found.shape]
    np.testing.assert_allclose(found, _convolve(image[0], layer.kernel.numpy(), stride), atol=1e-5)


def test_the_config_makes_the_same_layer():
    layer = symmetric_conv.SymmetricConv2D(2, 3, strides=2, name="down")
    twin = symmetric_conv.SymmetricConv2D.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert (twin.name, twin.strides, twin.padding) == ("down", (2, 2), "valid")
