"""Resizing of feature maps, against a loop by the definition, plain and compiled."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import interpolations


def resize_by_definition(values: np.ndarray, height: int, width: int) -> np.ndarray:
    def sample(position: int, new: int, old: int) -> tuple[int, int, float]:
        centre = (position + 0.5) * old / new - 0.5
        lower = math.floor(centre)
        return max(lower, 0), min(lower + 1, old - 1), centre - lower

    result = np.zeros((len(values), height, width, values.shape[3]))
    for y, x in np.ndindex(height, width):
        (top, bottom, down), (left, right, across) = (
            sample(y, height, values.shape[1]),
            sample(x, width, values.shape[2]),
        )
        upper = values[:, top, left] * (1 - across) + values[:, top, right] * across
        lower = values[:, bottom, left] * (1 - across) + values[:, bottom, right] * across
        result[:, y, x] = upper * (1 - down) + lower * down
    return result


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((18, 18), (35, 35)),
        ((5, 7), (9, 13)),
        ((9, 11), (17, 22)),
        ((5, 5), (10, 10)),
        ((3, 1), (5, 2)),
        ((1, 1), (1, 1)),
        ((7, 9), (4, 5)),
    ],
)
def test_each_size_is_that_of_the_definition(
    old: tuple[int, int], new: tuple[int, int], jit_compile: bool
) -> None:
    values = np.random.default_rng(0).normal(size=(2, *old, 3)).astype(np.float32)
    resize = tf.function(lambda x: interpolations.resize_bilinear(x, new), jit_compile=jit_compile)
    np.testing.assert_allclose(resize(values), resize_by_definition(values, *new), atol=2e-6)


@pytest.mark.parametrize("side", [*range(1, 40), 44, 50, 69, 88])
def test_doubling_is_the_same_when_compiled(side: int) -> None:
    values = tf.random.stateless_normal([1, side, side, 2], [1, side])
    double = tf.function(lambda x: interpolations.resize_bilinear(x, (2 * side, 2 * side)), jit_compile=True)
    plain = tf.image.resize(values, (2 * side, 2 * side))
    np.testing.assert_allclose(double(values), plain, atol=2e-6)


def test_the_precision_of_bfloat16_is_kept() -> None:
    values = tf.constant(np.random.default_rng(0).standard_normal((1, 5, 4, 3)), tf.bfloat16)
    found = interpolations.resize_bilinear(values, [9, 7])
    assert found.dtype == tf.bfloat16
    exact = interpolations.resize_bilinear(tf.cast(values, tf.float32), [9, 7])
    np.testing.assert_array_equal(
        tf.cast(found, tf.float32), tf.cast(tf.cast(exact, tf.bfloat16), tf.float32)
    )
