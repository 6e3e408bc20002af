"""DarkNet-53 has the original's sizes, counts and numbers."""

from __future__ import annotations

import json
import pathlib
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official.vision.configs import common
from official_yolact.configs import yolact as configs
from official_yolact.modeling.backbones import yolact_darknet
from official_yolact.modeling.layers import darknet_block

NORM = common.NormActivation(activation="relu", norm_momentum=0.9, norm_epsilon=1e-5)


def build(size: tuple[int | None, int | None] = (None, None)) -> Any:
    return yolact_darknet.build_yolact_darknet(
        tf_keras.layers.InputSpec(shape=[None, *size, 3]), configs.Backbone(type="yolact_darknet"), NORM
    )


@pytest.fixture(scope="module")
def backbone() -> Any:
    return build()


def test_levels_halve_rounding_up(backbone: Any) -> None:
    endpoints = backbone(tf.zeros([2, 70, 45, 3]))
    assert {level: tuple(value.shape) for level, value in endpoints.items()} == {
        "1": (2, 35, 23, 64),
        "2": (2, 18, 12, 128),
        "3": (2, 9, 6, 256),
        "4": (2, 5, 3, 512),
        "5": (2, 3, 2, 1024),
    }


def test_it_states_the_shapes_that_it_gives() -> None:
    specs = build((550, 400)).output_specs
    assert {level: shape.as_list()[1:] for level, shape in specs.items()} == {
        "1": [275, 200, 64],
        "2": [138, 100, 128],
        "3": [69, 50, 256],
        "4": [35, 25, 512],
        "5": [18, 13, 1024],
    }
    assert build().output_specs["5"].as_list() == [None, None, None, 1024]


def test_there_are_52_convolutions_without_bias_and_the_parameters_of_the_original(backbone: Any) -> None:
    backbone(tf.zeros([1, 32, 32, 3]))
    convs = [layer for layer in backbone._flatten_layers() if isinstance(layer, tf_keras.layers.Conv2D)]
    assert len(convs) == 52
    assert all(conv.bias is None for conv in convs)
    assert sum(int(np.prod(variable.shape)) for variable in backbone.trainable_variables) == 40_584_928


@pytest.mark.parametrize(("level", "count"), [(1, 3), (2, 6), (3, 15), (5, 29)])
def test_the_layers_up_to_a_level_are_those_that_its_endpoint_needs(
    backbone: Any, level: int, count: int
) -> None:
    images = tf.random.stateless_normal([1, 32, 32, 3], [1, 2])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(backbone(images)[str(level)] ** 2)
    variables = backbone.trainable_variables
    gradients = tape.gradient(loss, variables)
    needed = {id(variable) for variable, slope in zip(variables, gradients, strict=True) if slope is not None}
    layers = backbone.layers_up_to(level)
    assert len(layers) == count
    assert {id(variable) for layer in layers for variable in layer.trainable_variables} == needed


