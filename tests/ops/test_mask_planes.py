"""Masks shown eight at a time against the same masks shown one by one."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import mask_planes
from official_yolact.ops import windows

_HEIGHT, _WIDTH, _CHANNELS = 48, 64, 5
_WINDOWS = [
    [0, 0, 48, 64],
    [5, 7, 40, 31],
    [-20, -30, 100, 90],
    [-9, 10, 30, 50],
    [60, 70, 80, 95],
    [20, 20, 21, 22],
]


def _masks(count: int) -> np.ndarray:
    rng = np.random.default_rng(6)
    rows, columns = np.mgrid[:_HEIGHT, :_WIDTH]
    masks = [rng.random((_HEIGHT, _WIDTH)) < 0.5, np.ones((_HEIGHT, _WIDTH), bool)]
    while len(masks) < count:
        center, radius = rng.uniform(0, [_HEIGHT, _WIDTH]), rng.uniform(1, 30)
        masks.append((rows - center[0]) ** 2 + (columns - center[1]) ** 2 < radius**2)
    return np.array(masks[:count]).astype(np.uint8)


def _stack(masks: np.ndarray) -> np.ndarray:
    planes = np.zeros((-(-len(masks) // 8), _HEIGHT, _WIDTH), np.uint8)
    for index, mask in enumerate(masks):
        planes[index // 8] |= mask << (index % 8)
    return planes


@pytest.mark.parametrize(
    ("input_size", "grids"),
    [((55, 55), ((14, 14), (7, 7))), ((31, 47), ((8, 12), (4, 6)))],
    ids=str,
)
def test_masks_in_planes_are_shown_bit_for_bit_as_one_by_one(
    input_size: tuple[int, int], grids: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    layout = mask_planes.Layout(input_size, *grids, _CHANNELS)
    show = tf.function(
        lambda *inputs: mask_planes.show_planes(*inputs, layout), autograph=False, reduce_retracing=True
    )
    for count, rows in ((1, [0]), (8, [7, 0, 3]), (11, [10, 2, 8, 0, 1]), (3, [])):
        masks = _masks(count)
        channels = np.arange(len(rows), dtype=np.int32) % 3 - 1
        contents = tf.pad(tf.minimum(tf.constant(masks), 1), [[0, 0], [1, 1], [1, 1]])
        for window in _WINDOWS:
            shown = [
                windows.sample_masks(
                    contents, tf.constant([-1, -1]), windows.plan_grid(tf.constant(window), input_size, grid)
                ).numpy()
                for grid in grids
            ]
            for turned in ((False, False), (True, False), (True, True)):
                instances, classes = show(
                    tf.constant(_stack(masks)),
                    tf.constant(rows, tf.int32),
                    tf.constant(channels),
                    tf.constant(window),
                    tf.constant(turned),
                )
                ways = tuple(slice(None, None, -1 if way else 1) for way in turned)
                one_by_one, wide = (grid[(rows or slice(0), *ways)] for grid in shown)
                np.testing.assert_array_equal(instances, one_by_one, err_msg=str((window, turned)))
                for channel in range(_CHANNELS):
                    union = wide[channels == channel].any(axis=0)
                    np.testing.assert_array_equal(classes[..., channel], union, err_msg=str(window))
