"""Resizing without TensorFlow gives its numbers to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

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


def test_the_picture_that_is_resized_stays_as_it_was():
    image = np.random.default_rng(0).standard_normal((5, 6, 3)).astype(np.float32)
    before = image.copy()
    resizing.resize(image, (5, 6))
    resizing.resize(image, (9, 3))
    np.testing.assert_array_equal(image, before)
