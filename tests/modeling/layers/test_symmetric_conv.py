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


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (9, 1), (1, 9), (2, 2), (3, 3), (5, 4)])
@pytest.mark.parametrize(("side", "stride"), [(3, 1), (3, 2), (7, 2)])
def test_bfloat16_gradients_are_those_of_float32(size, side, stride):
    """oneDNN leaves memory of others where the kernel meets padding alone, now finite, now not."""
    layer = symmetric_conv.SymmetricConv2D(16, side, strides=stride, use_bias=False, dtype="mixed_bfloat16")
    image = np.random.default_rng(0).standard_normal((2, *size, 16)).astype(np.float32)
    image = tf.cast(tf.cast(image, tf.bfloat16), tf.float32)

    @tf.function
    def differentiate(given):
        with tf.GradientTape() as tape:
            found = tf.cast(layer(given), tf.float32)
        return tape.gradient(found, layer.kernel, output_gradients=tf.ones_like(found))

    layer(image)
    padded = np.pad(image.numpy(), [(0, 0), (side // 2, side // 2), (side // 2, side // 2), (0, 0)])
    expected = np.zeros(layer.kernel.shape)
    for y in range(0, size[0], stride):
        for x in range(0, size[1], stride):
            expected += padded[:, y : y + side, x : x + side].sum(0)[..., None]
    for _ in range(10):
        np.full(1 << 20, np.nan, np.float32)  # what the next one to ask for memory finds there
        np.testing.assert_allclose(differentiate(tf.cast(image, tf.bfloat16)), expected, atol=0.2)
