"""What the graph of a file computes: every form of suppression, and what YOLACT++ has, in LiteRT and ONNX."""

import types

import fake_network
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official_yolact.configs import yolact as configs
from official_yolact.exporting import export
from official_yolact.exporting import graph
from official_yolact.exporting import litert
from official_yolact.exporting import onnx_file
from official_yolact.exporting import quantization
from official_yolact.exporting import targets
from official_yolact.modeling import detector
from official_yolact.modeling.heads import mask_iou_head
from official_yolact.modeling.layers import deformable_conv
from official_yolact.ops import interpolations
from official_yolact_runtime import categories
from official_yolact_runtime import export_info

NAMES = sorted(export_info.OUTPUTS)


class PlusNetwork(tf.Module):
    """The fake network with a deformable convolution before its outputs, and a mask-IoU branch behind them."""

    def __init__(self):
        super().__init__()
        tf.random.set_seed(0)
        self._fake = fake_network.FakeNetwork()
        self._conv = deformable_conv.DeformableConv2D(4, strides=2)
        self.mask_iou_head = mask_iou_head.MaskIoUHead(3)
        self.mask_iou_head(tf.zeros([1, 16, 16]))
        self._conv(tf.zeros([1, 64, 64, 3]))
        offsets = self._conv.offset_conv
        offsets.kernel.assign(tf.random.stateless_normal(offsets.kernel.shape, [1, 2], stddev=0.5))

    def __call__(self, images, training=None):
        found = self._fake(images, training)
        seen = tf.nn.max_pool2d(self._conv(images), 2, 2, "SAME")
        logits = found["cls_outputs"] + tf.pad(
            tf.reduce_mean(tf.nn.relu(seen), [1, 2])[:, tf.newaxis, :3] * 0.01, [[0, 0], [27, 52], [0, 0]]
        )
        return {**found, "prototypes": tf.nn.relu(seen), "cls_outputs": logits}


class ManyClasses(fake_network.FakeNetwork):
    """The fake network with so many classes that suppression decides about the best of each first."""

    def __call__(self, images, training=None):
        found = super().__call__(images, training)
        logits = tf.pad(found["cls_outputs"], [[0, 0], [0, 0], [0, 30]], constant_values=-9.0)
        return {**found, "cls_outputs": logits}


class ResizingNetwork(tf.Module):
    """The fake network with prototypes that a convolution finds on a coarser grid, 7 cells for 16 of theirs."""

    def __init__(self):
        super().__init__()
        self._fake = fake_network.FakeNetwork()
        self._conv = tf_keras.layers.Conv2D(
            4, 10, 9, kernel_initializer=tf_keras.initializers.GlorotUniform(seed=0)
        )
        self._conv(tf.zeros([1, 64, 64, 3]))

    def __call__(self, images, training=None):
        seen = interpolations.resize_bilinear(self._conv(images / 255), (16, 16))
        return {**self._fake(images, training), "prototypes": tf.nn.relu(seen)}


def make_detector(is_plus=False, has_many=False, **settings):
    config = fake_network.tiny_config()
    config.num_classes += 30 * has_many
    config.override({"detection_generator": {"max_detections": 5, **settings}, "mask_rescoring": is_plus})
    network = PlusNetwork() if is_plus else ManyClasses() if has_many else fake_network.FakeNetwork()
    if not is_plus:
        network.variables = []
    return detector.Detector(network, config)


def describe(made):
    predictor = types.SimpleNamespace(categories=categories.Categories((1, 2), ("a", "b")), weights=None)
    return export.describe(predictor, made, [targets.Target("onnx")])


def run_litert(content, image):
    from ai_edge_litert import interpreter

    return interpreter.Interpreter(model_content=content).get_signature_runner()(images=image)


def run_onnx(content, image):
    import onnxruntime

    session = onnxruntime.InferenceSession(content)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": image}), strict=True))


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "settings",
    [*({"nms": name} for name in configs.NMS_KINDS), {"is_plus": True}, {"has_many": True}],
    ids=[*configs.NMS_KINDS, "plus", "many classes"],
)
def test_both_formats_compute_what_the_detector_computes(settings, image):
    made = make_detector(**settings)
    function, _ = graph.trace(made)
    expected = {name: value.numpy() for name, value in function(tf.constant(image)).items()}
    assert expected["num_detections"] > 0
    for found in (
        run_litert(litert.convert(made), image),
        run_onnx(onnx_file.convert(made, describe(made)), image),
    ):
        assert sorted(found) == NAMES
        for name, value in expected.items():
            assert found[name].dtype == value.dtype
            np.testing.assert_allclose(found[name], value, atol=2e-4, err_msg=name)
    if settings.get("is_plus"):
        assert not np.array_equal(expected["detection_scores"], expected["detection_mask_scores"])


def test_int8_leaves_where_a_deformable_convolution_looks_in_float(image):
    made = make_detector(is_plus=True)
    converted = litert.convert(made)
    found = run_litert(quantization.quantize(converted, "int8", [image, 255 - image]), image)
    expected = run_litert(converted, image)
    np.testing.assert_allclose(found["detection_boxes"], expected["detection_boxes"], atol=0.5)
    np.testing.assert_allclose(found["detection_masks"], expected["detection_masks"], atol=0.1)


@pytest.mark.parametrize("precision", ["float16", "dynamic", "int8"])
def test_a_grid_that_is_not_twice_the_one_below_is_resized_in_every_precision(precision, image):
    made = detector.Detector(ResizingNetwork(), fake_network.tiny_config())
    converted = litert.convert(made)
    found = run_litert(quantization.quantize(converted, precision, [image, 255 - image]), image)
    expected = run_litert(converted, image)
    np.testing.assert_allclose(found["detection_masks"], expected["detection_masks"], atol=0.05)


def test_int8_without_calibration_is_refused():
    with pytest.raises(ValueError, match="photos for the calibration"):
        quantization.quantize(b"", "int8", [])


def test_boxes_are_in_pixels_of_the_input(image):
    function, _ = graph.trace(make_detector())
    found = function(tf.constant(image))
    boxes = found["detection_boxes"][0, : int(found["num_detections"][0])].numpy()
    assert boxes.max() > 2
    assert boxes.max() <= fake_network.SIZE
