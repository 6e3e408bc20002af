"""The network and its detections equal the recorded outputs of the original implementation."""

from __future__ import annotations

import json
import pathlib
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import official_yolact.registry_imports  # noqa: F401  fills the registries
from official_yolact.configs import yolact as configs
from official_yolact.modeling import factory
from official_yolact.modeling.layers import detection_generator
from official_yolact.ops import anchors

pytestmark = pytest.mark.shared

XYXY_TO_YXYX = [1, 0, 3, 2]


def _draw(key: str, recipe: dict[str, Any]) -> np.ndarray:
    random = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    if recipe["kind"] == "normal":
        tensor = (random.standard_normal(recipe["shape"]) * recipe["scale"]).astype(np.float32)
    else:
        tensor = random.uniform(recipe["a"], recipe["b"], recipe["shape"]).astype(np.float32)
    if "add_background" in recipe:
        tensor.reshape(-1, 81)[:, 0] += np.float32(recipe["add_background"])
    assert zlib.crc32(tensor.tobytes()) == recipe["crc32"]
    return tensor


def _layers_by_key(model: Any) -> Iterator[tuple[str, Any]]:
    """Pair each prefix of the original's keys with the layer that holds its tensors."""
    backbone, decoder, head = model.backbone, model.decoder, model.head
    yield from [("backbone.conv1", backbone.conv1), ("backbone.bn1", backbone.bn1)]
    for s, stage in enumerate(backbone.stages):
        for b, block in enumerate(stage):
            for part in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"):
                yield f"backbone.layers.{s}.{b}.{part}", getattr(block, part)
            if block.shortcut_conv is not None:
                yield f"backbone.layers.{s}.{b}.downsample.0", block.shortcut_conv
                yield f"backbone.layers.{s}.{b}.downsample.1", block.shortcut_bn
    for index, level in enumerate("543"):
        yield f"fpn.lat_layers.{index}", decoder.lateral[level]
        yield f"fpn.pred_layers.{index}", decoder.smooth[level]
    for index, level in enumerate("67"):
        yield f"fpn.downsample_layers.{index}", decoder.downsample[level]
    for index, conv in zip((0, 2, 4, 8), model.protonet.convs, strict=True):
        yield f"proto_net.{index}", conv
    yield "proto_net.10", model.protonet.project
    yield "prediction_layers.0.upfeature.0", head.conv
    yield "prediction_layers.0.bbox_layer", head.box_conv
    yield "prediction_layers.0.conf_layer", head.class_conv
    yield "prediction_layers.0.mask_layer", head.coefficient_conv
    yield "semantic_seg_conv", model.semantic_head.conv


def _permute_boxes(tensor: np.ndarray) -> np.ndarray:
    return tensor.reshape(-1, 4, *tensor.shape[1:])[:, XYXY_TO_YXYX].reshape(tensor.shape)


def _load(model: Any, recipes: dict[str, Any]) -> None:
    unused = {key for key in recipes if not key.endswith("num_batches_tracked")}
    for prefix, layer in _layers_by_key(model):
        names = {"weight": "kernel", "bias": "bias"}
        if hasattr(layer, "gamma"):
            names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean"}
            names["running_var"] = "moving_variance"
        for theirs, ours in names.items():
            variable = getattr(layer, ours)
            if variable is None:
                continue
            tensor = _draw(f"{prefix}.{theirs}", recipes[f"{prefix}.{theirs}"])
            if prefix.endswith("bbox_layer"):
                tensor = _permute_boxes(tensor)
            variable.assign(tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor)
            unused.remove(f"{prefix}.{theirs}")
    assert not unused


