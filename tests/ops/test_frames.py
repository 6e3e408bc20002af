"""Boxes between photo and network input, against loops; a border is honoured like any other."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import frames
from official_yolact_runtime import frames as runtime_frames

SQUASHED = np.array([[480, 640], [550, 550], [550 / 480, 550 / 640], [0, 0]], np.float32)
# A photo of 20 x 40 at double size in an input of 80 x 100: borders of 20 rows and 10 columns before it.
BORDERED = np.array([[20, 40], [80, 100], [2, 2], [-20, -10]], np.float32)


@pytest.mark.parametrize(
    "size", [[480, 640], tf.constant([480, 640]), np.array([480, 640])], ids=["list", "tensor", "array"]
)
def test_a_photo_fills_the_input_without_a_border(size):
    np.testing.assert_array_equal(frames.fit(size, (550, 550)), SQUASHED)


@pytest.mark.parametrize("jit", [False, True])
def test_boxes_of_a_photo_that_fills_the_input_are_scaled_by_its_sides_to_the_bit(jit):
    rng = np.random.default_rng(0)
    sizes, boxes = rng.integers(1, 5000, (2000, 2)), rng.uniform(-0.2, 1.2, (2000, 3, 4)).astype(np.float32)
    info = np.stack([frames.fit(size, (550, 400)) for size in sizes])
    sides = np.tile(sizes, 2)[:, np.newaxis].astype(np.float32)
    found = tf.function(frames.boxes_to_photo, jit_compile=jit)(boxes, info)
    np.testing.assert_array_equal(found, np.clip(boxes * sides, 0, sides))


def test_boxes_are_moved_by_a_border_and_cut_to_the_photo():
    # The photo lies in rows 20 to 60 and columns 10 to 90 of the input.
    boxes = tf.constant([[20 / 80, 10 / 100, 60 / 80, 90 / 100], [0.5, 0.5, 1.0, 1.0]])
    np.testing.assert_allclose(frames.boxes_to_photo(boxes, BORDERED), [[0, 0, 20, 40], [10, 20, 20, 40]])


@pytest.mark.parametrize("info", [SQUASHED, BORDERED], ids=["squashed", "bordered"])
def test_boxes_come_back_from_the_input(info):
    corners = np.random.default_rng(1).uniform(0, 1, (2, 9, 2)) * info[0]
    boxes = np.concatenate([corners.min(0), corners.max(0)], axis=1).astype(np.float32)
    there = frames.boxes_to_input(boxes, info)
    np.testing.assert_allclose(frames.boxes_to_photo(there, info), boxes, atol=1e-3)
    assert frames.boxes_to_photo(np.zeros([0, 4], np.float32), info).shape == (0, 4)


def test_the_runtime_without_tensorflow_has_the_same_frames():
    rng = np.random.default_rng(2)
    for height, width in rng.integers(1, 5000, (200, 2)).tolist():
        size, info = (550, 400), runtime_frames.fit((height, width), (550, 400))
        np.testing.assert_array_equal(info, frames.fit((height, width), size))
        boxes = rng.uniform(-0.2, 1.2, (5, 4)).astype(np.float32)
        found = runtime_frames.boxes_to_photo(boxes * np.tile(size, 2).astype(np.float32), info)
        np.testing.assert_allclose(found, frames.boxes_to_photo(boxes, info), rtol=2e-6, atol=1e-6)
        widened = runtime_frames.widen_boxes(found, info, (69, 50), 0.7)
        cell = np.tile([height / 69, width / 50], 2)
        np.testing.assert_allclose(widened, found + cell * 0.7 * [-1, -1, 1, 1], rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(
            frames.widen_boxes(found, info, (69, 50), 0.7), widened, rtol=1e-6, atol=1e-3
        )
    moved = runtime_frames.boxes_to_photo(np.array([[20, 10, 60, 90.0], [40, 50, 80, 100]]), BORDERED)
    np.testing.assert_allclose(moved, [[0, 0, 20, 40], [10, 20, 20, 40]])


def test_a_box_is_widened_by_cells_of_the_grid_over_the_input_with_its_border():
    # A cell of the grid is 4 x 10 pixels of the input, 2 x 5 of the photo.
    box = np.array([[1, 3, 10, 12]], np.float32)
    for module in (frames, runtime_frames):
        widened = module.widen_boxes(box, BORDERED, (20, 10), 1.5)
        np.testing.assert_allclose(widened, [[-2, -4.5, 13, 19.5]], rtol=1e-6)


@pytest.mark.parametrize(
    ("photo", "network", "canvas"),
    [
        ((480, 640), (550, 550), (-80, 0, 560, 640)),
        ((640, 480), (550, 550), (0, -80, 640, 560)),
        ((100, 100), (100, 300), (0, -100, 100, 200)),
        ((10, 33), (64, 64), (-12, 0, 21, 33)),
        ((352, 480), (352, 480), (0, 0, 352, 480)),
        ((7, 5), (352, 480), (0, -3, 7, 7)),
    ],
    ids=str,
)
def test_a_photo_lies_in_the_middle_of_a_canvas_of_the_inputs_proportions(photo, network, canvas):
    assert runtime_frames.find_canvas(photo, network) == canvas
    np.testing.assert_array_equal(frames.find_canvas(photo, network), canvas)


def test_a_canvas_holds_its_photo_and_has_the_proportions_of_the_input_to_a_pixel():
    rng = np.random.default_rng(3)
    for photo, network in zip(rng.integers(1, 9000, (300, 2)), rng.integers(32, 2000, (300, 2)), strict=True):
        canvas = runtime_frames.find_canvas(tuple(photo.tolist()), tuple(network.tolist()))
        np.testing.assert_array_equal(frames.find_canvas(photo, network.tolist()), canvas)
        sides = np.array(canvas[2:]) - canvas[:2]
        assert (np.array(canvas[:2]) <= 0).all()
        assert (sides >= photo).all()
        assert (sides == photo).any()
        assert min(abs(sides * network[::-1] / network - sides[::-1])) <= 0.5 + 1e-9
        borders = np.abs(np.array(canvas[2:]) - photo + canvas[:2])
        assert borders.max() <= 1  # the photo is in the middle


def test_both_frames_of_a_photo_that_keeps_its_proportions_are_the_same_and_bring_boxes_back():
    rng = np.random.default_rng(4)
    for height, width in rng.integers(1, 5000, (100, 2)).tolist():
        info = runtime_frames.fit((height, width), (550, 400), keep_aspect=True)
        np.testing.assert_array_equal(info, frames.fit((height, width), (550, 400), keep_aspect=True))
        corners = rng.uniform(0, 1, (2, 9, 2)) * (height, width)
        boxes = np.concatenate([corners.min(0), corners.max(0)], axis=1).astype(np.float32)
        there = frames.boxes_to_input(boxes, info).numpy()
        assert (there > -1e-5).all()
        assert (there < 1 + 1e-5).all()
        np.testing.assert_allclose(frames.boxes_to_photo(there, info), boxes, atol=2e-3)
        in_pixels = there * np.tile([550, 400], 2).astype(np.float32)
        np.testing.assert_allclose(runtime_frames.boxes_to_photo(in_pixels, info), boxes, atol=2e-3)
