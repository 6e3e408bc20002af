"""The box losses against their definitions in NumPy, corner by corner; boxes at the edge."""

import math

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import box_loss
from official_yolact.ops import box_coder

KINDS = ("giou", "ciou")


def measure_by_corners(first, second, kind):
    """Measure one pair of boxes in float64."""
    (t, s, b, r), (y, x, z, w) = first, second
    shared = max(min(b, z) - max(t, y), 0) * max(min(r, w) - max(s, x), 0)
    union = (b - t) * (r - s) + (z - y) * (w - x) - shared
    iou = shared / union
    height, width = max(b, z) - min(t, y), max(r, w) - min(s, x)
    if kind == "giou":
        return 1 - iou + (height * width - union) / (height * width)
    centres = math.hypot((t + b) / 2 - (y + z) / 2, (s + r) / 2 - (x + w) / 2) ** 2
    ratios = (math.atan2(r - s, b - t) - math.atan2(w - x, z - y)) ** 2 * 4 / math.pi**2
    weight = ratios / (1 - iou + ratios) if ratios else 0
    return 1 - iou + centres / (height**2 + width**2) + weight * ratios


def _draw_boxes(rng, count):
    corners = np.sort(rng.random((count, 2, 2)), axis=1)
    return (corners.reshape(count, 4) + np.array([0, 0, 0.02, 0.02])).astype(np.float32)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_distances_are_those_of_the_papers(kind, jit):
    rng = np.random.default_rng(31)
    first, second = _draw_boxes(rng, 200), _draw_boxes(rng, 200)
    second[:20] = first[:20]
    second[20:40] = first[20:40] + np.float32([0.5, 0, 0.5, 0])
    measure = tf.function(lambda a, b: box_loss.measure_distances(a, b, kind), jit_compile=jit)
    expected = [measure_by_corners(*pair, kind) for pair in zip(first.astype(float), second, strict=True)]
    np.testing.assert_allclose(measure(first, second), expected, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_only_positives_cost_and_nothing_where_the_box_is_right(kind, small_anchors):
    rng = np.random.default_rng(32)
    num = len(small_anchors)
    codes = rng.normal(size=(2, num, 4)).astype(np.float32)
    wanted = codes.copy()
    wanted[0, :5] += 1
    class_ids = np.zeros((2, num), np.int32)
    class_ids[:, :5], class_ids[1, 5:] = 3, -1
    codes[:, 7] = [3e38, -3e38, 3e38, np.inf]
    targets = {"class_ids": tf.constant(class_ids), "box_codes": tf.constant(wanted)}
    codes = tf.constant(codes)
    with tf.GradientTape() as tape:
        tape.watch(codes)
        total = box_loss.sum_box_loss(codes, targets, small_anchors, kind)
    boxes = [box_coder.decode(part[0], small_anchors).numpy()[:5].astype(float) for part in (codes, wanted)]
    expected = sum(measure_by_corners(*pair, kind) for pair in zip(*boxes, strict=True))
    np.testing.assert_allclose(total, expected, rtol=1e-4)
    gradient = tape.gradient(total, codes).numpy()
    assert (np.abs(gradient[0, :5]).max(-1) > 0).all()
    assert not gradient[:, 5:].any()


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_for_boxes_without_area_and_for_wild_codes(kind, jit, small_anchors):
    num = 8
    anchors = small_anchors[:num]
    truths = np.tile(np.float32([0.3, 0.3, 0.6, 0.7]), (num, 1))
    truths[0], truths[1], truths[2] = [0.5, 0.5, 0.5, 0.5], [0.2, 0.3, 0.2, 0.9], [0, 0, 1, 1]
    codes = np.zeros((1, num, 4), np.float32)
    codes[0, 3], codes[0, 4] = [1e30, -1e30, 0, 0], [0, 0, -1e30, -1e30]
    codes[0, 5], codes[0, 6], codes[0, 7] = [0, 0, 1e30, 1e30], [0, 0, 1e30, -1e30], [0, 0, -1e30, 1e30]
    wanted = box_coder.encode(tf.constant(truths[None]), anchors)
    codes[0, :1] = wanted[0, :1]
    targets = {"class_ids": tf.ones([1, num], tf.int32), "box_codes": wanted}

    @tf.function(jit_compile=jit)
    def run(codes):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            total = box_loss.sum_box_loss(codes, targets, anchors, kind)
        return total, tape.gradient(total, codes)

    total, gradient = run(tf.constant(codes))
    assert np.isfinite(total)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", configs.BOX_LOSSES)
def test_steps_against_the_gradient_bring_the_box_to_the_object(kind, small_anchors):
    anchors = small_anchors[100:101]
    centre = anchors[0, :2]
    truth = np.concatenate([centre - np.array([0.05, 0.12]), centre + np.array([0.09, 0.1])]).astype(
        np.float32
    )
    targets = {
        "class_ids": tf.ones([1, 1], tf.int32),
        "box_codes": box_coder.encode(tf.constant(truth[None, None]), anchors),
    }

    @tf.function
    def descend(codes, size):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            total = box_loss.sum_box_loss(codes, targets, anchors, kind)
        return codes - size * tf.sign(tape.gradient(total, codes))

    codes = tf.zeros([1, 1, 4])
    for step in range(300):
        codes = descend(codes, tf.constant(0.1 * 0.99**step))
    np.testing.assert_allclose(box_coder.decode(codes, anchors)[0, 0], truth, atol=0.01)