@pytest.fixture(scope="module")
def recorded(shared: pathlib.Path) -> dict[str, np.ndarray]:
    with np.load(shared / "fixtures" / "yolact_resnet50_small.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def model(shared: pathlib.Path) -> Any:
    built = factory.build_model(configs.YolactModel())
    _load(built, json.loads((shared / "fixtures" / "yolact_resnet50_recipe.json").read_text()))
    return built


@pytest.fixture(scope="module")
def outputs(model: Any, recorded: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    pixels = recorded["image_bgr_uint8"][:, :, :, ::-1].astype(np.float32)
    normalization = configs.Normalization()
    resized = tf.image.resize(pixels, [550, 550])
    images = (resized - normalization.mean) / normalization.std
    endpoints = model.backbone(images[:1], training=False)
    pyramid = model.decoder(endpoints)
    found = {f"C{level}": endpoints[str(level)] for level in (3, 4, 5)}
    found |= {f"P{level}": pyramid[str(level)] for level in (3, 4, 5, 6, 7)}
    found |= {"head_upfeature_P7": model.head.conv(pyramid["7"])}
    found |= model(images, training=False)
    return {name: tensor.numpy() for name, tensor in found.items()}


def _assert_recorded(recorded: dict[str, np.ndarray], name: str, found: np.ndarray, tolerance: float) -> None:
    if name in recorded:
        np.testing.assert_allclose(found, recorded[name], atol=tolerance)
        return
    assert found.shape == tuple(recorded[f"{name}__shape"])
    sample = np.ascontiguousarray(found).ravel()[:: int(recorded[f"{name}__k"])]
    np.testing.assert_allclose(sample, recorded[f"{name}__s"], atol=tolerance)
    statistics = [found.mean(dtype=np.float64), found.std(dtype=np.float64), np.abs(found).max()]
    np.testing.assert_allclose(statistics, recorded[f"{name}__stat"], atol=tolerance)


@pytest.mark.parametrize("name", ["C3", "C4", "C5", "P3", "P4", "P5", "P6", "P7", "head_upfeature_P7"])
def test_features_equal_the_original(name: str, recorded: Any, outputs: Any) -> None:
    _assert_recorded(recorded, name, outputs[name].transpose(0, 3, 1, 2), 2e-4)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("box_outputs", "raw_loc"),
        ("cls_outputs", "raw_conf"),
        ("mask_coefficients", "raw_mask"),
        ("prototypes", "raw_proto"),
        ("semantic_outputs", "raw_segm"),
    ],
)
def test_raw_outputs_equal_the_original(ours: str, theirs: str, recorded: Any, outputs: Any) -> None:
    found = outputs[ours]
    if ours == "box_outputs":
        found = found[..., XYXY_TO_YXYX]
    if ours == "semantic_outputs":
        found = found.transpose(0, 3, 1, 2)
    _assert_recorded(recorded, theirs, found[:1], 2e-4)
    expected = recorded[theirs.replace("raw_", "raw1_sum_")]
    sums = [found[1].sum(dtype=np.float64), np.abs(found[1]).sum(dtype=np.float64)]
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=0.05)


@pytest.fixture(scope="module")
def detections(outputs: Any) -> dict[str, np.ndarray]:
    config = configs.YolactModel()
    config.detection_generator.max_detections = 101  # the last place is a tie
    grid = anchors.build_anchors(
        config.input_size,
        config.min_level,
        config.max_level,
        config.anchor.scales,
        config.anchor.scales_per_octave,
        config.anchor.aspect_ratios,
        config.anchor.square,
    )
    assert len(grid) == 19_248
    generate = detection_generator.DetectionGenerator(config.detection_generator, grid, config.num_classes)
    scale = [550 / 480, 550 / 640]
    image_info = tf.constant([[[480, 640], [550, 550], scale, [0, 0]]] * 2, tf.float32)
    found = generate({name: outputs[name] for name in outputs if name.islower()}, image_info)
    return {name: tensor.numpy() for name, tensor in found.items()}


def _rows(image: int, recorded: Any, detections: Any) -> np.ndarray:
    """Find the row of each recorded detection: two scores that differ by 3e-7 may change places."""
    boxes = recorded[f"det_fast{image}_box"][:, XYXY_TO_YXYX] * [480, 640, 480, 640]
    boxes = np.clip(boxes, 0, [480, 640, 480, 640])
    distances = np.abs(detections["detection_boxes"][image][np.newaxis] - boxes[:, np.newaxis]).max(-1)
    other_class = (
        detections["detection_classes"][image] != recorded[f"det_fast{image}_class"][:, np.newaxis] + 1
    )
    distances[other_class] = np.inf
    np.testing.assert_array_less(distances.min(axis=1), 0.02)
    return distances.argmin(axis=1)


@pytest.mark.parametrize("image", [0, 1])
def test_detections_equal_the_original(image: int, recorded: Any, detections: Any) -> None:
    expected = recorded[f"det_fast{image}_score"]
    rows = _rows(image, recorded, detections)
    assert len(set(rows)) == len(expected) == 100
    np.testing.assert_allclose(detections["detection_scores"][image][rows], expected, atol=2e-5)
    np.testing.assert_allclose(detections["detection_scores"][image][:100], expected, atol=2e-5)


@pytest.mark.parametrize("image", [0, 1])
def test_masks_equal_the_original(image: int, recorded: Any, detections: Any) -> None:
    expected = np.unpackbits(recorded[f"post_{image}_masks_packed"], axis=-1, count=640).astype(bool)
    soft = detections["detection_masks"][image][_rows(image, recorded, detections)]
    found = tf.image.resize(soft[..., np.newaxis], [480, 640])[..., 0].numpy() > 0.5
    # Pixels at 0.5 to the last digit may fall on either side.
    assert np.mean(found != expected) < 1e-6
