"""Masks: crop windows, resampling, assembly against NumPy and the recorded original."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import masks


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


def test_a_window_keeps_one_cell_around_the_box():
    box = tf.constant([[0.0, 10.3 / 138, 1.0, 30.2 / 138]])
    columns = np.flatnonzero(masks.crop_windows(box, 138, 138)[0, 0])
    assert (columns[0], columns[-1]) == (10, 31)
    exact = masks.crop_windows(tf.constant([[0.25, 0.5, 0.75, 1.0]]), 8, 4, padding=0.0)
    expected = np.zeros((8, 4), bool)
    expected[2:6, 2:] = True
    np.testing.assert_array_equal(exact[0], expected)


def test_swapped_corners_and_boxes_past_the_image_have_windows():
    ordered = masks.crop_windows(tf.constant([[0.2, 0.3, 0.6, 0.7]]), 10, 20)
    swapped = masks.crop_windows(tf.constant([[0.6, 0.7, 0.2, 0.3]]), 10, 20)
    np.testing.assert_array_equal(ordered, swapped)
    assert masks.crop_windows(tf.constant([[-3.0, -3, 9, 9]]), 10, 20).numpy().all()
    assert not masks.crop_windows(tf.constant([[3.0, 3, 9, 9]]), 10, 20).numpy().any()


@pytest.mark.shared
@pytest.mark.parametrize("jit", [False, True])
def test_cropping_equals_the_recorded_one(shared, jit):
    recorded = np.load(shared / "fixtures" / "boxes.npz")
    box = tf.constant(recorded["crop_boxes"][:, [1, 0, 3, 2]])
    windows = tf.function(lambda b: masks.crop_windows(b, 138, 138), jit_compile=jit)(box)
    cropped = np.where(np.transpose(windows, (1, 2, 0)), recorded["crop_in"], 0)
    np.testing.assert_array_equal(cropped, recorded["crop_out"])


def test_assembly_is_the_linear_combination_of_prototypes():
    rng = np.random.default_rng(5)
    prototypes = rng.random((2, 6, 9, 4)).astype(np.float32)
    coefficients = rng.normal(size=(2, 3, 4)).astype(np.float32)
    expected = np.einsum("bhwk,bdk->bdhw", prototypes, coefficients)
    np.testing.assert_allclose(masks.assemble_masks(prototypes, coefficients), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(23, 31), (7, 5)])
def test_resampling_agrees_with_loops(size):
    soft = np.random.default_rng(6).random((3, 12, 10)).astype(np.float32)
    up = masks.upsample_masks(soft, *size).numpy()
    hard = soft > 0.5
    down = masks.downsample_masks(hard, *size).numpy()
    for i in range(3):
        for found, source in ((up[i], soft[i]), (down[i], hard[i].astype(float))):
            value = resize_by_loops(source, *size)
            sure = np.abs(value - 0.5) > 1e-5
            np.testing.assert_array_equal(found[sure], value[sure] > 0.5)


def test_no_masks_stay_no_masks():
    assert masks.upsample_masks(tf.zeros([0, 5, 5]), 20, 30).shape == (0, 20, 30)
    assert masks.downsample_masks(tf.zeros([0, 50, 60], tf.bool), 20, 30).shape == (0, 20, 30)


def test_sizes_may_be_tensors_and_leading_dimensions_many():
    up = tf.function(masks.upsample_masks)(tf.ones([2, 4, 4]), tf.constant(9), tf.constant(11))
    assert up.shape == (2, 9, 11)
    assert up.numpy().all()
    down = tf.function(lambda m: masks.downsample_masks(m, 4, 3))(tf.ones([2, 5, 8, 6], tf.uint8))
    assert down.shape == (2, 5, 4, 3)
    assert down.dtype == tf.bool
    assert down.numpy().all()
