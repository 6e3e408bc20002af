"""The gradient of ReLU, on bits and not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.modeling.layers import rectifier

BFLOAT16 = tf.bfloat16.as_numpy_dtype


def draw(dtype: Any) -> tuple[Any, Any]:
    """Inputs with zeros of both signs and tiny numbers among them, and a gradient."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 37, 5))
    x[0, :4] = np.array([0.0, -0.0, 1e-30, -1e-30])[:, np.newaxis]
    return tf.constant(x, dtype), tf.constant(rng.normal(size=x.shape), dtype)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("on_processor", [False, True])
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_gradient_goes_where_the_output_is_positive(
    dtype: Any, on_processor: bool, jit_compile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rectifier, "on_processor", lambda: on_processor)
    x, upstream = draw(dtype)

    @tf.function(jit_compile=jit_compile)
    def differentiate() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = rectifier.relu(x, training=True)
        return outputs, tape.gradient(outputs, x, upstream)

    outputs, gradient = differentiate()
    np.testing.assert_array_equal(outputs.numpy(), np.maximum(x.numpy(), 0))
    expected = np.where(outputs.numpy() > 0, upstream.numpy(), np.zeros((), x.numpy().dtype))
    np.testing.assert_array_equal(gradient.numpy(), expected)


def test_inference_has_nothing_of_its_own() -> None:
    graph = tf.function(lambda x: rectifier.relu(x, training=False)).get_concrete_function(
        tf.TensorSpec([2], tf.bfloat16)
    )
    assert {op.type for op in graph.graph.get_operations()} == {"Placeholder", "Relu", "Identity"}
