"""Photos and planes of masks on a canvas, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import mixing

STILL = [False, False]


def _planes(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Sparse masks, so that some have few pixels and some none."""
    rng = np.random.default_rng(seed)
    bits = rng.random((count, height, width, 8)) < rng.choice([0.0, 0.02, 0.3], (count, 1, 1, 8))
    return np.packbits(bits, axis=-1, bitorder="little")[..., 0]


def _masks(planes: np.ndarray) -> np.ndarray:
    """Bool [8 P, h, w]."""
    bits = np.unpackbits(planes[..., np.newaxis], axis=-1, bitorder="little")
    return np.moveaxis(bits, -1, 1).reshape(-1, *planes.shape[1:]).astype(bool)


@pytest.mark.parametrize(
    ("window", "size", "turned"),
    [
        pytest.param([0, 0, 7, 11], [7, 11], STILL, id="the photo itself"),
        pytest.param([-2, 3, 5, 14], [7, 11], STILL, id="moved, partly outside"),
        pytest.param([0, 0, 7, 11], [7, 11], [True, True], id="turned"),
        pytest.param([1, -3, 6, 9], [12, 5], [False, True], id="stretched, mirrored, partly outside"),
        pytest.param([30, 30, 33, 33], [4, 4], STILL, id="outside"),
        pytest.param([2, 2, 3, 3], [1, 6], [True, False], id="one pixel"),
    ],
)
def test_a_window_of_masks_and_of_pixels_is_that_of_loops(
    window: list[int], size: list[int], turned: list[bool]
) -> None:
    planes = _planes(2, 7, 11)
    image = np.random.default_rng(1).integers(0, 256, (7, 11, 3), np.uint8)
    shown = mixing.show_planes(planes, tf.constant(window), tf.constant(size), tf.constant(turned)).numpy()
    pixels = mixing.show_pixels(image, tf.constant(window), tf.constant(size), tf.constant(turned)).numpy()
    rows, columns = (
        [
            window[axis]
            + ((count - 1 - i if turned[axis] else i) + 0.5) * (window[2 + axis] - window[axis]) / count
            for i in range(count)
        ]
        for axis, count in enumerate(size)
    )
    padded = np.pad(image.astype(np.float64), [(1, 1), (1, 1), (0, 0)], mode="edge")
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            is_inside = 0 <= y < 7 and 0 <= x < 11
            expected = planes[:, int(y), int(x)] if is_inside else 0
            np.testing.assert_array_equal(shown[:, i, j], expected)
            if is_inside:
                top, left = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
                down, right = y + 0.5 - top, x + 0.5 - left
                near, far = (
                    (1 - right) * padded[row, left] + right * padded[row, min(left + 1, 12)]
                    for row in (top, min(top + 1, 8))
                )
                np.testing.assert_allclose(pixels[i, j], (1 - down) * near + down * far, atol=0.51)


@pytest.mark.parametrize(("count", "height", "width"), [(0, 5, 4), (1, 1, 1), (3, 17, 6), (2, 4, 33)])
def test_extents_and_areas_are_those_of_loops(count: int, height: int, width: int) -> None:
    planes = _planes(count, height, width, seed=3)
    extents, areas = mixing.find_extents(planes).numpy(), mixing.count_pixels(planes).numpy()
    masks = _masks(planes)
    assert extents.shape == (8 * count, 4)
    np.testing.assert_array_equal(areas, masks.sum(axis=(1, 2)))
    for mask, box in zip(masks, extents, strict=True):
        rows, columns = np.nonzero(mask)
        tight = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1] if len(rows) else [0] * 4
        np.testing.assert_array_equal(box, tight)


def test_only_chosen_masks_stay() -> None:
    planes = _planes(2, 6, 5)
    chosen = np.arange(16) % 3 == 1
    masks = _masks(mixing.choose_masks(tf.constant(planes), tf.constant(chosen)).numpy())
    np.testing.assert_array_equal(masks, _masks(planes) & chosen[:, np.newaxis, np.newaxis])


def test_it_is_the_same_in_a_graph() -> None:
    planes = _planes(2, 7, 11)
    found = tf.data.Dataset.from_tensors(planes).map(mixing.find_extents).get_single_element()
    np.testing.assert_array_equal(found, mixing.find_extents(planes))
