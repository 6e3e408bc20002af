"""Colour changes against Python's own HSV."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import colors


def _image() -> np.ndarray:
    image = np.random.default_rng(1).uniform(0, 255, (6, 5, 3)).astype(np.float32)
    image[0, 0] = 0.0
    image[0, 1] = 255.0
    image[0, 2] = [10.0, 10.0, 200.0]
    return image


def _through_hsv(image: np.ndarray, turn: float, factor: float) -> np.ndarray:
    result = np.empty_like(image)
    for index in np.ndindex(image.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(float(v) for v in image[index]))
        result[index] = colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation * factor, value)
    return result


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.5])
def test_saturation_is_scaled_as_in_hsv_and_not_clipped(factor: float) -> None:
    ours = colors.scale_saturation(tf.constant(_image()), factor)
    np.testing.assert_allclose(ours, _through_hsv(_image(), 0.0, factor), atol=1e-3)


@pytest.mark.parametrize("degrees", [-18.0, 0.0, 7.5, 18.0])
def test_hue_is_turned_as_in_hsv(degrees: float) -> None:
    ours = colors.rotate_hue(tf.constant(_image()), degrees)
    np.testing.assert_allclose(ours, _through_hsv(_image(), degrees / 360.0, 1.0), atol=2e-3)


def test_contrast_commutes_with_saturation_and_hue() -> None:
    image = tf.constant(_image() - 40.0)
    after = 1.4 * colors.rotate_hue(colors.scale_saturation(image, 1.3), 9.0)
    before = colors.rotate_hue(colors.scale_saturation(1.4 * image, 1.3), 9.0)
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_no_probability_changes_nothing() -> None:
    np.testing.assert_array_equal(colors.distort_colors(tf.constant(_image()), [1, 2], 0.0, True), _image())


def test_the_same_seed_gives_the_same_colours_and_another_does_not() -> None:
    image = tf.constant(_image())
    first = colors.distort_colors(image, [1, 2], 1.0, False).numpy()
    np.testing.assert_array_equal(first, colors.distort_colors(image, [1, 2], 1.0, False))
    assert np.abs(first - colors.distort_colors(image, [1, 3], 1.0, False).numpy()).max() > 1.0


def test_colours_leave_the_range_only_where_clipping_is_off() -> None:
    image = tf.constant(_image())
    free = np.stack([colors.distort_colors(image, [0, i], 1.0, False) for i in range(10)])
    clipped = np.stack([colors.distort_colors(image, [0, i], 1.0, True) for i in range(10)])
    assert free.min() < 0.0
    assert free.max() > 255.0
    np.testing.assert_array_equal(clipped, free.clip(0.0, 255.0))


def test_grey_pixels_show_brightness_and_contrast_in_their_ranges() -> None:
    # Grey has neither hue nor saturation, so that a change of it is that of value alone.
    image = tf.constant([[[100.0, 100.0, 100.0], [0.0, 0.0, 0.0]]])
    draw = tf.function(lambda i: colors.distort_colors(image, tf.stack([5, i]), 0.5, False), autograph=False)
    values = np.stack([draw(tf.constant(i))[0, :, 0] for i in range(600)])
    contrast = (values[:, 0] - values[:, 1]) / 100.0
    brightness = values[:, 1] / contrast
    assert contrast.min() >= 0.499
    assert contrast.max() <= 1.501
    assert np.abs(brightness).max() <= 32.01
    assert np.abs(brightness).max() > 28.0
    assert 0.42 < np.mean(np.abs(contrast - 1.0) > 1e-6) < 0.58
    assert 0.42 < np.mean(np.abs(brightness) > 1e-6) < 0.58
