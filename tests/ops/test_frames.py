"""Boxes and masks between photo and network input, against loops; a border is honoured like any other."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import frames

SQUASHED = np.array([[480, 640], [550, 550], [550 / 480, 550 / 640], [0, 0]], np.float32)
# A photo of 20 x 40 at double size in an input of 80 x 100: borders of 20 rows and 10 columns before it.
BORDERED = np.array([[20, 40], [80, 100], [2, 2], [-20, -10]], np.float32)


def resize_by_loops(mask, height, width):
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            fy = max((y + 0.5) * mask.shape[0] / height - 0.5, 0)
            fx = max((x + 0.5) * mask.shape[1] / width - 0.5, 0)
            y0, x0 = min(int(fy), mask.shape[0] - 1), min(int(fx), mask.shape[1] - 1)
            y1, x1 = min(y0 + 1, mask.shape[0] - 1), min(x0 + 1, mask.shape[1] - 1)
            wy, wx = fy - int(fy), fx - int(fx)
            top = mask[y0, x0] * (1 - wx) + mask[y0, x1] * wx
            bottom = mask[y1, x0] * (1 - wx) + mask[y1, x1] * wx
            out[y, x] = top * (1 - wy) + bottom * wy
    return out


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


@pytest.mark.parametrize("size", [(23, 31), (7, 5)])
def test_masks_of_a_photo_that_fills_the_input_agree_with_loops(size):
    soft = np.random.default_rng(6).random((3, 12, 10)).astype(np.float32)
    shown = frames.masks_to_photo(soft, frames.fit(size, (48, 40))).numpy()
    for found, source in zip(shown, soft, strict=True):
        value = resize_by_loops(source, *size)
        sure = np.abs(value - 0.5) > 1e-5
        np.testing.assert_array_equal(found[sure], value[sure] > 0.5)


def test_masks_lose_the_border():
    masks = np.zeros((2, 40, 50), np.float32)  # A cell is two pixels of the input, one of the photo.
    masks[0, 12:20, 7:30] = 1.0
    masks[1, :10] = 1.0
    shown = frames.masks_to_photo(masks, BORDERED).numpy()
    expected = np.zeros((2, 20, 40), bool)
    expected[0, 2:10, 2:25] = True
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize("border", [3.3, 10.5, 19.9])
def test_a_border_of_broken_pixels_leaves_the_photo_its_size(border):
    info = np.array([[20, 41], [80, 100], [2, 1.7], [-border, -border]], np.float32)
    assert frames.masks_to_photo(np.ones((1, 8, 8), np.float32), info).numpy().all()


def test_no_masks_stay_no_masks_in_a_graph():
    show = tf.function(
        frames.masks_to_photo, input_signature=[tf.TensorSpec([None] * 3), tf.TensorSpec([4, 2])]
    )
    assert show(tf.zeros([0, 5, 5]), tf.constant(SQUASHED)).shape == (0, 480, 640)
    assert show(tf.ones([2, 5, 5]), tf.constant(SQUASHED)).numpy().all()
