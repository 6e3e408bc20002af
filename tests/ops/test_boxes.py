"""Boxes: worked numbers, the recorded original, laws."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import boxes


def iou_by_loops(a, b):
    out = np.zeros((len(a), len(b)))
    for i, (ay1, ax1, ay2, ax2) in enumerate(a):
        for j, (by1, bx1, by2, bx2) in enumerate(b):
            shared = max(min(ay2, by2) - max(ay1, by1), 0) * max(min(ax2, bx2) - max(ax1, bx1), 0)
            union = (ay2 - ay1) * (ax2 - ax1) + (by2 - by1) * (bx2 - bx1) - shared
            out[i, j] = shared / union if union else 0
    return out


def random_boxes(rng, *shape):
    corners = np.sort(rng.random((*shape, 2, 2)), axis=-2)
    return corners.reshape(*shape, 4).astype(np.float32)


def test_iou_of_three_by_four_boxes_is_what_a_hand_finds():
    a = tf.constant([[0, 0, 2, 2], [0, 0, 4, 4], [5, 5, 6, 7]], tf.float32)
    b = tf.constant([[0, 0, 2, 2], [1, 1, 3, 3], [0, 2, 2, 4], [5, 6, 7, 7]], tf.float32)
    expected = [[1, 1 / 7, 0, 0], [1 / 4, 1 / 4, 1 / 4, 0], [0, 0, 0, 1 / 3]]
    np.testing.assert_allclose(boxes.iou(a, b), expected, rtol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
def test_iou_agrees_with_loops_in_batches(jit):
    rng = np.random.default_rng(1)
    a, b = random_boxes(rng, 2, 7), random_boxes(rng, 2, 5)
    iou = tf.function(boxes.iou, jit_compile=jit)(a, b)
    for i in range(2):
        np.testing.assert_allclose(iou[i], iou_by_loops(a[i], b[i]), atol=2e-6)


def test_boxes_without_area_overlap_nothing():
    point = tf.constant([[0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.2, 0.9]])
    np.testing.assert_array_equal(boxes.area(point), [0, 0])
    np.testing.assert_array_equal(boxes.iou(point, point), np.zeros((2, 2)))


def test_no_boxes_give_empty_matrices():
    none, one = tf.zeros([0, 4]), tf.zeros([1, 4])
    assert boxes.iou(none, one).shape == (0, 1)
    assert boxes.iou(one, none).shape == (1, 0)


def test_the_two_forms_of_a_box_convert_into_each_other():
    box = random_boxes(np.random.default_rng(2), 50)
    np.testing.assert_allclose(boxes.cyxhw_to_yxyx(boxes.yxyx_to_cyxhw(box)), box, atol=1e-6)
    np.testing.assert_allclose(boxes.yxyx_to_cyxhw([[1.0, 2.0, 5.0, 4.0]]), [[3, 3, 4, 2]])


@pytest.mark.shared
def test_iou_and_crowd_share_equal_the_recorded_ones(shared):
    recorded = np.load(shared / "fixtures" / "boxes.npz")
    a, b = recorded["iou_a"][:, [1, 0, 3, 2]], recorded["iou_b"][:, [1, 0, 3, 2]]
    np.testing.assert_allclose(boxes.iou(a, b), recorded["iou"], atol=1e-7)
    share = boxes.intersection(a, b) / boxes.area(a)[:, tf.newaxis]
    np.testing.assert_allclose(share, recorded["iou_crowd"], atol=1e-7)
