"""Matching by an adaptive overlap against loops over instances, levels and anchors."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import adaptive_matcher
from official_yolact.ops import anchors as anchors_lib
from official_yolact.ops import boxes as boxes_lib

SIZE = (64, 96)
LEVELS = [(8, 12), (4, 6), (2, 3)]
PER_CELL = 2


def _lay_anchors():
    centre_form = anchors_lib.build_anchors(SIZE, 3, 5, [12, 24, 48], 1, [1, 0.5], False)
    return boxes_lib.cyxhw_to_yxyx(tf.constant(centre_form))


def _match_by_loops(box, overlaps, anchors):
    """box [N, 4] and overlaps [N, A] of the instances only; True where an anchor fits an instance."""
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    fits = np.zeros(overlaps.shape, bool)
    for n in range(len(box)):
        middle, candidates, first = (box[n, :2] + box[n, 2:]) / 2, [], 0
        for rows, columns in LEVELS:
            level = range(first, first + rows * columns * PER_CELL)
            first = level.stop
            # A level's cells are of one size in pixels.
            far = {a: np.hypot(*((centres[a] - middle) * (rows, columns))) for a in level}
            ninth = sorted(far.values())[min(9 * PER_CELL, len(far)) - 1]
            candidates += [a for a in level if far[a] <= ninth + 1e-5]
        values = overlaps[n, candidates]
        least = values.mean() + values.std(ddof=1)
        for a in candidates:
            inside = (centres[a] > box[n, :2]).all() and (centres[a] < box[n, 2:]).all()
            fits[n, a] = inside and overlaps[n, a] >= max(least, 1e-9)
    return fits


@pytest.mark.parametrize("jit", [False, True])
def test_matches_are_those_of_the_loops(jit):
    rng = np.random.default_rng(41)
    batch, rows = 3, 5
    centre, size = rng.random((batch, rows, 2)), rng.uniform(0.1, 0.6, (batch, rows, 2))
    box = np.clip(np.concatenate([centre - size / 2, centre + size / 2], -1), 0, 1).astype(np.float32)
    counts = np.array([5, 3, 0])
    valid, is_crowd = np.arange(rows) < counts[:, None], np.zeros((batch, rows), bool)
    is_crowd[1, 2] = True
    anchors = _lay_anchors()
    match = tf.function(
        lambda *arguments: adaptive_matcher.match(*arguments, anchors, LEVELS), jit_compile=jit
    )
    found = match(box, valid, is_crowd)
    for i in range(batch):
        kept = valid[i] & ~is_crowd[i]
        overlaps = boxes_lib.iou(box[i][kept], anchors).numpy()
        fits = _match_by_loops(box[i][kept].astype(float), overlaps, anchors.numpy().astype(float))
        positive, index = found.state[i].numpy() == 1, found.instance_index[i].numpy()
        # Every instance has its best anchor as well.
        for a in range(len(anchors)):
            best = fits[:, a].any() and overlaps[fits[:, a], a].max()
            if best:
                assert positive[a]
            if positive[a] and index[a] < len(fits) and fits[index[a], a]:
                assert overlaps[index[a], a] == best
            elif positive[a]:
                assert overlaps[index[a], a] > 0
        extra = [a for a in range(len(anchors)) if positive[a] and not fits[index[a], a]]
        assert len(extra) <= len(fits)
        assert set(index[positive]) == set(range(len(fits)))


def test_every_instance_has_an_anchor_and_crowds_are_ignored():
    anchors = _lay_anchors()
    box = np.float32([[[0, 0, 0.004, 0.004], [0.2, 0.2, 0.2, 0.6], [0.0, 0.0, 1.0, 1.0]]])
    is_crowd = np.array([[False, False, True]])
    found = adaptive_matcher.match(box, np.ones((1, 3), bool), is_crowd, anchors, LEVELS)
    state = found.state.numpy()[0]
    assert (state == 1).sum() == 1
    assert found.instance_index.numpy()[0][state == 1] == 0
    assert (state == -1).sum() > 100


def test_without_instances_all_is_background():
    box = np.zeros((1, 2, 4), np.float32)
    found = adaptive_matcher.match(
        box, np.zeros((1, 2), bool), np.zeros((1, 2), bool), _lay_anchors(), LEVELS
    )
    assert not found.state.numpy().any()
