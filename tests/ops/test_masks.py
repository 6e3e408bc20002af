"""Masks: crop windows and assembly against NumPy and the recorded original."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import masks


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
