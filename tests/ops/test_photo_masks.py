"""Masks on a grid against the pixels of a photo: loops, and `tf.image.resize` of the whole mask."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import frames
from official_yolact_runtime import photo_masks

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


def cut_masks(seed, count, height, width):
    """Draw soft masks, each zero outside a box of its own."""
    rng = np.random.default_rng(seed)
    soft = rng.random((count, height, width)).astype(np.float32)
    for mask in soft:
        top, bottom = np.sort(rng.integers(0, height + 1, 2))
        left, right = np.sort(rng.integers(0, width + 1, 2))
        mask[:top], mask[bottom:], mask[:, :left], mask[:, right:] = 0, 0, 0, 0
    return soft


@pytest.mark.parametrize("size", [(23, 31), (7, 5)])
def test_masks_of_a_photo_that_fills_the_input_agree_with_loops(size):
    soft = np.random.default_rng(6).random((3, 12, 10)).astype(np.float32)
    shown = photo_masks.draw(soft, frames.fit(size, (48, 40)).numpy())
    for found, source in zip(shown, soft, strict=True):
        value = resize_by_loops(source, *size)
        sure = np.abs(value - 0.5) > 1e-5
        np.testing.assert_array_equal(found[sure], value[sure] > 0.5)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
@pytest.mark.parametrize("size", [(480, 640), (97, 61), (30, 200), (1, 1)], ids=str)
def test_windows_hold_every_pixel_of_the_whole_mask_resampled(size, threshold):
    soft = cut_masks(0, 40, 34, 30)
    whole = tf.image.resize(soft[..., np.newaxis], size).numpy()[..., 0]
    found = photo_masks.draw(soft, frames.fit(size, (544, 480)).numpy(), threshold)
    # Not in doubt: one compiler may contract a product and a sum that another rounds apart.
    sure = (np.abs(whole - threshold) > 1e-6) | (whole == 0)
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], whole[sure] > threshold)


def test_a_mask_alone_in_its_window_equals_the_mask_resampled_whole():
    soft = cut_masks(1, 60, 20, 24)
    info = frames.fit((210, 333), (160, 192)).numpy()
    # So small a value widens the window to the photo, and is lost beside any other.
    whole = photo_masks.draw(np.maximum(soft, np.float32(1e-30)), info)
    np.testing.assert_array_equal(photo_masks.draw(soft, info), whole)
    assert whole.any()


def test_windows_are_as_small_as_their_masks():
    soft = np.zeros((2, 20, 20), np.float32)
    soft[0, 4:6, 10:13] = 1.0
    first, empty = photo_masks.find_windows(soft, frames.fit((200, 400), (80, 80)).numpy())
    assert (first.top, first.left, first.mask.shape) == (35, 190, (30, 80))
    assert empty.mask.size == 0


def test_masks_lose_the_border():
    masks = np.zeros((2, 40, 50), np.float32)  # A cell is two pixels of the input, one of the photo.
    masks[0, 12:20, 7:30] = 1.0
    masks[1, :10] = 1.0
    expected = np.zeros((2, 20, 40), bool)
    expected[0, 2:10, 2:25] = True
    np.testing.assert_array_equal(photo_masks.draw(masks, BORDERED), expected)


@pytest.mark.parametrize("border", [3.3, 10.5, 19.9])
def test_a_border_of_broken_pixels_leaves_the_photo_its_size(border):
    info = np.array([[20, 41], [80, 100], [2, 1.7], [-border, -border]], np.float32)
    assert photo_masks.draw(np.ones((1, 8, 8), np.float32), info).all()


def test_the_photo_lies_where_the_frames_of_boxes_have_it():
    rng = np.random.default_rng(3)
    for _ in range(50):
        photo, scale, border = rng.integers(5, 90, 2), rng.uniform(0.3, 3, 2), rng.integers(0, 20, 2)
        network = np.ceil((photo + 2 * border) * scale)
        info = np.stack([photo, network, scale, -border * scale]).astype(np.float32)
        corner, extent = frames.input_window(info)
        cells = np.ones((1, 1, 1), np.float32)
        assert photo_masks.draw(cells, info).shape == (1, *photo)
        first, whole = photo_masks._find_frame(info)
        np.testing.assert_allclose(first, -np.rint(corner), atol=1)
        np.testing.assert_allclose(whole, np.rint(extent), atol=1)


def test_no_masks_stay_no_masks():
    info = frames.fit((480, 640), (550, 550)).numpy()
    assert photo_masks.draw(np.zeros((0, 5, 5), np.float32), info).shape == (0, 480, 640)


def cut_by_loops(mask, crop):
    """Keep the pixels whose centres are in a box, one by one."""
    top, left, bottom, right = crop
    kept = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        kept[y, x] = top <= y + 0.5 < bottom and left <= x + 0.5 < right
    return kept


@pytest.mark.parametrize("size", [(48, 64), (97, 61), (9, 40), (1, 1)], ids=str)
def test_a_crop_leaves_of_the_whole_mask_resampled_the_pixels_whose_centres_it_holds(size):
    rng = np.random.default_rng(4)
    soft = rng.random((30, 17, 15)).astype(np.float32)
    corners = np.sort(rng.uniform(-0.3, 1.3, (2, 30, 2)), axis=0) * size
    crops = np.round(np.concatenate(corners, axis=1) * 2) / 2  # some end at the centre of a pixel
    whole = tf.image.resize(soft[..., np.newaxis], size).numpy()[..., 0]
    info = frames.fit(size, (136, 120)).numpy()
    found = photo_masks.draw(soft, info, crops=crops)
    for mask, values, crop in zip(found, whole, crops, strict=True):
        sure = np.abs(values - 0.5) > 1e-6
        np.testing.assert_array_equal(mask[sure], cut_by_loops(values > 0.5, crop)[sure])
    assert any(mask.any() for mask in found) or size == (1, 1)
    for window, (top, left, bottom, right) in zip(
        photo_masks.find_windows(soft, info, crops=crops), crops, strict=True
    ):
        assert window.mask.shape[0] <= max(0, bottom - top) + 1
        assert window.mask.shape[1] <= max(0, right - left) + 1


def test_a_crop_lies_in_pixels_of_the_photo_where_that_has_a_border():
    soft = np.ones((1, 40, 50), np.float32)
    crop = np.array([[2.0, 3.4, 5.5, 9.6]])
    expected = np.zeros((1, 20, 40), bool)
    expected[0, 2:5, 3:10] = True
    np.testing.assert_array_equal(photo_masks.draw(soft, BORDERED, crops=crop), expected)