def _convolve(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve [H, W, I] with [k, k, I, O], pixel by pixel."""
    half = kernel.shape[0] // 2
    padded = np.pad(images, [(half, half), (half, half), (0, 0)])
    found = np.zeros([*images.shape[:2], kernel.shape[3]])
    for y, x in np.ndindex(images.shape[:2]):
        window = padded[y : y + kernel.shape[0], x : x + kernel.shape[0]]
        found[y, x] = np.tensordot(window, kernel, 3)
    return found


def _normalise(images: np.ndarray, gamma: Any, beta: Any, mean: Any, variance: Any) -> np.ndarray:
    x = gamma * (images - mean) / np.sqrt(variance + 1e-5) + beta
    return np.where(x > 0, x, 0.1 * x)


def test_a_block_equals_its_formula() -> None:
    block = darknet_block.DarkNetBlock(3, norm_activation=NORM)
    rng = np.random.default_rng(0)
    image = rng.standard_normal((5, 4, 6)).astype(np.float32)
    block(image[np.newaxis])
    expected = image.astype(np.float64)
    for unit, shape in ((block.unit1, (1, 1, 6, 3)), (block.unit2, (3, 3, 3, 6))):
        kernel = rng.standard_normal(shape)
        statistics = [rng.uniform(0.5, 1.5, shape[-1]) for _ in range(4)]
        unit.conv.set_weights([kernel])
        unit.bn.set_weights(statistics)
        expected = _normalise(_convolve(expected, kernel), *statistics)
    found = block(image[np.newaxis]).numpy()[0]
    np.testing.assert_allclose(found, image + expected, atol=1e-4)
    assert (found < 0).any()


def test_the_stem_and_the_downsampling_of_an_even_input_pad_both_sides(backbone: Any) -> None:
    unit = backbone.stages[0][0]
    rng = np.random.default_rng(1)
    image = rng.standard_normal((6, 8, 32)).astype(np.float32)
    found = unit(image[np.newaxis]).numpy()[0]
    statistics = [variable.numpy() for variable in (unit.bn.gamma, unit.bn.beta)]
    statistics += [unit.bn.moving_mean.numpy(), unit.bn.moving_variance.numpy()]
    expected = _normalise(_convolve(image, unit.conv.kernel.numpy())[::2, ::2], *statistics)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_another_depth_is_refused() -> None:
    config = configs.Backbone(type="yolact_darknet")
    config.yolact_darknet.depth = 19
    with pytest.raises(ValueError, match=r"yolact_darknet.depth is 19: choose one of \[53\]"):
        yolact_darknet.build_yolact_darknet(None, config, NORM)


def _units(backbone: Any) -> Iterator[tuple[str, Any]]:
    yield "backbone._preconv", backbone.preconv
    for s, (downsample, *blocks) in enumerate(backbone.stages):
        yield f"backbone.layers.{s}.0", downsample
        for b, block in enumerate(blocks, start=1):
            yield f"backbone.layers.{s}.{b}.conv1", block.unit1
            yield f"backbone.layers.{s}.{b}.conv2", block.unit2


def _draw(key: str, recipe: dict[str, Any]) -> np.ndarray:
    random = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    if recipe["kind"] == "normal":
        return (random.standard_normal(recipe["shape"]) * recipe["scale"]).astype(np.float32)
    return random.uniform(recipe["a"], recipe["b"], recipe["shape"]).astype(np.float32)


@pytest.mark.shared
def test_features_equal_the_original(shared: pathlib.Path, backbone: Any) -> None:
    recipes = json.loads((shared / "fixtures" / "yolact_darknet53_recipe.json").read_text())
    with np.load(shared / "fixtures" / "yolact_darknet53_small.npz") as arrays:
        recorded = {key: arrays[key] for key in arrays if key[:2] in ("C3", "C4", "C5") or "uint8" in key}
    backbone(tf.zeros([1, 32, 32, 3]))
    used = set()
    for prefix, unit in _units(backbone):
        keys = [f"{prefix}.1.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
        unit.bn.set_weights([_draw(key, recipes[key]) for key in keys])
        kernel = f"{prefix}.0.weight"
        unit.conv.set_weights([_draw(kernel, recipes[kernel]).transpose(2, 3, 1, 0)])
        used |= {*keys, kernel}
    left = {key for key in recipes if key.startswith("backbone.") and "num_batches" not in key} - used
    assert not left
    pixels = recorded["image_bgr_uint8"][:1, :, :, ::-1].astype(np.float32)
    endpoints = backbone(tf.image.resize(pixels, [550, 550]) / 255.0, training=False)
    for level in (3, 4, 5):
        name, found = f"C{level}", endpoints[str(level)].numpy().transpose(0, 3, 1, 2)
        assert found.shape == tuple(recorded[f"{name}__shape"])
        sample = found.ravel()[:: int(recorded[f"{name}__k"])]
        largest = recorded[f"{name}__stat"][2]
        np.testing.assert_allclose(sample, recorded[f"{name}__s"], atol=1e-4 * largest)
