"""From raw outputs to detections, against a plain NumPy loop and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.modeling.layers import detection_generator

# Four anchors, one in each quarter of the image, half as high and wide as the image.
ANCHORS = np.array([[y, x, 0.5, 0.5] for y in (0.25, 0.75) for x in (0.25, 0.75)], np.float32)
INFO = tf.constant([[[60, 80], [64, 64], [64 / 60, 64 / 80], [0, 0]]], tf.float32)


def _raw(logits, codes=None, coefficients=None, prototypes=None):
    logits = np.asarray(logits, np.float32)
    return {
        "box_outputs": tf.constant(np.zeros((4, 4)) if codes is None else codes, tf.float32)[tf.newaxis],
        "cls_outputs": tf.constant(logits)[tf.newaxis],
        "mask_coefficients": tf.constant(
            np.ones((4, 1)) if coefficients is None else coefficients, tf.float32
        )[tf.newaxis],
        "prototypes": tf.constant(np.ones((8, 8, 1)) if prototypes is None else prototypes, tf.float32)[
            tf.newaxis
        ],
        "semantic_outputs": tf.zeros([1, 4, 4, 2]),
    }


def _generator(**options):
    options = {"max_detections": 3, "nms_top_k": 4, **options}
    return detection_generator.DetectionGenerator(configs.DetectionGenerator(**options), ANCHORS, 3)


# Background, class 1, class 2 of each anchor: only the second and third anchor hold something.
LOGITS = np.log([[0.96, 0.02, 0.02], [0.1, 0.8, 0.1], [0.3, 0.1, 0.6], [0.97, 0.02, 0.01]])


@pytest.mark.parametrize("compiled", [False, True])
def test_classes_scores_and_boxes_worked_by_hand(compiled):
    run = tf.function(_generator(), jit_compile=True) if compiled else _generator()
    found = run(_raw(LOGITS), INFO)
    np.testing.assert_allclose(found["detection_scores"], [[0.8, 0.6, 0.1]], atol=1e-6)
    np.testing.assert_array_equal(found["detection_mask_scores"], found["detection_scores"])
    assert found["detection_classes"][0, :2].numpy().tolist() == [1, 2]
    assert found["num_detections"].numpy().tolist() == [3]
    boxes = found["detection_boxes"][0, :2].numpy()
    np.testing.assert_allclose(boxes, [[0, 40, 30, 80], [30, 0, 60, 40]], atol=1e-4)


def test_boxes_are_clipped_to_the_original_image():
    codes = np.zeros((4, 4))
    codes[1] = [-5, 5, 0, 0]  # half an anchor up and to the right
    boxes = _generator()(_raw(LOGITS, codes=codes), INFO)["detection_boxes"][0, 0].numpy()
    np.testing.assert_allclose(boxes, [0, 60, 15, 80], atol=1e-4)


@pytest.mark.parametrize("padding", [0.0, 1.0])
def test_masks_are_soft_inside_the_padded_box_and_zero_outside(padding):
    masks = _generator(crop_padding=padding)(_raw(LOGITS), INFO)["detection_masks"].numpy()
    expected = np.zeros((8, 8))
    margin = int(padding)
    expected[: 4 + margin, 4 - margin :] = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(masks[0, 0], expected, atol=1e-6)


def test_masks_keep_everything_without_cropping():
    masks = _generator(crop_masks=False)(_raw(LOGITS), INFO)["detection_masks"].numpy()
    np.testing.assert_allclose(masks[0, 0], np.full((8, 8), 1 / (1 + np.exp(-1))), atol=1e-6)


@pytest.mark.parametrize("padding", [0.0, 1.5])
def test_masks_that_are_cut_at_the_size_of_the_image_stay_whole_beside_the_boxes_that_cut_them(padding):
    found = _generator(crop_at="image", crop_padding=padding, max_detections=20)(_raw(LOGITS), INFO)
    count = int(found["num_detections"][0])
    whole = np.full((count, 8, 8), 1 / (1 + np.exp(-1)))
    np.testing.assert_allclose(found["detection_masks"][0, :count], whole, atol=1e-6)
    # A cell of the grid is 7.5 x 10 pixels of the image.
    expected = found["detection_boxes"][0, :count] + padding * np.array([-7.5, -10, 7.5, 10])
    np.testing.assert_allclose(found["detection_crops"][0, :count], expected, atol=1e-4)
    assert not found["detection_masks"][0, count:].numpy().any()
    assert not found["detection_crops"][0, count:].numpy().any()


def test_the_mask_scores_are_those_of_masks_cut_on_the_grid_wherever_they_are_cut():
    def score_masks(masks):
        return tf.reduce_mean(masks, axis=[1, 2])[:, tf.newaxis] * [[1.0, 2.0]]

    by_place = [
        _generator(crop_at=place)(_raw(LOGITS), INFO, mask_scorer=score_masks)["detection_mask_scores"]
        for place in configs.CROP_PLACES
    ]
    np.testing.assert_array_equal(*by_place)


def test_masks_that_are_not_cut_have_no_crops():
    assert "detection_crops" not in _generator(crop_at="image", crop_masks=False)(_raw(LOGITS), INFO)
    assert "detection_crops" not in _generator()(_raw(LOGITS), INFO)


def test_masks_belong_to_the_anchor_that_was_kept():
    coefficients = np.array([[9.0], [-3.0], [2.0], [9.0]])
    masks = _generator(crop_masks=False)(_raw(LOGITS, coefficients=coefficients), INFO)["detection_masks"]
    np.testing.assert_allclose(masks[0, :2, 0, 0], 1 / (1 + np.exp([3.0, -2.0])), atol=1e-6)


def test_an_image_without_detections_gives_zeros():
    background = np.log([[0.96, 0.02, 0.02]] * 4)
    found = _generator(max_detections=6)(_raw(background), INFO)
    assert found["detection_masks"].shape == [1, 6, 8, 8]
    assert all(not value.numpy().any() for value in found.values())


def test_rows_behind_the_last_detection_are_zero():
    found = _generator(max_detections=20)(_raw(LOGITS), INFO)
    count = int(found["num_detections"][0])
    assert 0 < count < 20
    for name in ("detection_boxes", "detection_scores", "detection_classes", "detection_masks"):
        assert not found[name][0, count:].numpy().any()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("crop", [False, True])
def test_a_mask_score_is_the_score_times_the_iou_of_the_class_predicted_from_the_mask(compiled, crop):
    seen = []

    def score_masks(masks):
        seen.append(masks.shape.as_list())
        mean = tf.reduce_mean(masks, axis=[1, 2])
        return mean[:, tf.newaxis] * [[1.0, 10.0]] + [[0.5, 0.0]]

    raw = _raw(np.log([[0.96, 0.02, 0.02], [0.1, 0.8, 0.1], [0.28, 0.12, 0.6], [0.97, 0.02, 0.01]]))
    generate = _generator(max_detections=20, crop_masks=crop)
    run = tf.function(lambda raw: generate(raw, INFO, mask_scorer=score_masks), jit_compile=compiled)
    found = {name: value.numpy()[0] for name, value in run(raw).items()}
    plain = {name: value.numpy()[0] for name, value in generate(raw, INFO).items()}
    for name in set(found) - {"detection_mask_scores"}:
        np.testing.assert_allclose(found[name], plain[name], atol=1e-6)
    assert seen[0][1:] == [8, 8]
    count = int(found["num_detections"])
    for row in range(count):
        mean = found["detection_masks"][row].mean()
        iou = {1: 0.5 + mean, 2: 10 * mean}[found["detection_classes"][row]]
        expected = found["detection_scores"][row] * iou
        np.testing.assert_allclose(found["detection_mask_scores"][row], expected, rtol=1e-5)
    # The order stays by score: 0.8 of class 1 before 0.6 of class 2, whose mask is scored higher.
    assert found["detection_mask_scores"][0] < found["detection_mask_scores"][1]
    assert not found["detection_mask_scores"][count:].any()
    cells = {False: 64, True: 25}[crop]
    assert found["detection_masks"][0].astype(bool).sum() == cells


def test_outputs_of_another_input_size_are_refused():
    raw = _raw(LOGITS)
    raw["cls_outputs"] = raw["cls_outputs"][:, :3]
    with pytest.raises(ValueError, match=r"3 anchors and 3 classes.*4 and 3"):
        _generator()(raw, INFO)


def test_shapes_are_static_but_for_the_batch():
    specs = {name: tf.TensorSpec([None, *value.shape[1:]]) for name, value in _raw(LOGITS).items()}
    function = tf.function(_generator()).get_concrete_function(specs, tf.TensorSpec([None, 4, 2]))
    shapes = {name: value.shape.as_list() for name, value in function.structured_outputs.items()}
    assert shapes == {
        "detection_boxes": [None, 3, 4],
        "detection_scores": [None, 3],
        "detection_mask_scores": [None, 3],
        "detection_classes": [None, 3],
        "num_detections": [None],
        "detection_masks": [None, 3, 8, 8],
    }


# Both anchors hold class 1, and class 2 a little: the second lies on the first.
TWO = np.log([[0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.98, 0.01, 0.01], [0.98, 0.01, 0.01]])


def _two_on_one_another(shift):
    """Codes that move the second anchor onto the first, and on by so many of its widths."""
    codes = np.zeros((4, 4))
    codes[1] = [0, 10 * (shift - 1), 0, 0]
    return codes


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("fast", [1, 2]),
        ("fast_second_threshold", [1, 2]),
        ("cross_class", [1]),
        ("traditional", [1, 2]),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_the_config_chooses_the_form_of_suppression(kind, classes, compiled):
    generator = _generator(nms=kind)
    run = tf.function(generator, jit_compile=True) if compiled else generator
    found = run(_raw(TWO, codes=_two_on_one_another(0.1)), INFO)
    count = int(found["num_detections"][0])
    assert found["detection_classes"][0, :count].numpy().tolist() == classes
    assert not found["detection_masks"][0, count:].numpy().any()


@pytest.mark.parametrize(("kind", "expected"), [("fast", 3), ("fast_second_threshold", 2)])
def test_the_second_threshold_leaves_out_low_scores_of_other_classes(kind, expected):
    logits = np.log([[0.08, 0.9, 0.02], [0.34, 0.06, 0.6], [0.98, 0.01, 0.01], [0.98, 0.01, 0.01]])
    found = _generator(nms=kind, score_threshold=0.07)(_raw(logits), INFO)
    assert found["num_detections"].numpy().tolist() == [expected]


def test_the_traditional_form_measures_overlap_in_pixels_of_the_network_input():
    # On 4 x 4 pixels boxes 2 x 2, one pixel apart, have 3 x 2 of 3 x 4 in common with their borders.
    raw, generator = _raw(TWO, codes=_two_on_one_another(0.5)), _generator(nms="traditional")
    for side, expected in ((4, [1, 2]), (64, [1, 1, 2])):
        info = tf.constant([[[60, 80], [side, side], [side / 60, side / 80], [0, 0]]], tf.float32)
        found = generator(raw, info)
        count = int(found["num_detections"][0])
        assert found["detection_classes"][0, :count].numpy().tolist() == expected


def test_an_unknown_form_of_suppression_is_refused():
    with pytest.raises(ValueError, match="nms is 'soft': expected one of fast, fast_second_threshold"):
        _generator(nms="soft")


@pytest.mark.parametrize("kind", configs.NMS_KINDS)
def test_every_form_gives_zeros_for_an_image_without_detections(kind):
    found = _generator(nms=kind)(_raw(np.log([[0.96, 0.02, 0.02]] * 4)), INFO)
    assert all(not value.numpy().any() for value in found.values())


@pytest.mark.parametrize("kind", configs.NMS_KINDS)
def test_every_form_survives_a_saved_model(kind, tmp_path):
    raw = _raw(TWO, codes=_two_on_one_another(0.1))
    specs = {name: tf.TensorSpec([None, *value.shape[1:]]) for name, value in raw.items()}
    module = tf.Module()
    module.layer = _generator(nms=kind)
    module.run = tf.function(module.layer, input_signature=[specs, tf.TensorSpec([None, 4, 2])])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path)).run(raw, INFO)
    for name, expected in module.layer(raw, INFO).items():
        np.testing.assert_array_equal(loaded[name], expected)


def test_an_object_has_one_class_where_the_configuration_says_so():
    found = _generator(one_class_iou=0.8, one_class_factor=0.5)(_raw(LOGITS), INFO)
    np.testing.assert_allclose(found["detection_scores"], [[0.8, 0.6, 0.05]], atol=1e-6)
    left_out = _generator(one_class_iou=0.8, one_class_factor=0.0)(_raw(LOGITS), INFO)
    assert left_out["num_detections"].numpy().tolist() == [2]
    assert not left_out["detection_masks"][0, 2].numpy().any()


@pytest.mark.parametrize("power", [0.5, 1.0, 0.0])
def test_scores_are_those_of_the_class_times_a_power_of_the_predicted_quality(power):
    raw = _raw(LOGITS)
    quality = np.array([0.9, 0.25, 0.81, 0.1])
    raw["quality_outputs"] = tf.constant(np.log(quality / (1 - quality)), tf.float32)[tf.newaxis]
    found = _generator(quality_power=power)(raw, INFO)
    expected = sorted([0.8 * 0.25**power, 0.6 * 0.81**power, 0.1 * 0.81**power], reverse=True)
    np.testing.assert_allclose(found["detection_scores"][0], expected, rtol=1e-5)
