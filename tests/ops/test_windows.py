"""Windows of images, boxes and masks against the plain way: build the canvas, then resize it."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import windows

_WINDOWS = [
    [0, 0, 48, 64],
    [5, 7, 40, 31],
    [-20, -30, 100, 90],
    [-9, 10, 30, 50],
    [10, 20, 90, 64],
    [60, 70, 80, 95],
    [-30, -40, -2, -10],
    [20, 20, 21, 22],
    [-100, -120, 92, 136],
]
_SIZES = [((55, 55), (14, 14)), ((128, 96), (32, 24)), ((31, 47), (8, 12))]


def _canvas(image: np.ndarray, window: list[int], fill: list[float]) -> np.ndarray:
    top, left, bottom, right = window
    canvas = np.empty((bottom - top, right - left, image.shape[-1]), np.float32)
    canvas[:] = fill
    for row in range(bottom - top):
        for column in range(right - left):
            if 0 <= row + top < image.shape[0] and 0 <= column + left < image.shape[1]:
                canvas[row, column] = image[row + top, column + left]
    return canvas


def _blobs(kind: str) -> np.ndarray:
    rng = np.random.default_rng(4)
    mask = np.zeros((48, 64), np.uint8)
    if kind == "circle":
        rows, columns = np.mgrid[:48, :64]
        mask[(rows - 20) ** 2 + (columns - 30) ** 2 < 150] = 1
    elif kind == "noise":
        mask[10:40, 5:60] = rng.random((30, 55)) < 0.6
    elif kind == "pixel":
        mask[33, 41] = 1
    elif kind == "full":
        mask[:] = 1
    return mask


@pytest.mark.parametrize("window", _WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(55, 55), (20, 130)], ids=str)
def test_a_window_of_an_image_is_its_canvas_resized(window: list[int], size: tuple[int, int]) -> None:
    image = np.random.default_rng(2).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    fill = [123.68, 116.78, 103.94]
    first, last = windows.visible_bounds(tf.constant(image.shape[:2]), tf.constant(window))
    visible = image[first[0] : last[0], first[1] : last[1]]
    part, corner = windows.copy_borders(tf.constant(visible), first, tf.constant(window))
    shown = windows.resize_part(tf.cast(part, tf.float32), corner, tf.constant(window), size, fill)
    expected = tf.image.resize(_canvas(image, window, fill), size)
    np.testing.assert_allclose(shown, expected, atol=5e-3)


@pytest.mark.parametrize("kind", ["circle", "noise", "pixel", "full", "empty"])
@pytest.mark.parametrize("window", _WINDOWS, ids=str)
@pytest.mark.parametrize("sizes", _SIZES, ids=str)
def test_a_sampled_mask_is_the_mask_resized_twice(
    kind: str, window: list[int], sizes: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    input_size, grid_size = sizes
    mask = _blobs(kind)
    content, corner = windows.cut_mask(tf.constant(mask * 255))
    plan = windows.plan_grid(tf.constant(window), input_size, grid_size)
    cut = windows.sample_masks(content[tf.newaxis], corner, plan)
    contents = tf.pad(
        tf.minimum(tf.constant(np.stack([mask * 255, np.zeros_like(mask), mask])), 1),
        [[0, 0], [1, 1], [1, 1]],
    )
    framed = windows.sample_masks(contents, tf.constant([-1, -1]), plan)
    canvas = _canvas(mask[..., np.newaxis], window, [0.0])
    pixels = np.asarray(tf.image.resize(canvas, input_size)) >= 0.5
    expected = np.asarray(tf.image.resize(pixels.astype(np.float32), grid_size))[..., 0] > 0.5
    np.testing.assert_array_equal(cut[0], expected)
    np.testing.assert_array_equal(framed, [expected, np.zeros_like(expected), expected])


def test_a_cut_mask_keeps_its_content_and_place() -> None:
    mask = _blobs("circle")
    content, corner = (np.asarray(value) for value in windows.cut_mask(tf.constant(mask)))
    rows, columns = np.nonzero(mask)
    np.testing.assert_array_equal(corner, [rows.min() - 1, columns.min() - 1])
    assert content.shape == (np.ptp(rows) + 3, np.ptp(columns) + 3)
    assert content.sum() == mask.sum()


def test_boxes_are_clipped_to_the_window_and_expressed_in_it() -> None:
    boxes = tf.constant([[10.0, 20.0, 30.0, 60.0], [-5.0, 0.0, 12.0, 200.0]])
    no = tf.constant(False)
    moved = windows.transform_boxes(boxes, tf.constant([10, 10, 50, 110]), no, no)
    np.testing.assert_allclose(moved, [[0.0, 0.1, 0.5, 0.5], [0.0, 0.0, 0.05, 1.0]], atol=1e-6)


@pytest.mark.parametrize(("mirror", "flip"), [(True, False), (False, True), (True, True)])
def test_boxes_and_grids_flip_together(mirror: bool, flip: bool) -> None:
    grid = np.zeros((8, 16), bool)
    grid[1:3, 4:10] = True
    box = tf.constant([[1.0, 4.0, 3.0, 10.0]])
    window = tf.constant([0, 0, 8, 16])
    moved = windows.transform_boxes(box, window, tf.constant(mirror), tf.constant(flip))[0] * [8, 16, 8, 16]
    flipped = windows.flip_grid(tf.constant(grid), tf.constant(mirror), tf.constant(flip)).numpy()
    rows, columns = np.nonzero(flipped)
    np.testing.assert_allclose(
        moved, [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], atol=1e-5
    )
