"""Random windows: their ranges, and that they show something."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import augment

_SIZE = tf.constant([480, 640])
_BOXES = tf.constant([[10.0, 10.0, 30.0, 30.0], [200.0, 300.0, 400.0, 500.0]])


def _draw_many(draw: Any, count: int = 300) -> np.ndarray:
    function = tf.function(draw, autograph=False)
    return np.stack([function(tf.constant([11, i])).numpy() for i in range(count)])


def test_canvases_hold_the_image_and_have_its_aspect() -> None:
    windows = _draw_many(lambda seed: augment.draw_canvas(seed, _SIZE, 0.5, 4.0))
    sides = windows[:, 2:] - windows[:, :2]
    assert (windows[:, :2] <= 0).all()
    assert (windows[:, 2:] >= [480, 640]).all()
    assert (sides <= [4 * 480, 4 * 640]).all()
    np.testing.assert_allclose(sides[:, 0] / 480, sides[:, 1] / 640, atol=1 / 480)
    untouched = (windows == [0, 0, 480, 640]).all(axis=1).mean()
    assert 0.4 < untouched < 0.6
    assert (sides[:, 0] / 480).max() > 3.7


def test_no_probability_leaves_the_image_as_the_canvas() -> None:
    np.testing.assert_array_equal(augment.draw_canvas([1, 2], _SIZE, 0.0, 4.0), [0, 0, 480, 640])


@pytest.mark.parametrize("origin", [0.0, 1.0])
def test_crops_lie_in_the_canvas_and_show_the_centre_of_an_object(origin: float) -> None:
    canvas = tf.constant([-100, -50, 500, 750])
    crowd = tf.constant([False, False])
    windows = _draw_many(lambda seed: augment.draw_crop(seed, canvas, _BOXES, crowd, 0.3, origin))
    whole = (windows == canvas.numpy()).all(axis=1)
    assert 0.1 < whole.mean() < 0.25
    sides = windows[:, 2:] - windows[:, :2]
    assert (windows[:, :2] >= [-100, -50]).all()
    assert (windows[:, 2:] <= [500, 750]).all()
    assert (sides >= [0.3 * 600 - 1, 0.3 * 800 - 1]).all()
    aspect = sides[~whole, 0] / sides[~whole, 1]
    assert aspect.min() >= 0.49
    assert aspect.max() <= 2.02
    centers = np.array([[20.0, 20.0], [300.0, 400.0]])
    inside = (centers > windows[:, np.newaxis, :2]) & (centers < windows[:, np.newaxis, 2:])
    assert inside.all(axis=-1).any(axis=-1).all()


def test_the_original_never_starts_a_crop_at_pixel_zero() -> None:
    canvas = augment.whole_window(_SIZE)
    crowd = tf.constant([False, False])
    for origin, least in ((1.0, 1), (0.0, 0)):
        windows = _draw_many(
            lambda seed, origin=origin: augment.draw_crop(seed, canvas, _BOXES[:1], crowd[:1], 0.3, origin)
        )
        # A part as high or wide as the image leaves no room for pixel 1.
        room = ((windows[:, 2:] - windows[:, :2]) < [478, 638]).all(axis=1)
        assert windows[room][:, :2].min() == least


def test_an_image_of_crowds_alone_stays_whole() -> None:
    canvas = augment.whole_window(_SIZE)
    crowd = tf.constant([True, True])
    windows = _draw_many(lambda seed: augment.draw_crop(seed, canvas, _BOXES, crowd), 30)
    assert (windows == [0, 0, 480, 640]).all()


def test_an_image_without_boxes_is_cropped_too() -> None:
    canvas = augment.whole_window(_SIZE)
    windows = _draw_many(
        lambda seed: augment.draw_crop(seed, canvas, tf.zeros([0, 4]), tf.zeros([0], tf.bool)), 60
    )
    assert 0.6 < (windows != [0, 0, 480, 640]).any(axis=1).mean() < 1.0


def test_an_image_of_one_pixel_stays_whole() -> None:
    canvas = tf.constant([0, 0, 1, 1])
    windows = _draw_many(
        lambda seed: augment.draw_crop(seed, canvas, tf.zeros([0, 4]), tf.zeros([0], tf.bool), 0.3, 1.0), 30
    )
    assert ((windows[:, 2:] - windows[:, :2]) >= 1).all()


def test_a_centre_on_the_border_is_not_inside() -> None:
    boxes = tf.constant([[0.0, 0.0, 10.0, 10.0], [4.0, 4.0, 8.0, 8.0], [5.0, 4.0, 8.0, 8.0]])
    inside = augment.centers_inside(boxes, tf.constant([[5, 5, 6, 9], [0, 0, 5, 5], [6, 5, 9, 9]]))
    np.testing.assert_array_equal(inside, [[False, False, False], [False] * 3, [False, False, True]])


def test_flips_come_with_their_probabilities() -> None:
    draws = _draw_many(lambda seed: tf.stack(augment.draw_flips(seed, 0.5, 0.0)))
    assert 0.4 < draws[:, 0].mean() < 0.6
    assert not draws[:, 1].any()
