"""Imported weights give the recorded outputs of the original: features, raw outputs, detections, masks."""

from __future__ import annotations

import json
import pathlib
import zlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import official_yolact
from official_yolact import registry_imports  # noqa: F401  fills the registries
from official_yolact.configs import yolact as configs
from official_yolact.importing import torch_import
from official_yolact.modeling import factory
from official_yolact.modeling.layers import detection_generator
from official_yolact.ops import preprocess

pytestmark = [pytest.mark.shared, pytest.mark.slow]

XYXY_TO_YXYX = [1, 0, 3, 2]
SIZE = np.array([480.0, 640.0])
RELATIVE = 1e-4
"""Of the largest absolute value of an array, of the image's sides, and of scores."""

MODELS = ["yolact_resnet50", "yolact_darknet53", "yolact_plus_resnet50"]
NUM_ANCHORS = {"yolact_resnet50": 19_248, "yolact_darknet53": 19_248, "yolact_plus_resnet50": 57_744}
NUM_JUNK = {"yolact_resnet50": 53, "yolact_darknet53": 52, "yolact_plus_resnet50": 53}


def draw_tensor(key: str, recipe: dict[str, Any]) -> np.ndarray:
    random = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    if recipe["kind"] == "const":
        return np.array(recipe["value"], np.int64).reshape(recipe["shape"])
    if recipe["kind"] == "normal":
        tensor = (random.standard_normal(recipe["shape"]) * recipe["scale"]).astype(np.float32)
    else:
        tensor = random.uniform(recipe["a"], recipe["b"], recipe["shape"]).astype(np.float32)
    if "add_background" in recipe:
        tensor.reshape(-1, 81)[:, 0] += np.float32(recipe["add_background"])
    assert zlib.crc32(tensor.tobytes()) == recipe["crc32"]
    return tensor


