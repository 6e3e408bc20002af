"""Convolutions with a kernel of one cell have the gradients of the plain operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.modeling.layers import pointwise_conv
from official_yolact.modeling.layers import rectifier

TOLERANCE = {tf.float32: 1e-6, tf.bfloat16: 2e-2}  # Of the norm; a rounding may turn a ReLU off.


def draw(dtype: Any) -> list[Any]:
    """Inputs of uneven sides, kernel and bias."""
    rng = np.random.default_rng(1)
    return [tf.constant(rng.normal(size=size), dtype) for size in ((2, 9, 7, 5), (1, 1, 5, 6), (6,))]


def convolve_plainly(stride: int, is_relu: bool, inputs: Any, kernel: Any, bias: Any, *shortcuts: Any) -> Any:
    """Give the same by TensorFlow's own operations, in float32."""
    inputs, kernel, bias, *shortcuts = (tf.cast(x, tf.float32) for x in (inputs, kernel, bias, *shortcuts))
    x = tf.add_n([tf.nn.conv2d(inputs, kernel, stride, "VALID") + bias, *shortcuts])
    return tf.nn.relu(x) if is_relu else x


def differentiate(function: Any, sources: list[Any], jit_compile: bool) -> Any:
    """Give the outputs, and the gradients of a weighted sum of them."""

    @tf.function(jit_compile=jit_compile)
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs = tf.cast(function(*sources), tf.float32)
            weight = np.random.default_rng(2).normal(size=outputs.shape).astype(np.float32)
            total = tf.reduce_sum(outputs * weight)
        return outputs, *tape.gradient(total, sources)

    return run()


def assert_close(found: Any, expected: Any, tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        one, other = (np.asarray(x, np.float32) for x in (one, other))
        assert np.linalg.norm(one - other) < tolerance * np.linalg.norm(other)


@pytest.mark.parametrize("on_processor", [False, True])
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("stride", "is_relu", "has_shortcut"), [(1, True, True), (2, True, False), (2, False, True)]
)
def test_convolution_bias_shortcut_and_relu(
    stride: int,
    is_relu: bool,
    has_shortcut: bool,
    dtype: Any,
    jit_compile: bool,
    on_processor: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rectifier, "on_processor", lambda: on_processor)
    sources = draw(dtype)
    if has_shortcut:
        size = convolve_plainly(stride, is_relu, *sources).shape
        sources.append(tf.cast(tf.random.stateless_normal(size, [1, 2]), dtype))
    found = differentiate(lambda *x: pointwise_conv.convolve(stride, is_relu, *x), sources, jit_compile)
    expected = differentiate(lambda *x: convolve_plainly(stride, is_relu, *x), sources, False)
    assert_close(found, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("on_processor", [False, True])
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_gradient_of_another_use_is_added(
    dtype: Any, jit_compile: bool, on_processor: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rectifier, "on_processor", lambda: on_processor)

    def join(inputs: Any, kernel: Any, bias: Any) -> Any:
        outputs, same = pointwise_conv.convolve_beside(inputs, kernel, bias)
        return tf.concat([outputs, tf.square(same)], axis=-1)

    def join_plainly(inputs: Any, kernel: Any, bias: Any) -> Any:
        outputs = convolve_plainly(1, True, inputs, kernel, bias)
        return tf.concat([outputs, tf.square(tf.cast(inputs, tf.float32))], axis=-1)

    sources = draw(dtype)
    found = differentiate(join, sources, jit_compile)
    assert_close(found, differentiate(join_plainly, sources, False), TOLERANCE[dtype])
