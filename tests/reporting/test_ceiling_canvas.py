"""The ceiling of masks of a model that keeps the proportions of photos: its cells lie over the canvas."""

import numpy as np
import pytest

from official_yolact.reporting import ceiling
from official_yolact_runtime import run_lengths

# On the canvas of 96 x 96 a cell is 2 x 2 pixels of the photo; of a squashed photo it is 1 x 2.
SQUASHED = ceiling.Grid((48, 48), (96, 96))
KEPT = ceiling.Grid((48, 48), (96, 96), keep_aspect=True)


def draw(mask, grid, target):
    (encoded,) = run_lengths.encode_masks(mask[np.newaxis])
    return run_lengths.decode_mask(ceiling.draw(encoded, grid, target))


@pytest.mark.parametrize("target", ceiling.TARGETS)
@pytest.mark.parametrize("grid", [SQUASHED, KEPT], ids=["squashed", "kept"])
def test_a_mask_of_whole_cells_is_drawn_where_it_is(grid, target):
    mask = np.zeros((48, 96), np.bool_)
    mask[10:30, 20:60] = True
    np.testing.assert_array_equal(draw(mask, grid, target), mask)


def test_a_line_that_is_thinner_than_a_cell_of_the_canvas_is_lost():
    mask = np.zeros((48, 96), np.bool_)
    mask[10] = True
    assert draw(mask, SQUASHED, ceiling.COVERAGE).sum() == 96
    assert not draw(mask, KEPT, ceiling.COVERAGE).any()
