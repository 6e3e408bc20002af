"""Convolution, norm, shortcut and activation: values and gradients, against NumPy-like arithmetic.

Each case runs in the form of a processor and in the plain form, which every other device has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official.vision.configs import common
from official_yolact.modeling.layers import bottleneck
from official_yolact.modeling.layers import conv_norm
from official_yolact.modeling.layers import processor_conv
from official_yolact.modeling.layers import symmetric_conv

TOLERANCE = {"float32": 1e-5, "mixed_bfloat16": 0.1}  # Of the norm; a rounding may turn a ReLU off.


@pytest.fixture(params=[True, False], ids=["processor", "plain"])
def on_processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run the form of a processor, then the plain one."""
    monkeypatch.setattr(processor_conv, "on_processor", lambda: request.param)
    return bool(request.param)


class Unit(tf_keras.layers.Layer):
    """A convolution of 5 to 6 channels, with a norm whose statistics do something or with a bias."""

    def __init__(self, size: int, stride: int, has_norm: bool, activation: Any, frozen: bool = True) -> None:
        super().__init__()
        rng = np.random.default_rng(size + stride)
        self.activation = activation
        self.conv = symmetric_conv.SymmetricConv2D(6, size, strides=stride, use_bias=not has_norm)
        self.norm = tf_keras.layers.BatchNormalization(epsilon=1e-5) if has_norm else None
        self.conv.build([None, None, None, 5])
        self.conv.kernel.assign(rng.normal(size=self.conv.kernel.shape))
        if self.norm is None:
            self.conv.bias.assign(rng.normal(size=6))
        else:
            self.norm.build([None, None, None, 6])
            self.norm.set_weights([rng.uniform(0.5, 2, 6), *rng.normal(size=(2, 6)), rng.uniform(0.2, 3, 6)])
            self.norm.trainable = not frozen

    def call(self, inputs: Any, shortcut: Any = None, training: bool | None = None) -> Any:
        return conv_norm.convolve(self.conv, inputs, training, self.norm, self.activation, shortcut)

    def compute_by_hand(self, inputs: Any, shortcut: Any) -> Any:
        """In float32, on stored statistics, each operation in its turn."""
        inputs, side = tf.cast(inputs, tf.float32), self.conv.kernel.shape[0]
        padded = tf.pad(inputs, [[0, 0], [side // 2] * 2, [side // 2] * 2, [0, 0]])
        x = tf.nn.conv2d(padded, self.conv.kernel, self.conv.strides, "VALID")
        if self.norm is None:
            x += self.conv.bias
        else:
            norm = self.norm
            x = (x - norm.moving_mean) / tf.sqrt(norm.moving_variance + norm.epsilon) * norm.gamma + norm.beta
        return self.activation(x if shortcut is None else x + tf.cast(shortcut, tf.float32))


def differentiate(function: Any, sources: list[Any], jit_compile: bool = False) -> list[Any]:
    """Compute the outputs of a function, and the gradients of a weighted sum of them."""

    @tf.function(jit_compile=jit_compile)
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs = tf.cast(function(), tf.float32)
            weight = np.random.default_rng(2).normal(size=outputs.shape).astype(np.float32)
            total = tf.reduce_sum(outputs * weight)
        return outputs, *tape.gradient(total, sources)

    return [tf.cast(each, tf.float32).numpy() for each in run()]


def assert_close(found: list[Any], expected: list[Any], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert np.linalg.norm(one - other) <= tolerance * np.linalg.norm(other)


@pytest.mark.parametrize("policy", TOLERANCE)
@pytest.mark.parametrize(
    ("size", "stride", "has_norm", "activation", "has_shortcut"),
    [
        pytest.param(1, 1, True, tf.nn.relu, True, id="last-of-a-block"),
        pytest.param(1, 2, True, tf.identity, False, id="shortcut-of-a-block"),
        pytest.param(3, 2, True, tf_keras.activations.relu, False, id="middle-of-a-block"),
        pytest.param(1, 1, True, tf.nn.leaky_relu, False, id="darknet"),
        pytest.param(1, 1, False, tf.identity, False, id="lateral"),
        pytest.param(3, 1, False, tf.nn.relu, False, id="smooth"),
    ],
)
def test_values_and_gradients_are_those_of_the_single_operations(
    size: int,
    stride: int,
    has_norm: bool,
    activation: Any,
    has_shortcut: bool,
    policy: str,
    on_processor: bool,
) -> None:
    tf_keras.mixed_precision.set_global_policy(policy)
    unit = Unit(size, stride, has_norm, activation)
    dtype = unit.compute_dtype
    inputs = tf.cast(tf.random.stateless_normal([2, 9, 7, 5], [1, 2]), dtype)
    shape = unit.conv.compute_output_shape(inputs.shape)
    shortcut = tf.cast(tf.random.stateless_normal(shape, [5, 6]), dtype) if has_shortcut else None
    sources = [inputs, *([shortcut] if has_shortcut else []), *unit.trainable_variables]
    expected = differentiate(lambda: unit.compute_by_hand(inputs, shortcut), sources)
    found = differentiate(lambda: unit(inputs, shortcut, training=True), sources)
    assert_close(found, expected, TOLERANCE[policy])


@pytest.mark.parametrize("policy", TOLERANCE)
@pytest.mark.parametrize("project", [False, True], ids=["identity", "projected"])
def test_a_frozen_block_is_trained_as_its_inference_would_be(
    project: bool, policy: str, on_processor: bool
) -> None:
    """Inference has TensorFlow's own gradients throughout. One of the two blocks is compiled by XLA."""
    tf_keras.mixed_precision.set_global_policy(policy)
    stride = 2 if project else 1
    block = bottleneck.Bottleneck(
        filters=4, strides=stride, project=project, norm_activation=common.NormActivation(activation="relu")
    )
    inputs = tf.cast(tf.random.stateless_normal([2, 9, 7, 16], [1, 2]), block.compute_dtype)
    block(inputs)
    for norm in (block.bn1, block.bn2, block.bn3, *([block.shortcut_bn] if project else [])):
        norm.trainable = False
    sources = [inputs, *block.trainable_variables]
    found = differentiate(lambda: block(inputs, training=True), sources, jit_compile=not project)
    # Twice that of one layer: the gradients pass three ReLUs.
    assert_close(found, differentiate(lambda: block(inputs, training=False), sources), 2 * TOLERANCE[policy])


@pytest.mark.parametrize("training", [False, None])
def test_inference_is_the_same_with_norms_that_are_trained(training: bool | None, on_processor: bool) -> None:
    unit = Unit(3, 2, True, tf.nn.relu, frozen=False)
    inputs = tf.random.stateless_normal([2, 9, 7, 5], [1, 2])
    expected = unit.compute_by_hand(inputs, None)
    np.testing.assert_allclose(unit(inputs, training=training), expected, rtol=1e-5, atol=1e-5)


def test_norms_that_are_trained_use_the_batch_and_move_their_statistics(on_processor: bool) -> None:
    unit = Unit(1, 1, True, tf.identity, frozen=False)
    assert unit.norm is not None
    before = unit.norm.moving_mean.numpy()
    found = unit(tf.random.stateless_normal([2, 9, 7, 5], [1, 2]), training=True).numpy()
    np.testing.assert_allclose(found.mean((0, 1, 2)), unit.norm.beta.numpy(), atol=1e-5)
    assert not np.array_equal(before, unit.norm.moving_mean.numpy())


def trace(jit: Any, *shape: int) -> list[str]:
    """List the operations of a function of bfloat16 inputs."""
    graph = tf.function(jit).get_concrete_function(tf.TensorSpec(shape, tf.bfloat16)).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return [node.op for node in nodes]


def test_the_device_decides_about_the_form(on_processor: bool) -> None:
    """With the activation that the backbones look up in their configuration."""
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    named = common.NormActivation(activation="relu", use_sync_bn=False)
    block = bottleneck.Bottleneck(filters=4, strides=2, project=True, norm_activation=named)
    block(tf.zeros([1, 6, 6, 8]))
    for norm in (block.bn1, block.bn2, block.bn3, block.shortcut_bn):
        norm.trainable = False

    def run(inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(block(inputs, training=True))
        return tape.gradient(total, block.trainable_variables)

    operations = trace(run, 1, 6, 6, 8)
    # On a processor the kernels of one cell have a matrix product for their gradient: the 3x3 is left.
    assert operations.count("Conv2DBackpropFilter") == (1 if on_processor else 4)
    assert operations.count("FusedBatchNormV3") == (0 if on_processor else 4)
    assert ("Bitcast" in operations) == on_processor


def test_the_factor_of_a_norm_is_applied_before_the_kernel_is_rounded_to_bfloat16() -> None:
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    unit = Unit(1, 1, True, tf.identity)
    norm: Any = unit.norm
    inputs = tf.cast(tf.random.stateless_normal([2, 9, 7, 5], [1, 2]), tf.bfloat16)
    factor = norm.gamma / tf.sqrt(norm.moving_variance + norm.epsilon)
    kernel = tf.cast(tf.cast(unit.conv.kernel * factor, tf.bfloat16), tf.float32)
    expected = tf.nn.conv2d(tf.cast(inputs, tf.float32), kernel, 1, "SAME")
    expected += norm.beta - norm.moving_mean * factor
    found = unit(inputs, training=True)
    assert found.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, rtol=2**-7, atol=0.05)


def test_the_gradient_of_a_relu_goes_where_its_output_is_positive() -> None:
    """With zeros of both signs and tiny numbers among the inputs, bit for bit."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 37, 5))
    values[0, :4] = np.array([0.0, -0.0, 1e-30, -1e-30])[:, np.newaxis]
    x, upstream = tf.constant(values, tf.bfloat16), tf.constant(rng.normal(size=values.shape), tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = processor_conv._relu(x)
    np.testing.assert_array_equal(outputs.numpy(), np.maximum(x.numpy(), 0))
    expected = np.where(outputs.numpy() > 0, upstream.numpy(), np.zeros((), x.numpy().dtype))
    np.testing.assert_array_equal(tape.gradient(outputs, x, upstream).numpy(), expected)
