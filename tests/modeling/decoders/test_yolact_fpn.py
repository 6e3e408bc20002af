"""The pyramid: exact sizes, and ReLU on the levels that the backbone has only."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.modeling.decoders import yolact_fpn
from official_yolact.ops import grids


def _endpoints(size, levels=(3, 4, 5)):
    random = np.random.default_rng(0)
    shapes = {str(level): (1, *grids.level_size(size, level), 4) for level in levels}
    return {level: tf.constant(random.standard_normal(shape), tf.float32) for level, shape in shapes.items()}


@pytest.mark.parametrize("size", [(550, 550), (400, 400), (700, 700), (550, 100), (33, 257)])
def test_every_level_has_the_size_of_its_grid(size):
    outputs = yolact_fpn.YolactFPN([3, 4, 5], 3, 7, num_filters=2)(_endpoints(size))
    assert {level: tuple(value.shape[1:3]) for level, value in outputs.items()} == {
        str(level): grids.level_size(size, level) for level in range(3, 8)
    }


def test_only_levels_of_the_backbone_go_through_relu():
    outputs = yolact_fpn.YolactFPN([3, 4, 5], 3, 7, num_filters=8)(_endpoints((128, 128)))
    lowest = {level: float(tf.reduce_min(value)) for level, value in outputs.items()}
    assert all(lowest[level] == 0 for level in "345")
    assert all(lowest[level] < 0 for level in "67")


def test_a_lower_level_is_its_lateral_plus_the_resized_higher_one():
    endpoints = _endpoints((40, 40), (4, 5))
    layer = yolact_fpn.YolactFPN([4, 5], 4, 5, num_filters=3)
    outputs = layer(endpoints)
    top = layer.lateral["5"](endpoints["5"]).numpy()[0]
    # Bilinear with half-pixel centres from 2 to 3: the middle is the mean, the ends are the ends.
    weights = np.array([[1, 0], [0.5, 0.5], [0, 1]])
    resized = np.einsum("yh,xw,hwc->yxc", weights, weights, top)
    merged = layer.lateral["4"](endpoints["4"]).numpy()[0] + resized
    expected = layer.smooth["4"](tf.constant(merged[np.newaxis], tf.float32))
    np.testing.assert_allclose(outputs["4"], np.maximum(expected, 0), atol=1e-5)


def test_images_of_unknown_size_are_resized_too():
    layer = yolact_fpn.YolactFPN([3, 4, 5], 3, 7, num_filters=2)
    endpoints = _endpoints((100, 60))
    specs = {level: tf.TensorSpec([None, None, None, 4]) for level in endpoints}
    found, expected = tf.function(layer, input_signature=[specs])(endpoints), layer(endpoints)
    for level, value in expected.items():
        np.testing.assert_allclose(found[level], value, atol=1e-5)


def test_a_gap_in_the_backbone_is_refused():
    with pytest.raises(ValueError, match=r"levels 3 to 7, but the backbone gives \[3, 5\]"):
        yolact_fpn.YolactFPN([3, 5], 3, 7)
