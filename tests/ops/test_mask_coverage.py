"""The share of each cell that masks cover, against intervals measured in fractions."""

from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import mask_coverage
from official_yolact.ops import mask_planes


def _stack(masks: np.ndarray) -> np.ndarray:
    planes = np.zeros((-(-len(masks) // 8), *masks.shape[1:]), np.uint8)
    for index, mask in enumerate(masks):
        planes[index // 8] |= mask << (index % 8)
    return planes


def _cut_axis(first: int, last: int, cells: int, pixels: int) -> np.ndarray:
    """Measure the share of each cell that lies in each pixel: float64 [cells, pixels]."""
    side = Fraction(last - first, cells)
    shares = np.zeros((cells, pixels))
    for cell in range(cells):
        begin = first + cell * side
        for pixel in range(pixels):
            shares[cell, pixel] = max(0, min(begin + side, pixel + 1) - max(begin, pixel)) / side
    return shares


def _measure(mask: np.ndarray, window: np.ndarray, turned: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    down = _cut_axis(int(window[0]), int(window[2]), grid[0], mask.shape[0])
    across = _cut_axis(int(window[1]), int(window[3]), grid[1], mask.shape[1])
    shown = np.einsum("ip,pq,jq->ij", down, mask, across)
    return shown[:: -1 if turned[0] else 1, :: -1 if turned[1] else 1]


def _cover(
    masks: np.ndarray, window: np.ndarray, grid: tuple[int, int], turned: object = (False, False)
) -> np.ndarray:
    rows = tf.range(len(masks))
    planes = tf.constant(_stack(masks))
    shares = mask_coverage.cover_planes(planes, rows, tf.constant(window), tf.constant(turned), grid)
    return shares.numpy().astype(np.float64)


@pytest.mark.parametrize("seed", range(12))
def test_shares_of_any_window_are_those_of_the_intervals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, height, width = rng.integers(1, 20), *rng.integers(1, 40, 2)
    masks = (rng.random((count, height, width)) < rng.random()).astype(np.uint8)
    first = rng.integers(-30, 40, 2)
    window = np.concatenate([first, first + rng.integers(1, 70, 2)]).astype(np.int32)
    turned, grid = rng.random(2) < 0.5, (int(rng.integers(1, 16)), int(rng.integers(1, 16)))
    rows = rng.permutation(count)[: rng.integers(0, count + 1)].astype(np.int32)

    shares = mask_coverage.cover_planes(
        tf.constant(_stack(masks)), tf.constant(rows), tf.constant(window), tf.constant(turned), grid
    )
    assert (shares.dtype, shares.shape) == (tf.float16, (len(rows), *grid))
    for row, share in zip(rows, shares.numpy(), strict=True):
        np.testing.assert_allclose(share, _measure(masks[row], window, turned, grid), rtol=2**-11, atol=1e-7)


def test_a_sum_of_shares_is_the_area_of_the_mask_in_cells() -> None:
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:97, :131]
    masks = [np.zeros((97, 131), np.uint8) for _ in range(20)]
    for mask in masks:
        (y, x), radius = rng.uniform(0, [97, 131]), rng.uniform(0.3, 40, 2)
        mask |= ((rows - y) / radius[0]) ** 2 + ((columns - x) / radius[1]) ** 2 <= 1
        mask[rng.integers(97), rng.integers(131)] = 1
    shares = _cover(np.array(masks), np.array([-10, -3, 150, 140], np.int32), (35, 23), (True, False))
    areas = np.sum(masks, axis=(1, 2)) * (35 * 23) / (160 * 143)
    np.testing.assert_allclose(shares.sum((1, 2)), areas, rtol=1e-3)


def test_masks_of_whole_cells_are_zeros_and_ones_as_with_binary_targets() -> None:
    rng = np.random.default_rng(4)
    cells = (rng.random((11, 12, 16)) < 0.5).astype(np.uint8)
    masks = np.kron(cells, np.ones((4, 4), np.uint8))
    window = np.array([0, 0, 48, 64], np.int32)
    np.testing.assert_array_equal(_cover(masks, window, (12, 16)), cells)
    layout = mask_planes.Layout((48, 64), (12, 16), (6, 8), 1)
    rows, turned = tf.range(11), tf.constant([False, False])
    binary, _ = mask_planes.show_planes(tf.constant(_stack(masks)), rows, rows * 0, window, turned, layout)
    np.testing.assert_array_equal(binary, cells)


def test_large_windows_leave_nothing_behind_a_mask() -> None:
    mask = np.zeros((1, 3000, 40), np.uint8)
    mask[:, 7:2991:3, 3:37] = 1
    shares = _cover(mask, np.array([-9000, -20000, 9000, 20000], np.int32), (138, 138))
    below = (9000 + 2991) * 138 // 18000 + 1
    assert not shares[:, below:].any()
    np.testing.assert_allclose(shares.sum() * 18000 * 40000 / 138**2, mask.sum(), rtol=1e-3)
