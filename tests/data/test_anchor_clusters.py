from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from official_yolact.data.recipes import anchor_clusters
from official_yolact.data.recipes import anchor_grid

CENTRES = np.array([[10.0, 20.0], [60.0, 50.0], [100.0, 300.0]])
GRID = anchor_grid.AnchorGrid((256, 256), 3, (24.0, 48.0, 96.0), 1, (1.0, 0.5, 2.0), True)


def draw_sizes(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([centre * rng.uniform(0.9, 1.1, (40, 2)) for centre in CENTRES])


def place(sizes: np.ndarray, side: int = 256) -> np.ndarray:
    """Boxes of these (height, width) in pixels somewhere inside the input, normalised."""
    corners = np.random.default_rng(7).uniform(0, 1, sizes.shape) * (side - sizes)
    return np.concatenate([corners, corners + sizes], axis=1) / side


@pytest.mark.parametrize("seed", range(5))
def test_clusters_made_by_hand_are_found(seed: int) -> None:
    found = anchor_clusters.cluster(draw_sizes(), 3, seed)
    np.testing.assert_allclose(found, CENTRES, rtol=0.06)


def test_clusters_do_not_depend_on_the_scale_of_the_sizes() -> None:
    sizes = draw_sizes()
    one, other = anchor_clusters.cluster(sizes, 3), anchor_clusters.cluster(8 * sizes, 3)
    np.testing.assert_allclose(8 * one, other)


def test_fewer_different_sizes_give_fewer_clusters() -> None:
    sizes = np.array([[4.0, 8.0]] * 5 + [[30.0, 10.0]] * 2)
    np.testing.assert_array_equal(anchor_clusters.cluster(sizes, 5), [[4, 8], [30, 10]])


def test_objects_of_one_odd_shape_are_covered_by_what_is_suggested() -> None:
    # Four times as wide as high: no anchor of the grid has more than half of it.
    boxes = place(np.tile([[12.0, 48.0], [30.0, 120.0]], (30, 1)))
    before = anchor_clusters.Coverage.of(GRID.best_anchors(boxes).iou)
    grid = anchor_clusters.suggest(boxes, GRID)
    after = anchor_clusters.Coverage.of(grid.best_anchors(boxes).iou)
    assert before.at_50 < 0.5
    assert after.at_50 > 0.9
    assert min(abs(ratio - 4) for ratio in grid.aspect_ratios) < 0.8
    assert not grid.square
    assert len(grid.scales) == 3
    assert len(grid.aspect_ratios) == 3


def test_a_suggestion_is_never_worse_and_equal_arguments_give_equal_anchors() -> None:
    sizes = np.random.default_rng(3).lognormal(3, 0.8, (200, 2)).clip(2, 250)
    boxes = place(sizes)
    for octaves in (1, 3):
        grid = dataclasses.replace(GRID, scales_per_octave=octaves)
        found = anchor_clusters.suggest(boxes, grid, seed=1)
        assert found == anchor_clusters.suggest(boxes.copy(), grid, seed=1)
        values = [each.best_anchors(boxes).iou for each in (grid, found)]
        before, after = ((iou >= 0.5).mean() + iou.mean() for iou in values)
        assert after >= before


def test_upper_levels_keep_scales_that_their_cells_can_place() -> None:
    found = anchor_clusters.suggest(place(np.full((20, 2), 9.0)), GRID)
    assert found.scales[0] == pytest.approx(9, abs=2)
    assert found.scales[1] >= 32
    assert found.scales[2] >= 64


def test_no_objects_leave_the_anchors_as_they_are() -> None:
    assert anchor_clusters.suggest(np.zeros((0, 4)), GRID) == GRID
    assert anchor_clusters.Coverage.of(np.zeros(0)) == anchor_clusters.Coverage(0, 0.0, 0.0, 0.0)


def test_one_object_gets_an_anchor_of_its_own_shape() -> None:
    boxes = np.array([[0.25, 0.125, 0.75, 0.875]])
    found = anchor_clusters.suggest(boxes, GRID)
    assert found.best_anchors(boxes).iou[0] >= GRID.best_anchors(boxes).iou[0]
    assert all(math.isfinite(number) for number in (*found.scales, *found.aspect_ratios))


def test_coverage_counts_by_hand() -> None:
    found = anchor_clusters.Coverage.of(np.array([0.1, 0.4, 0.5, 0.9]))
    assert found == anchor_clusters.Coverage(4, 0.5, 0.75, 0.475)
