"""Resizing without TensorFlow gives its numbers to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import preprocess
from official_yolact_runtime import resizing


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((480, 640), (550, 550)),
        ((1000, 1501), (138, 550)),
        ((37, 53), (550, 300)),
        ((1, 1), (4, 3)),
        ((9, 7), (9, 7)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_resized_picture_is_that_of_tensorflow(shape, size, dtype):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(dtype)
    expected = tf.image.resize(tf.cast(image, tf.float32), size, method="bilinear", antialias=False)
    found = resizing.resize(image, size)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("shape", "canvas", "size"),
    [
        ((48, 64), (-8, 0, 56, 64), (55, 55)),
        ((200, 30), (0, -85, 200, 115), (64, 64)),
        ((37, 53), (5, -4, 30, 60), (64, 96)),
        ((20, 20), (-3, -3, 23, 23), (13, 130)),
        ((1, 1), (-2, 0, 3, 1), (8, 4)),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_canvas_is_resized_as_a_picture_painted_on_it_in_both_programs(shape, canvas, size, dtype):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(dtype)
    top, left, bottom, right = canvas
    painted = np.tile(np.float32(resizing.FILL_COLOR), (bottom - top, right - left, 1))
    for y in range(max(0, top), min(shape[0], bottom)):
        for x in range(max(0, left), min(shape[1], right)):
            painted[y - top, x - left] = image[y, x]
    expected = tf.image.resize(painted, size, method="bilinear", antialias=False).numpy()
    found = resizing.resize_canvas(image, canvas, size, resizing.FILL_COLOR)
    np.testing.assert_array_equal(found, expected)
    twice = preprocess.resize_canvas(np.stack([image, image]), np.int32(canvas), size, resizing.FILL_COLOR)
    np.testing.assert_array_equal(twice, [expected, expected])


def test_the_picture_that_is_resized_stays_as_it_was():
    image = np.random.default_rng(0).standard_normal((5, 6, 3)).astype(np.float32)
    before = image.copy()
    resizing.resize(image, (5, 6))
    resizing.resize(image, (9, 3))
    np.testing.assert_array_equal(image, before)
