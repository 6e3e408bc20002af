"""Fast NMS against a loop in NumPy and the recorded original."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import boxes as boxes_lib
from official_yolact.ops import nms


def fast_nms_by_loops(boxes, scores, score_threshold, iou_threshold, top_k, max_detections):
    overlaps = boxes_lib.iou(boxes, boxes).numpy()
    candidates = np.flatnonzero(scores.max(1) > score_threshold)
    kept = []
    for label in range(scores.shape[1]):
        order = sorted(candidates, key=lambda a: (-scores[a, label], a))[:top_k]
        for place, anchor in enumerate(order):
            if all(overlaps[better, anchor] <= iou_threshold for better in order[:place]):
                kept.append((scores[anchor, label], label + 1, anchor))
    return sorted(kept, key=lambda k: -k[0])[:max_detections]


def random_case(seed, num_anchors=60, num_classes=4):
    rng = np.random.default_rng(seed)
    centre, size = rng.random((2, num_anchors, 2)), rng.uniform(0.1, 0.6, (2, num_anchors, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], -1).astype(np.float32)
    return boxes, rng.dirichlet(np.ones(num_classes) * 0.3, (2, num_anchors)).astype(np.float32)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("limits", [(0.05, 0.5, 20, 30), (0.9, 0.3, 200, 100), (0.05, 0.5, 10, 100)])
def test_kept_detections_are_those_of_the_loop(jit, limits):
    boxes, scores = random_case(7)
    kept = tf.function(lambda b, s: nms.fast_nms(b, s, *limits), jit_compile=jit)(boxes, scores)
    assert kept.indices.shape == kept.classes.shape == kept.scores.shape == (2, limits[3])
    for i in range(2):
        expected = fast_nms_by_loops(boxes[i], scores[i], *limits)
        num = int(kept.num[i])
        assert num == len(expected)
        found = list(zip(*(np.asarray(part[i, :num]) for part in (kept[2], kept[1], kept[0])), strict=True))
        assert found == expected
        assert not any(np.asarray(part[i, num:]).any() for part in kept[:3])


@pytest.mark.shared
@pytest.mark.parametrize("case", ["small", "mid", "big"])
def test_kept_detections_equal_the_recorded_ones(shared, case):
    recorded = np.load(shared / "fixtures" / "nms.npz")
    boxes, scores = recorded[f"{case}_boxes"][None][..., [1, 0, 3, 2]], recorded[f"{case}_scores"].T[None]
    kept = nms.fast_nms(boxes, scores, 0.05, 0.5, 200, 100)
    np.testing.assert_array_equal(kept.indices[0], recorded[f"{case}_fast_idx"])
    np.testing.assert_array_equal(kept.classes[0], recorded[f"{case}_fast_class"] + 1)
    np.testing.assert_array_equal(kept.scores[0], recorded[f"{case}_fast_score"])


def test_a_suppressed_box_still_suppresses():
    boxes = tf.constant([[[0.0, 0, 1, 1], [0.0, 0.3, 1, 1.3], [0.0, 0.6, 1, 1.6]]])
    scores = tf.constant([[[0.9], [0.8], [0.7]]])
    kept = nms.fast_nms(boxes, scores, 0.05, 0.5, 200, 3)
    np.testing.assert_array_equal(kept.num, [1])
    np.testing.assert_array_equal(kept.indices, [[0, 0, 0]])


def test_an_overlap_of_exactly_the_threshold_stays():
    boxes = tf.constant([[[0.0, 0, 1, 1], [0.0, 0, 1, 0.5]]])
    kept = nms.fast_nms(boxes, tf.constant([[[0.9], [0.8]]]), 0.05, 0.5, 200, 2)
    np.testing.assert_array_equal(kept.num, [2])


def test_nothing_above_the_threshold_gives_nothing():
    boxes, scores = random_case(8)
    kept = nms.fast_nms(boxes, scores * 0.01, 0.05, 0.5, 200, 10)
    np.testing.assert_array_equal(kept.num, [0, 0])
    assert not any(np.asarray(part).any() for part in kept)


def test_a_batch_equals_its_images_one_by_one():
    boxes, scores = random_case(9)
    both = nms.fast_nms(boxes, scores, 0.05, 0.5, 20, 30)
    for i in range(2):
        one = nms.fast_nms(boxes[i : i + 1], scores[i : i + 1], 0.05, 0.5, 20, 30)
        for a, b in zip(both, one, strict=True):
            np.testing.assert_array_equal(a[i], b[0])
