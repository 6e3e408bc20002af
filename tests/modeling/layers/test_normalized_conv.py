"""A convolution that carries its batch norm equals the two of them, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official.vision.configs import common
from official_yolact.modeling.layers import bottleneck
from official_yolact.modeling.layers import normalized_conv
from official_yolact.modeling.layers import symmetric_conv


def build(size: int, stride: int, frozen: bool = True) -> tuple[Any, Any, Any]:
    """Make layers with statistics that do something, and inputs of uneven sides."""
    rng = np.random.default_rng(size + stride)
    conv = symmetric_conv.SymmetricConv2D(6, size, strides=stride, use_bias=False)
    norm = tf_keras.layers.BatchNormalization(epsilon=1e-5)
    inputs = tf.constant(rng.normal(size=(2, 9, 7, 5)), tf.float32)
    norm(conv(inputs))
    norm.set_weights([rng.uniform(0.5, 2, 6), *rng.normal(size=(2, 6)), rng.uniform(0.2, 3, 6)])
    conv.set_weights([rng.normal(size=conv.kernel.shape)])
    norm.trainable = not frozen
    return conv, norm, inputs


def convolve_apart(conv: Any, norm: Any, inputs: Any, activation: Any, shortcut: Any) -> Any:
    """By hand: the stored statistics, in the order that the layers have."""
    x = (conv(inputs) - norm.moving_mean) / tf.sqrt(norm.moving_variance + norm.epsilon)
    x = x * norm.gamma + norm.beta
    return activation(x if shortcut is None else x + shortcut)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("with_shortcut", [False, True])
@pytest.mark.parametrize("activation", [tf.identity, tf.nn.relu, tf_keras.activations.relu, tf.nn.leaky_relu])
@pytest.mark.parametrize(("size", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_frozen_norms_give_the_same_values_and_gradients(
    size: int, stride: int, activation: Any, with_shortcut: bool, jit_compile: bool
) -> None:
    conv, norm, inputs = build(size, stride)
    shape = conv.compute_output_shape(inputs.shape)
    shortcut = tf.random.stateless_normal(shape, [1, 2]) if with_shortcut else None
    weight = tf.random.stateless_normal(shape, [3, 4])
    sources = [inputs, conv.kernel, *([] if shortcut is None else [shortcut])]

    @tf.function(jit_compile=jit_compile)
    def differentiate(joined: bool) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sources)
            if joined:
                outputs = normalized_conv.convolve(conv, norm, inputs, True, activation, shortcut)
            else:
                outputs = convolve_apart(conv, norm, inputs, activation, shortcut)
            loss = tf.reduce_sum(outputs * weight)
        return outputs, *tape.gradient(loss, sources)

    for got, expected in zip(differentiate(True), differentiate(False), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("training", [False, None])
def test_inference_is_the_same_with_norms_that_are_trained(training: bool | None) -> None:
    conv, norm, inputs = build(3, 2, frozen=False)
    got = normalized_conv.convolve(conv, norm, inputs, training, tf.nn.relu)
    np.testing.assert_allclose(
        got, convolve_apart(conv, norm, inputs, tf.nn.relu, None), rtol=1e-5, atol=1e-5
    )


def test_norms_that_are_trained_use_the_batch_and_move_their_statistics() -> None:
    conv, norm, inputs = build(1, 1, frozen=False)
    before = norm.moving_mean.numpy()
    got = normalized_conv.convolve(conv, norm, inputs, True).numpy()
    np.testing.assert_allclose(got.mean((0, 1, 2)), norm.beta.numpy(), atol=1e-5)
    assert not np.array_equal(before, norm.moving_mean.numpy())


def test_the_factor_is_applied_before_the_kernel_is_rounded_to_bfloat16() -> None:
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    conv, norm, inputs = build(1, 1)

    class Block(tf_keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return normalized_conv.convolve(conv, norm, inputs, True)

    got = Block()(inputs)
    assert got.dtype == tf.bfloat16
    factor = norm.gamma / tf.sqrt(norm.moving_variance + norm.epsilon)
    kernel = tf.cast(tf.cast(conv.kernel * factor, tf.bfloat16), tf.float32)
    rounded = tf.cast(tf.cast(inputs, tf.bfloat16), tf.float32)
    expected = tf.nn.conv2d(rounded, kernel, 1, "SAME") + norm.beta - norm.moving_mean * factor
    np.testing.assert_allclose(tf.cast(got, tf.float32), expected, rtol=2**-7, atol=0.05)


@pytest.mark.parametrize("project", [False, True])
def test_a_frozen_block_is_trained_as_its_inference_would_be(project: bool) -> None:
    """Which has TensorFlow's own gradients throughout."""
    block = bottleneck.Bottleneck(
        filters=4, strides=2 if project else 1, project=project, norm_activation=common.NormActivation()
    )
    inputs = tf.random.stateless_normal([2, 9, 7, 16], [1, 2])
    block(inputs)
    for norm in (block.bn1, block.bn2, block.bn3, *([block.shortcut_bn] if project else [])):
        norm.trainable = False
    sources = [inputs, *block.trainable_variables]

    @tf.function
    def differentiate(training: bool) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs = block(inputs, training=training)
            total = tf.reduce_sum(outputs * tf.random.stateless_normal(outputs.shape, [3, 4]))
        return outputs, *tape.gradient(total, sources)

    for got, expected in zip(differentiate(True), differentiate(False), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-5)


def test_kernels_of_one_cell_in_a_frozen_block_get_their_gradient_as_a_product() -> None:
    """With the activation that the backbones take from their configuration."""
    named = common.NormActivation(activation="relu")
    block = bottleneck.Bottleneck(filters=4, strides=2, project=True, norm_activation=named)
    inputs = tf.zeros([1, 6, 6, 8])
    block(inputs)
    for norm in (block.bn1, block.bn2, block.bn3, block.shortcut_bn):
        norm.trainable = False

    @tf.function
    def differentiate() -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(block(inputs, training=True))
        return tape.gradient(total, block.trainable_variables)

    operations = differentiate.get_concrete_function().graph.get_operations()
    assert [op.type for op in operations].count("Conv2DBackpropFilter") == 1  # of the 3x3 kernel
