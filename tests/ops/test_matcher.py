"""Matching against a greedy loop in NumPy, and in the cases where it is delicate."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import anchors as anchors_lib
from official_yolact.ops import boxes as boxes_lib
from official_yolact.ops import matcher


def part_inside(a, b):
    """Part of each box of a [M, 4] that lies in each of b [N, 4]: [M, N]."""
    return (boxes_lib.intersection(a, b) / boxes_lib.area(a)[:, None]).numpy()


def match_by_loops(overlaps, crowd_share):
    """overlaps [N, A] of the instances only; crowd_share [A]."""
    num_anchors = overlaps.shape[1]
    best, index = overlaps.max(0), overlaps.argmax(0)
    left = overlaps.copy()
    forced = np.zeros(num_anchors, bool)
    for _ in range(len(overlaps)):
        row, column = np.unravel_index(left.argmax(), left.shape)
        if left[row, column] <= 0:
            break
        forced[column], index[column] = True, row
        left[row], left[:, column] = -1, -1
    state = np.where(best >= 0.5, 1, np.where(best >= 0.4, -1, 0))
    state[(state == 0) & (crowd_share > 0.7)] = -1
    state[forced] = 1
    return state, index


def small_anchors():
    centre_form = anchors_lib.build_anchors((64, 64), 3, 5, [12, 24, 48], 1, [1, 0.5, 2], False)
    return boxes_lib.cyxhw_to_yxyx(tf.constant(centre_form))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("side", [0.03, 0.15, 0.6])
def test_matches_are_those_of_the_greedy_loop(jit, side):
    rng = np.random.default_rng(int(side * 100))
    batch, rows = 4, 12
    centre, size = rng.random((batch, rows, 2)), rng.uniform(side / 2, side, (batch, rows, 2))
    box = np.clip(np.concatenate([centre - size / 2, centre + size / 2], -1), 0, 1).astype(np.float32)
    box[0, 3:6] = box[0, 2]
    is_crowd = rng.random((batch, rows)) < 0.2
    counts = np.array([12, 7, 1, 0])
    valid = np.arange(rows) < counts[:, None]
    is_crowd[2] = False
    # Of anchors of all sizes no two overlap a box equally, which XLA would round to another order.
    anchors = boxes_lib.cyxhw_to_yxyx(
        tf.constant(np.concatenate([rng.random((200, 2)), rng.uniform(0.05, 0.8, (200, 2))], 1), tf.float32)
    )
    found = tf.function(matcher.match, jit_compile=jit)(box, valid, is_crowd, anchors)
    for i in range(batch):
        overlaps = boxes_lib.iou(box[i], anchors).numpy()
        overlaps[~(valid[i] & ~is_crowd[i])] = -1
        crowds = box[i][valid[i] & is_crowd[i]]
        shares = part_inside(anchors, crowds)
        state, index = match_by_loops(overlaps, shares.max(1, initial=0))
        np.testing.assert_array_equal(found.state[i], state)
        np.testing.assert_array_equal(found.instance_index[i], index)


def test_coinciding_instances_each_get_an_anchor_of_their_own():
    box = np.tile(np.float32([0.3, 0.3, 0.42, 0.42]), (1, 8, 1))
    found = matcher.match(box, np.ones((1, 8), bool), np.zeros((1, 8), bool), small_anchors())
    given = found.instance_index.numpy()[found.state.numpy() == 1]
    assert set(given) == set(range(8))


def test_more_instances_than_anchors_end_when_the_anchors_do():
    box = np.tile(np.float32([0.1, 0.1, 0.9, 0.9]), (1, 5, 1))
    found = matcher.match(
        box, np.ones((1, 5), bool), np.zeros((1, 5), bool), tf.constant([[0.0, 0, 1, 1], [0.5, 0.5, 1, 1]])
    )
    np.testing.assert_array_equal(found.state, [[1, 1]])
    np.testing.assert_array_equal(found.instance_index, [[0, 1]])


def test_an_instance_without_area_gets_no_anchor():
    box = np.float32([[[0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.4, 0.4]]])
    found = matcher.match(box, np.ones((1, 2), bool), np.zeros((1, 2), bool), small_anchors())
    assert set(found.instance_index.numpy()[found.state.numpy() == 1]) == {1}


def test_without_instances_every_anchor_is_background_or_in_the_crowd():
    box = np.float32([[[0, 0, 1, 1]], [[0, 0, 1, 1]]])
    anchors = small_anchors()
    found = matcher.match(box, np.array([[True], [False]]), np.array([[True], [True]]), anchors)
    inside = part_inside(anchors, box[0])[:, 0] > 0.7
    np.testing.assert_array_equal(found.state[0], np.where(inside, -1, 0))
    assert not found.state[1].numpy().any()


def test_the_thresholds_belong_to_positive_and_to_ignored():
    anchors = tf.constant([[0.0, 0, 1, 1], [0, 0, 1, 0.5], [0, 0, 1, 0.4], [0, 0, 1, 0.375]])
    whole = np.float32([[[0, 0, 1, 1]]])
    found = matcher.match(whole, np.ones((1, 1), bool), np.zeros((1, 1), bool), anchors, 0.5, 0.4)
    np.testing.assert_array_equal(found.state, [[1, 1, -1, 0]])
