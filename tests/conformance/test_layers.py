"""Laws that every public layer keeps: add a layer to `CASES`, and it is held to them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import official_yolact.modeling
from official.vision.configs import common
from official_yolact.configs import yolact as configs
from official_yolact.modeling import yolact_model
from official_yolact.modeling.backbones import yolact_darknet
from official_yolact.modeling.backbones import yolact_resnet
from official_yolact.modeling.decoders import yolact_fpn
from official_yolact.modeling.heads import mask_iou_head
from official_yolact.modeling.heads import prediction_head
from official_yolact.modeling.heads import protonet
from official_yolact.modeling.heads import semantic_head
from official_yolact.modeling.layers import bottleneck
from official_yolact.modeling.layers import conv_unit
from official_yolact.modeling.layers import darknet_block
from official_yolact.modeling.layers import deformable_conv
from official_yolact.modeling.layers import detection_generator
from official_yolact.modeling.layers import symmetric_conv
from official_yolact.ops import anchors

# No level is 1 wide and higher than 1: there TensorFlow's 3x3 convolution of stride 2 in bfloat16
# leaves uninitialised memory in its output on CPUs with AMX.
SIZE = (40, 60)
BATCH = 3
NORM = common.NormActivation(activation="relu", norm_momentum=0.9, norm_epsilon=1e-5)


def _draw(*shape: int) -> Any:
    return tf.constant(np.random.default_rng(sum(shape)).standard_normal((BATCH, *shape)), tf.float32)


def _pyramid() -> dict[str, Any]:
    return {"3": _draw(5, 8, 8), "4": _draw(3, 4, 8), "5": _draw(2, 2, 8)}


def _resnet() -> Any:
    return yolact_resnet.YolactResNet((1, 1, 1, 1), NORM, zero_init_residual=False)


def _head() -> Any:
    return prediction_head.PredictionHead(configs.Head(num_filters=8), 3, 4, 5)


def _protonet() -> Any:
    return protonet.Protonet(configs.Protonet(num_filters=8, num_prototypes=5))


def _fpn() -> Any:
    return yolact_fpn.YolactFPN([2, 3, 4, 5], min_level=3, max_level=7, num_filters=8)


def _model() -> Any:
    return yolact_model.YolactModel(
        backbone=_resnet(),
        decoder=_fpn(),
        head=_head(),
        protonet=_protonet(),
        semantic_head=semantic_head.SemanticHead(4),
        min_level=3,
        max_level=7,
    )


def _generator() -> Any:
    grid = anchors.build_anchors(SIZE, 3, 5, [8, 16, 24], 1, [1, 0.5, 2], False)
    config = configs.DetectionGenerator(score_threshold=0.3, nms_top_k=10, max_detections=7)
    return detection_generator.DetectionGenerator(config, grid, 4)


def _raw_outputs() -> tuple[Any, ...]:
    count = 3 * (5 * 8 + 3 * 4 + 2 * 2)
    raw = {
        "box_outputs": _draw(count, 4),
        "cls_outputs": 2 * _draw(count, 4),
        "mask_coefficients": tf.tanh(_draw(count, 5)),
        "prototypes": tf.nn.relu(_draw(10, 16, 5)),
        "semantic_outputs": _draw(5, 8, 3),
    }
    return raw, tf.constant([[[30, 50], SIZE, [1, 1], [0, 0]]] * BATCH, tf.float32)


# Each public layer: how to build a small one, and what to call it with.
CASES: dict[str, tuple[Callable[[], Any], Callable[[], tuple[Any, ...]]]] = {
    "SymmetricConv2D": (lambda: symmetric_conv.SymmetricConv2D(4, 3, strides=2), lambda: (_draw(6, 5, 3),)),
    "Bottleneck": (
        lambda: bottleneck.Bottleneck(filters=2, strides=2, project=True, norm_activation=NORM),
        lambda: (_draw(6, 5, 3),),
    ),
    "ConvUnit": (
        lambda: conv_unit.ConvUnit(4, 3, strides=2, norm_activation=NORM),
        lambda: (_draw(6, 5, 3),),
    ),
    "DarkNetBlock": (
        lambda: darknet_block.DarkNetBlock(2, norm_activation=NORM),
        lambda: (_draw(6, 5, 4),),
    ),
    "YolactDarkNet": (
        lambda: yolact_darknet.YolactDarkNet((1, 1, 1, 1, 1), NORM),
        lambda: (_draw(*SIZE, 3),),
    ),
    "DeformableConv2D": (lambda: deformable_conv.DeformableConv2D(4, strides=2), lambda: (_draw(6, 5, 3),)),
    "YolactResNet": (_resnet, lambda: (_draw(*SIZE, 3),)),
    "YolactFPN": (_fpn, lambda: (_pyramid(),)),
    "PredictionHead": (_head, lambda: (_pyramid(),)),
    "Protonet": (_protonet, lambda: (_draw(5, 4, 8),)),
    "SemanticHead": (lambda: semantic_head.SemanticHead(4), lambda: (_draw(5, 4, 8),)),
    "MaskIoUHead": (lambda: mask_iou_head.MaskIoUHead(4), lambda: (_draw(20, 70),)),
    "YolactModel": (_model, lambda: (_draw(*SIZE, 3),)),
    "DetectionGenerator": (_generator, _raw_outputs),
}


def _public_layers() -> set[str]:
    found = set()
    package = official_yolact.modeling
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for name, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if value.__module__ == module.name and issubclass(value, tf.Module) and not name.startswith("_"):
                found.add(name)
    return found


def test_every_public_layer_is_listed():
    assert _public_layers() == set(CASES)


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> tuple[Any, tuple[Any, ...]]:
    build, draw = CASES[request.param]
    return build(), draw()


def _call(layer: Any, inputs: tuple[Any, ...], **kwargs: Any) -> list[np.ndarray]:
    return [value.numpy() for value in tf.nest.flatten(layer(*inputs, **kwargs))]


def _assert_close(found: list[np.ndarray], expected: list[np.ndarray], tolerance: float = 1e-5) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def test_a_batch_equals_its_images_one_by_one(case):
    layer, inputs = case
    together = _call(layer, inputs)
    for index in range(BATCH):
        alone = _call(layer, tf.nest.map_structure(lambda value: value[index : index + 1], inputs))  # noqa: B023
        _assert_close(alone, [value[index : index + 1] for value in together])


@pytest.mark.parametrize(
    "case",
    [pytest.param(name, marks=[pytest.mark.rare] * (name == "YolactDarkNet")) for name in sorted(CASES)],
    indirect=True,
)
def test_a_saved_model_gives_the_same(case, tmp_path):
    layer, inputs = case
    expected = _call(layer, inputs)
    specs = tf.nest.map_structure(lambda value: tf.TensorSpec([None, *value.shape[1:]], value.dtype), inputs)
    module = tf.Module()
    module.layer = layer
    module.run = tf.function(lambda *values: layer(*values), input_signature=specs)
    tf.saved_model.save(module, str(tmp_path), signatures={})
    loaded = tf.saved_model.load(str(tmp_path))
    _assert_close(_call(loaded.run, inputs), expected)


def test_a_checkpoint_restores_every_variable_into_a_new_layer(case, tmp_path, request):
    layer, inputs = case
    expected = _call(layer, inputs)
    twin = CASES[request.node.callspec.params["case"]][0]()
    _call(twin, inputs)
    path = tf.train.Checkpoint(layer=layer).write(str(tmp_path / "ckpt"))
    status = tf.train.Checkpoint(layer=twin).read(path)
    status.assert_consumed()
    status.assert_existing_objects_matched()
    assert len(twin.variables) == len(layer.variables)
    _assert_close(_call(twin, inputs), expected, 0.0)


def test_xla_gives_the_same(case):
    layer, inputs = case
    expected = _call(layer, inputs)
    _assert_close(_call(tf.function(layer, jit_compile=True), inputs), expected, 1e-4)


@pytest.fixture
def bfloat16() -> Iterator[None]:
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    tf_keras.mixed_precision.set_global_policy(before)


@pytest.mark.parametrize("name", sorted(CASES))
def test_mixed_precision_keeps_variables_in_float32_and_outputs_finite(name, bfloat16):
    build, draw = CASES[name]
    layer = build()
    outputs = tf.nest.flatten(layer(*draw()))
    assert all(variable.dtype == tf.float32 for variable in layer.variables)
    assert all(np.isfinite(tf.cast(value, tf.float32).numpy()).all() for value in outputs)
    if name in {"YolactModel", "PredictionHead", "MaskIoUHead", "DetectionGenerator"}:
        assert all(value.dtype in {tf.float32, tf.int32} for value in outputs)
    elif name != "SymmetricConv2D":
        assert all(value.dtype == tf.bfloat16 for value in outputs)


def _is_batch_dependent(layer: Any) -> bool:
    return "training" in inspect.signature(layer.call).parameters


@pytest.mark.parametrize("training", [False, True])
def test_every_variable_has_a_finite_gradient(case, training):
    layer, inputs = case
    kwargs = {"training": training} if _is_batch_dependent(layer) else {}
    with tf.GradientTape() as tape:
        outputs = tf.nest.flatten(layer(*inputs, **kwargs))
        loss = tf.add_n([tf.reduce_sum(tf.cast(value, tf.float32) ** 2) for value in outputs])
    for variable, gradient in zip(
        layer.trainable_variables, tape.gradient(loss, layer.trainable_variables), strict=True
    ):
        assert gradient is not None, variable.name
        assert np.isfinite(gradient.numpy()).all(), variable.name
