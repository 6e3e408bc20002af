from __future__ import annotations

import numpy as np
import pytest

from official_yolact.data.recipes import anchor_grid
from official_yolact.ops import anchors

GRIDS = [
    anchor_grid.AnchorGrid(),
    anchor_grid.AnchorGrid((352, 480), 3, (28.0, 56.0, 112.0), 3, (1.0, 0.5, 2.0), False),
    anchor_grid.AnchorGrid((70, 33), 2, (9.0, 20.0), 2, (0.7, 3.0), False),
]


def draw_boxes(number: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(0, 1, (number, 2, 2)), axis=1).reshape(-1, 4)
    small = corners.copy()
    small[:, 2:] = small[:, :2] + 0.05 * (corners[:, 2:] - corners[:, :2])
    edges = np.array([[0, 0, 1, 1], [0, 0, 0.01, 0.01], [0.99, 0.5, 1, 1], [0.5, 0.5, 0.75, 0.6]])
    return np.concatenate([corners, small, edges])


def all_pairs(boxes: np.ndarray, grid: anchor_grid.AnchorGrid) -> np.ndarray:
    """IoU with every anchor of the network, one box at a time."""
    laid = anchors.build_anchors(
        grid.input_size,
        grid.min_level,
        grid.max_level,
        grid.scales,
        grid.scales_per_octave,
        grid.aspect_ratios,
        grid.square,
    ).astype(np.float64)
    top, left = (laid[:, i] - laid[:, i + 2] / 2 for i in (0, 1))
    bottom, right = (laid[:, i] + laid[:, i + 2] / 2 for i in (0, 1))
    rows = []
    for y0, x0, y1, x1 in boxes:
        high = np.clip(np.minimum(y1, bottom) - np.maximum(y0, top), 0, None)
        wide = np.clip(np.minimum(x1, right) - np.maximum(x0, left), 0, None)
        union = (y1 - y0) * (x1 - x0) + laid[:, 2] * laid[:, 3] - high * wide
        rows.append(high * wide / union)
    return np.array(rows)


@pytest.mark.parametrize("grid", GRIDS, ids=["paper", "fine", "odd"])
def test_the_best_anchor_is_the_best_of_all_anchors_of_the_network(grid: anchor_grid.AnchorGrid) -> None:
    boxes = draw_boxes(60)
    best = grid.best_anchors(boxes)
    np.testing.assert_allclose(best.iou, all_pairs(boxes, grid).max(axis=1), atol=1e-5)


def test_a_box_that_is_an_anchor_has_an_overlap_of_one_with_its_own_level_octave_and_ratio() -> None:
    grid = GRIDS[1]
    laid = anchors.build_anchors((352, 480), 3, 5, grid.scales, 3, grid.aspect_ratios, False).astype(float)
    # Level 4 has 22x30 cells behind the 44x60 of level 3; nine anchors a cell, ratio fastest.
    at = 9 * (44 * 60 + 10 * 30 + 7) + 3 * 2 + 1
    y, x, height, width = laid[at]
    best = grid.best_anchors(np.array([[y - height / 2, x - width / 2, y + height / 2, x + width / 2]]))
    assert best.iou[0] == pytest.approx(1.0, abs=1e-6)
    assert (best.level[0], best.octave[0], best.ratio[0]) == (1, 2, 1)


def test_no_boxes_give_empty_arrays() -> None:
    best = GRIDS[0].best_anchors(np.zeros((0, 4)))
    assert [len(column) for column in best] == [0, 0, 0, 0]


def test_many_boxes_are_compared_in_pieces_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = draw_boxes(50, seed=1)
    whole = GRIDS[0].best_anchors(boxes)
    monkeypatch.setattr(anchor_grid, "_CHUNK", 7)
    for one, other in zip(whole, GRIDS[0].best_anchors(boxes), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_papers_anchors_scale_with_the_root_of_the_inputs_area() -> None:
    assert anchor_grid.AnchorGrid.of_size(550, 550) == anchor_grid.AnchorGrid()
    assert anchor_grid.AnchorGrid.of_size(275, 1100).scales == (24.0, 48.0, 96.0, 192.0, 384.0)
    assert anchor_grid.AnchorGrid.of_size(275, 275).scales == (12.0, 24.0, 48.0, 96.0, 192.0)