@pytest.fixture(scope="module", params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def recorded(name: str, shared: pathlib.Path) -> dict[str, np.ndarray]:
    with np.load(shared / "fixtures" / f"{name}_small.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def imported(name: str, shared: pathlib.Path, torch_writer: Any, tmp_path_factory: Any) -> Any:
    """The account of importing a generated file, and the model directory."""
    recipes = json.loads((shared / "fixtures" / f"{name}_recipe.json").read_text())
    tensors = {key: draw_tensor(key, recipe) for key, recipe in recipes.items()}
    folder = tmp_path_factory.mktemp(name)
    path = folder / f"{name}_54_800000.pth"
    write = torch_writer.write_zip if name == "yolact_darknet53" else torch_writer.write_legacy
    write(path, tensors)
    output = str(folder / "model")
    done = torch_import.import_torch(str(path), output, factory.build_model)
    path.unlink()
    assert done.num_read == len(recipes)
    return done, output


@pytest.fixture(scope="module")
def predictor(imported: Any) -> Any:
    return official_yolact.load(imported[1])


@pytest.fixture(scope="module")
def images(recorded: dict[str, np.ndarray]) -> np.ndarray:
    """The photos as uint8 RGB."""
    return np.ascontiguousarray(recorded["image_bgr_uint8"][..., ::-1])


@pytest.fixture(scope="module")
def inputs(predictor: Any, images: np.ndarray) -> np.ndarray:
    normalization = predictor.runtime.detector.config.normalization
    return np.stack(
        [
            preprocess.preprocess_image(one, (550, 550), normalization.mean, normalization.std)
            for one in images
        ]
    )


@pytest.fixture(scope="module")
def outputs(predictor: Any, inputs: np.ndarray) -> dict[str, np.ndarray]:
    model = predictor.runtime.detector.model
    endpoints = model.backbone(inputs[:1], training=False)
    pyramid = model.decoder(endpoints)
    found = {f"C{level}": endpoints[str(level)].numpy() for level in (3, 4, 5)}
    found |= {f"P{level}": pyramid[str(level)].numpy() for level in (3, 4, 5, 6, 7)}
    found |= {"head_upfeature_P7": np.maximum(model.head.conv(pyramid["7"]), 0.0)}
    return found | predictor.raw_outputs(inputs)


def assert_recorded(recorded: dict[str, np.ndarray], key: str, found: np.ndarray) -> None:
    """Compare within 1e-4 of the record's largest absolute value."""
    if key in recorded:
        expected = recorded[key]
        np.testing.assert_allclose(found, expected, rtol=0, atol=RELATIVE * np.abs(expected).max())
        return
    assert found.shape == tuple(recorded[f"{key}__shape"])
    sample = np.ascontiguousarray(found).ravel()[:: int(recorded[f"{key}__k"])]
    mean, deviation, largest = recorded[f"{key}__stat"]
    np.testing.assert_allclose(sample, recorded[f"{key}__s"], rtol=0, atol=RELATIVE * largest)
    statistics = [found.mean(dtype=np.float64), found.std(dtype=np.float64), np.abs(found).max()]
    np.testing.assert_allclose(statistics, [mean, deviation, largest], rtol=0, atol=RELATIVE * largest)


def test_every_tensor_is_accounted_for(name: str, imported: Any) -> None:
    done, _ = imported
    assert len(done.skipped) == NUM_JUNK[name]
    assert {reason for _, reason in done.skipped} == {"a counter that nothing reads"}
    assert done.form == ("zip" if name == "yolact_darknet53" else "legacy")
    assert done.experiment == f"{name}_coco"
    assert (done.published, done.modules, done.num_classes) == ("", "all", 81)


def test_both_resize_paths_are_within_their_difference(recorded: Any, inputs: np.ndarray) -> None:
    """The recorded paths differ by up to 0.012 of 255 from each other, on the scale of the pixels."""
    deviation = recorded["std_bgr"].min() if inputs.min() < 0 else 255.0
    for key in ("input_nchw_rgb", "input_fast_nchw_rgb"):
        found = inputs.transpose(0, 3, 1, 2)
        assert found.shape == tuple(recorded[f"{key}__shape"])
        sample = np.ascontiguousarray(found).ravel()[:: int(recorded[f"{key}__k"])]
        assert np.abs(sample - recorded[f"{key}__s"]).max() * deviation < 0.0125


@pytest.mark.parametrize("key", ["C3", "C4", "C5", "P3", "P4", "P5", "P6", "P7", "head_upfeature_P7"])
def test_features_equal_the_original(key: str, recorded: Any, outputs: Any) -> None:
    assert_recorded(recorded, key, outputs[key].transpose(0, 3, 1, 2))


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
    assert_recorded(recorded, theirs, found[:1])
    total, magnitude = recorded[theirs.replace("raw_", "raw1_sum_")]
    sums = [found[1].sum(dtype=np.float64), np.abs(found[1]).sum(dtype=np.float64)]
    np.testing.assert_allclose(sums, [total, magnitude], rtol=0, atol=RELATIVE * magnitude)


def detect(name: str, predictor: Any, outputs: Any, nms: str, max_detections: int) -> dict[str, np.ndarray]:
    config = configs.DetectionGenerator(nms=nms, max_detections=max_detections)
    grid = factory.build_anchors(predictor.runtime.detector.config)
    assert len(grid) == NUM_ANCHORS[name]
    generate = detection_generator.DetectionGenerator(config, grid, 81)
    info = tf.constant([[SIZE, [550, 550], 550 / SIZE, [0, 0]]] * 2, tf.float32)
    raw = {key: tf.constant(value) for key, value in outputs.items() if key.islower()}
    found = generate(raw, info, mask_scorer=predictor.runtime.detector.model.mask_iou_head)
    return {key: tensor.numpy() for key, tensor in found.items()}


def match_rows(recorded: Any, kind: str, image: int, found: dict[str, np.ndarray]) -> np.ndarray:
    """Find the row of each recorded detection; neighbours whose scores differ by 2e-6 may change places."""
    limits = np.tile(SIZE, 2)
    boxes = np.clip(recorded[f"det_{kind}{image}_box"][:, XYXY_TO_YXYX] * limits, 0, limits)
    distances = np.abs(found["detection_boxes"][image][np.newaxis] - boxes[:, np.newaxis]) / limits
    distances = distances.max(axis=-1)
    classes = recorded[f"det_{kind}{image}_class"][:, np.newaxis] + 1
    scores = recorded[f"det_{kind}{image}_score"][:, np.newaxis]
    distances[found["detection_classes"][image] != classes] = np.inf
    distances[np.abs(found["detection_scores"][image] - scores) > RELATIVE] = np.inf
    np.testing.assert_array_less(distances.min(axis=1), RELATIVE)
    rows = distances.argmin(axis=1)
    assert len(set(rows)) == len(rows)
    return rows


@pytest.fixture(scope="module")
def detections(name: str, predictor: Any, outputs: Any) -> dict[str, np.ndarray]:
    # One more than recorded: the last place may be a tie.
    return detect(name, predictor, outputs, "fast", 101)


@pytest.mark.parametrize("image", [0, 1])
def test_fast_detections_equal_the_original(image: int, recorded: Any, detections: Any) -> None:
    rows = match_rows(recorded, "fast", image, detections)
    assert len(rows) == 100
    ranked = detections["detection_scores"][image][:100]
    np.testing.assert_allclose(ranked, recorded[f"det_fast{image}_score"], rtol=0, atol=RELATIVE)


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize(("nms", "kind"), [("cross_class", "cross"), ("traditional", "trad")])
def test_other_nms_forms_equal_the_original(
    nms: str, kind: str, image: int, name: str, recorded: Any, predictor: Any, outputs: Any
) -> None:
    limit = 201 if kind == "cross" else 101
    found = detect(name, predictor, outputs, nms, limit)
    rows = match_rows(recorded, kind, image, found)
    if kind == "cross":
        assert found["num_detections"][image] == len(rows)


@pytest.mark.parametrize("image", [0, 1])
def test_masks_and_their_scores_equal_the_original(
    image: int, name: str, recorded: Any, detections: Any
) -> None:
    rows = match_rows(recorded, "fast", image, detections)
    packed = recorded[f"post_{image}_masks_packed"]
    expected = np.unpackbits(packed, axis=-1, count=640).astype(bool)
    soft = detections["detection_masks"][image][rows]
    found = tf.image.resize(soft[..., np.newaxis], [480, 640])[..., 0].numpy() > 0.5
    union = np.sum(found | expected, axis=(1, 2))
    overlap = np.sum(found & expected, axis=(1, 2)) / np.maximum(union, 1)
    large = np.sum(expected, axis=(1, 2)) > 50
    assert overlap[large].min() >= 0.99
    # Pixels at 0.5 to the last digit may fall on either side.
    assert np.mean(found != expected) < 1e-6
    key = f"post_{image}_mask_score" if "plus" in name else f"det_fast{image}_score"
    scores = detections["detection_mask_scores"][image][rows]
    np.testing.assert_allclose(scores, recorded[key], rtol=0, atol=RELATIVE)


@pytest.mark.parametrize(
    "name", [MODELS[0], pytest.param(MODELS[1], marks=pytest.mark.rare), MODELS[2]], indirect=True
)
def test_the_predictor_finds_what_the_original_shows(recorded: Any, images: Any, predictor: Any) -> None:
    """Through the picture's own path: resize, network, NMS, masks at the picture's size."""
    shown = predictor(images[0], score_threshold=0.0)
    assert len(shown.scores) == 100
    for found, key in ((shown.scores, "post_0_score"), (shown.mask_scores, "post_0_mask_score")):
        expected = recorded.get(key, recorded["post_0_score"])
        np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=0, atol=RELATIVE)


@pytest.mark.rare
def test_a_saved_model_of_the_raw_outputs_comes_back(
    predictor: Any, inputs: np.ndarray, outputs: Any, tmp_path: pathlib.Path
) -> None:
    module = tf.Module()
    module.model = predictor.runtime.detector.model
    signature = tf.TensorSpec([None, 550, 550, 3], tf.float32, name="images")
    module.serve = tf.function(lambda images: dict(module.model(images, training=False)), [signature])
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    again = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](images=tf.constant(inputs[:1]))
    assert set(again) == {key for key in outputs if key.islower() and not key.startswith("head_")}
    for key, value in again.items():
        np.testing.assert_allclose(value, outputs[key][:1], rtol=0, atol=1e-5 * np.abs(outputs[key]).max())
