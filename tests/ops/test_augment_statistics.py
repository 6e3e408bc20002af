"""10,000 draws of each part of the augmentation against what the paper's preset promises.

Seeds are fixed, so that no test can pass on one day and fail on another; a part that departs from its
distribution by two or three percent fails. `_simulate_crops` is the specification once more, in NumPy
and one draw at a time.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from official_yolact.ops import augment
from official_yolact.ops import colors

COUNT = 10_000
ALPHA = 1e-4
HEIGHT, WIDTH = 480, 640

CENTRED = [[200.0, 250.0, 280.0, 390.0]]
CORNERED = [[0.0, 0.0, 60.0, 90.0]]
SEVERAL = [[0.0, 0.0, 60.0, 90.0], [300.0, 400.0, 470.0, 630.0], [220.0, 300.0, 260.0, 340.0]]
CROWD_IN_MIDDLE = [False, False, True]


def _draw(function: Callable[[Any], Any], dtype: Any, count: int = COUNT) -> np.ndarray:
    """Call a function of a seed for `count` seeds that differ as those of neighbouring records do."""
    seeds = tf.stack([tf.fill([count], 17), tf.range(count)], axis=1)
    drawn = tf.function(
        lambda: tf.map_fn(function, seeds, fn_output_signature=dtype, parallel_iterations=64), autograph=False
    )
    return np.asarray(drawn())


def _check_share(happened: np.ndarray, probability: float) -> None:
    count = int(happened.sum())
    assert stats.binomtest(count, happened.size, probability).pvalue > ALPHA, (count, happened.size)


def _check_uniform(values: np.ndarray, low: float, high: float) -> None:
    margin = (high - low) / 100
    assert low - 1e-3 <= values.min() <= low + margin
    assert high - margin <= values.max() <= high + 1e-3
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > ALPHA


def _check_same(ours: np.ndarray, simulated: np.ndarray) -> None:
    assert stats.ks_2samp(ours, simulated, method="asymp").pvalue > ALPHA


def _check_unrelated(first: np.ndarray, second: np.ndarray) -> None:
    assert stats.spearmanr(first, second).pvalue > ALPHA


# Colours


@functools.cache
def _colour_draws() -> dict[str, np.ndarray]:
    """Recover what was drawn from what became of black, of grey and of two colours.

    Grey has no hue and no saturation, so it shows brightness and contrast alone. The difference between
    a colour's channels is multiplied by contrast and saturation and does not see the brightness.
    """
    image = tf.constant([[[0.0, 0, 0], [100, 100, 100], [200, 100, 50], [200, 100, 97]]])
    pixels = _draw(lambda seed: colors.distort_colors(image, seed, 0.5, False), tf.float32)[:, 0]
    pixels = pixels.astype(np.float64)
    np.testing.assert_allclose(np.ptp(pixels[:, :2], axis=-1), 0.0, atol=1e-3)
    contrast = (pixels[:, 1, 0] - pixels[:, 0, 0]) / 100.0
    spread = np.ptp(pixels[:, 2:], axis=-1) / contrast[:, np.newaxis]
    turns = (_hue(pixels[:, 2:]) - _hue(np.asarray(image, np.float64)[:, 2:]) + 180.0) % 360.0 - 180.0
    # The second colour is two degrees from red: it is turned past zero as others are.
    np.testing.assert_allclose(turns[:, 0], turns[:, 1], atol=0.05)
    np.testing.assert_allclose(spread[:, 0] / 150.0, spread[:, 1] / 103.0, atol=1e-4)
    return {
        "brightness": pixels[:, 0, 0] / contrast,
        "contrast": contrast,
        "saturation": spread[:, 0] / 150.0,
        "hue": turns[:, 0],
    }


def _hue(colour: np.ndarray) -> np.ndarray:
    """Give HSV's hue in degrees, also of colours that reach beyond 0 and 255."""
    red, green, blue = np.moveaxis(colour, -1, 0)
    sector = np.where(
        red >= np.maximum(green, blue),
        green - blue,
        np.where(green >= blue, blue - red, red - green),
    ) / np.ptp(colour, axis=-1)
    return 60.0 * (sector + np.where(red >= np.maximum(green, blue), 0, np.where(green >= blue, 2, 4)))


NEUTRAL = {"brightness": 0.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
RANGES = {
    "brightness": (-32.0, 32.0),
    "contrast": (0.5, 1.5),
    "saturation": (0.5, 1.5),
    "hue": (-18.0, 18.0),
}
TOLERANCES = {"brightness": 1e-4, "contrast": 1e-5, "saturation": 1e-5, "hue": 1e-3}


def _chosen(part: str) -> np.ndarray:
    return np.asarray(np.abs(_colour_draws()[part] - NEUTRAL[part]) > TOLERANCES[part])


@pytest.mark.parametrize("part", list(RANGES))
def test_each_change_of_colour_comes_half_the_time_and_is_uniform_in_its_range(part: str) -> None:
    _check_share(_chosen(part), 0.5)
    _check_uniform(_colour_draws()[part][_chosen(part)], *RANGES[part])


def test_the_changes_of_colour_are_chosen_independently() -> None:
    bits = np.stack([_chosen(part) for part in RANGES], axis=-1) @ [1, 2, 4, 8]
    assert stats.chisquare(np.bincount(bits, minlength=16)).pvalue > ALPHA


def test_the_amounts_of_the_changes_of_colour_are_independent() -> None:
    for first, second in itertools.combinations(RANGES, 2):
        both = _chosen(first) & _chosen(second)
        _check_unrelated(_colour_draws()[first][both], _colour_draws()[second][both])
        _check_unrelated(_chosen(first)[_chosen(second)], _colour_draws()[second][_chosen(second)])


def test_neighbouring_positions_draw_independently() -> None:
    for part in RANGES:
        _check_unrelated(_colour_draws()[part][:-1], _colour_draws()[part][1:])


@pytest.mark.parametrize("contrast_first", [True, False])
def test_colours_are_those_of_opencv_in_either_order(contrast_first: bool) -> None:
    # Brighter than the darkest change of brightness: OpenCV's HSV means nothing below zero.
    image = np.random.default_rng(7).uniform(33, 255, (6, 7, 3)).astype(np.float32)
    draws = _colour_draws()
    for position in range(40):
        seed = [17, position]
        ours = colors.distort_colors(tf.constant(image), seed, 0.5, False).numpy()
        brightness, contrast, saturation, hue = (draws[part][position] for part in RANGES)
        expected = image + np.float32(brightness)
        if contrast_first:
            expected = expected * np.float32(contrast)
        hsv = cv2.cvtColor(expected, cv2.COLOR_RGB2HSV)
        hsv[..., 1] *= saturation
        hsv[..., 0] = (hsv[..., 0] + hue) % 360.0
        expected = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        if not contrast_first:
            expected = expected * np.float32(contrast)
        np.testing.assert_allclose(ours, expected, atol=0.05)


# Canvases


@functools.cache
def _canvases() -> np.ndarray:
    size = tf.constant([HEIGHT, WIDTH])
    return _draw(lambda seed: augment.draw_canvas(seed, size, 0.5, 4.0), tf.int32)


def _simulate_canvases(count: int, rng: np.random.Generator) -> np.ndarray:
    windows = []
    for _ in range(count):
        if rng.random() < 0.5:
            windows.append([0, 0, HEIGHT, WIDTH])
            continue
        ratio = rng.uniform(1, 4)
        left, top = rng.uniform(0, WIDTH * ratio - WIDTH), rng.uniform(0, HEIGHT * ratio - HEIGHT)
        bottom, right = int(HEIGHT * ratio) - int(top), int(WIDTH * ratio) - int(left)
        windows.append([-int(top), -int(left), bottom, right])
    return np.array(windows)


def test_half_of_the_images_get_a_canvas() -> None:
    sides = _canvases()[:, 2:] - _canvases()[:, :2]
    _check_share((sides != [HEIGHT, WIDTH]).any(axis=1), 0.5)


def test_the_ratio_of_canvases_is_uniform_and_that_of_both_sides() -> None:
    sides = _canvases()[:, 2:] - _canvases()[:, :2]
    ratios = sides[(sides != [HEIGHT, WIDTH]).any(axis=1)] / [HEIGHT, WIDTH]
    # A ratio is known to one pixel; the middle of that pixel is uniform as the ratio is.
    _check_uniform(ratios[:, 1] + 0.5 / WIDTH, 1.0, 4.0)
    np.testing.assert_allclose(ratios[:, 0], ratios[:, 1], atol=1 / HEIGHT)


def test_images_lie_anywhere_on_their_canvas() -> None:
    windows = _canvases()
    room = windows[:, 2:] - windows[:, :2] - [HEIGHT, WIDTH]
    # Places are whole pixels: with this much room the steps do not show.
    roomy = (room > 300).all(axis=1)
    places = (-windows[roomy, :2] + 0.5) / (room[roomy] + 1)
    for axis in (0, 1):
        _check_uniform(places[:, axis], 0.0, 1.0)
        _check_unrelated(places[:, axis], room[roomy, 1])
    _check_unrelated(places[:, 0], places[:, 1])


def test_canvases_are_those_of_the_specification() -> None:
    simulated = _simulate_canvases(COUNT, np.random.default_rng(1))
    for edge in range(4):
        _check_same(_canvases()[:, edge], simulated[:, edge])


# Crops


def _simulate_crops(
    canvas: np.ndarray, boxes: np.ndarray, is_crowd: np.ndarray, rng: np.random.Generator
) -> list[int]:
    """Crop one canvas (top, left, bottom, right) as the original does, quirks included."""
    height, width = (int(side) for side in canvas[2:] - canvas[:2])
    y, x = (int(edge) for edge in canvas[:2])
    objects = boxes[~is_crowd]
    centres = ((objects[:, :2] + objects[:, 2:]) / 2 - canvas[:2]).tolist()
    while True:
        if rng.integers(6) == 0:
            return [y, x, y + height, x + width]
        for _ in range(50):
            w, h = rng.uniform(0.3 * width, width), rng.uniform(0.3 * height, height)
            if not 0.5 <= h / w <= 2:
                continue
            # One argument to NumPy's uniform is the lower end; the upper one is then 1.
            left = (width - w) + (1 - (width - w)) * rng.random()
            top = (height - h) + (1 - (height - h)) * rng.random()
            first, last = (int(top), int(left)), (int(top + h), int(left + w))
            if any(first[0] < cy < last[0] and first[1] < cx < last[1] for cy, cx in centres):
                return [first[0] + y, first[1] + x, last[0] + y, last[1] + x]


CASES: dict[str, tuple[list[int], list[list[float]], list[bool]]] = {
    "centred": ([0, 0, HEIGHT, WIDTH], CENTRED, [False]),
    "cornered": ([0, 0, HEIGHT, WIDTH], CORNERED, [False]),
    "several": ([0, 0, HEIGHT, WIDTH], SEVERAL, CROWD_IN_MIDDLE),
    "canvas": ([-700, -200, 900, 1933], CENTRED, [False]),
    "narrow": ([0, 0, 480, 200], [[200.0, 80.0, 280.0, 120.0]], [False]),
}


@functools.cache
def _crops(case: str, origin: float = 1.0) -> np.ndarray:
    canvas, boxes, is_crowd = (tf.constant(value) for value in CASES[case])
    return _draw(lambda seed: augment.draw_crop(seed, canvas, boxes, is_crowd, 0.3, origin), tf.int32)


@functools.cache
def _simulated(case: str) -> np.ndarray:
    canvas, boxes, is_crowd = (np.array(value) for value in CASES[case])
    rng = np.random.default_rng(2)
    return np.array([_simulate_crops(canvas, boxes, is_crowd, rng) for _ in range(COUNT)])


def _measure(case: str, windows: np.ndarray) -> dict[str, np.ndarray]:
    """Describe crops by what a wrong distribution of any part, or a wrong dependence, would change."""
    canvas, boxes, _ = (np.array(value) for value in CASES[case])
    top, left, bottom, right = (windows - np.tile(canvas[:2], 2)).T
    height, width = bottom - top, right - left
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    shown = (centres > windows[:, np.newaxis, :2]) & (centres < windows[:, np.newaxis, 2:])
    whole = (windows == canvas).all(axis=1)
    return {
        "whole": whole,
        "top": top,
        "left": left,
        "height": height,
        "width": width,
        "aspect": height / width,
        "area": height * width,
        "corner": top * left,
        "place": (left + 0.5) / (canvas[3] - canvas[1] - width + 1),
        "objects": shown.all(axis=-1).sum(axis=1),
        "last column": right,
        "last row": bottom,
    }


@pytest.mark.parametrize("case", list(CASES))
def test_crops_are_those_of_the_specification(case: str) -> None:
    ours, simulated = _measure(case, _crops(case)), _measure(case, _simulated(case))
    for name, values in ours.items():
        same = stats.ks_2samp(values, simulated[name], method="asymp").pvalue
        assert same > ALPHA, (name, same)


def test_crops_without_the_quirk_are_told_from_the_original_s() -> None:
    # A check of the check: a corner that starts a pixel earlier is found on an image of this size.
    ours, simulated = _measure("narrow", _crops("narrow", 0.0)), _measure("narrow", _simulated("narrow"))
    assert stats.ks_2samp(ours["left"], simulated["left"]).pvalue < ALPHA


def test_an_image_stays_whole_one_time_in_six_where_nothing_is_rejected() -> None:
    box = [[0.0, 0.0, 4000.0, 4000.0]]
    canvas, boxes, is_crowd = tf.constant([0, 0, 4000, 4000]), tf.constant(box), tf.constant([False])
    windows = _draw(lambda seed: augment.draw_crop(seed, canvas, boxes[:0], is_crowd[:0], 0.3, 1.0), tf.int32)
    whole = (windows == [0, 0, 4000, 4000]).all(axis=1)
    _check_share(whole, 1 / 6)
    sides = (windows[~whole, 2:] - windows[~whole, :2]) / 4000
    assert sides.min() >= 0.3 - 1e-3
    # Uniform where the aspect ratio allows: as many in each cell as its area there.
    fine = np.linspace(0.3, 1.0, 8 * 60 + 1)
    middle = (fine[1:] + fine[:-1]) / 2
    aspect = middle[:, np.newaxis] / middle
    allowed = ((aspect >= 0.5) & (aspect <= 2)).reshape(8, 60, 8, 60).sum(axis=(1, 3))
    edges = np.linspace(0.3, 1.0, 9) - 1e-9
    edges[[0, -1]] = 0.29, 1.01
    counts, _, _ = np.histogram2d(sides[:, 0], sides[:, 1], [edges, edges])
    cells = allowed > 0
    assert not counts[~cells].any()
    expected = allowed[cells] / allowed.sum() * counts.sum()
    assert stats.chisquare(counts[cells], expected).pvalue > ALPHA
    # The corner lies between pixel 1 and the last that fits, wherever that is.
    corners, room = windows[~whole, :2], 4000 - (windows[~whole, 2:] - windows[~whole, :2])
    for axis in (0, 1):
        roomy = room[:, axis] > 200
        places = (corners[roomy, axis] - 0.5) / (room[roomy, axis] - 1)
        _check_uniform(places.clip(0, 1), 0.0, 1.0)
        _check_unrelated(places, sides[roomy, 1 - axis])
    _check_unrelated(corners[:, 0] / room[:, 0].clip(1), corners[:, 1] / room[:, 1].clip(1))


# Mirroring


def test_images_are_mirrored_half_the_time_and_never_turned_upside_down() -> None:
    draws = _draw(lambda seed: tf.stack(augment.draw_flips(seed, 0.5, 0.0)), tf.bool)
    _check_share(draws[:, 0], 0.5)
    assert not draws[:, 1].any()


def test_the_orientations_are_chosen_independently() -> None:
    draws = _draw(
        lambda seed: tf.stack([*augment.draw_flips(seed, 0.5, 0.5), augment.draw_transpose(seed, 0.5)]),
        tf.bool,
    )
    assert stats.chisquare(np.bincount(draws @ [1, 2, 4], minlength=8)).pvalue > ALPHA


# Windows by scale


def _scaled(low: float, high: float, boxes: Any = (), crowds: Any = ()) -> np.ndarray:
    size, extent = tf.constant([HEIGHT, WIDTH]), tf.constant([float(HEIGHT), float(WIDTH)])
    boxes_px = tf.reshape(tf.constant(boxes, tf.float32), [-1, 4])
    is_crowd = tf.reshape(tf.constant(crowds, tf.bool), [-1])
    return _draw(
        lambda seed: augment.draw_scaled(seed, size, extent, boxes_px, is_crowd, low, high), tf.int32
    )


def test_the_logarithm_of_the_scale_is_uniform_and_the_aspect_is_kept() -> None:
    windows = _scaled(0.25, 4.0)
    sides = windows[:, 2:] - windows[:, :2]
    _check_uniform(np.log2(WIDTH / sides[:, 1]), -2.0, 2.0)
    np.testing.assert_array_less(np.abs(sides[:, 0] - sides[:, 1] * HEIGHT / WIDTH), 1.0)


def test_smaller_windows_lie_in_the_image_and_larger_ones_hold_it_anywhere() -> None:
    windows = _scaled(0.25, 4.0)
    room = windows[:, 2:] - windows[:, :2] - [HEIGHT, WIDTH]
    larger = room[:, 1] > 0
    assert (windows[~larger, :2] >= 0).all()
    assert (windows[~larger, 2:] <= [HEIGHT, WIDTH]).all()
    assert (windows[larger, :2] <= 0).all()
    assert (windows[larger, 2:] >= [HEIGHT, WIDTH]).all()
    for axis, rows in itertools.product((0, 1), (larger, ~larger)):
        roomy = rows & (np.abs(room[:, axis]) > 200)
        places = -windows[roomy, axis] / room[roomy, axis]
        _check_uniform(places, 0.0, 1.0)
        _check_unrelated(places, room[roomy, axis])
    _check_unrelated(windows[larger, 0] / room[larger, 0], windows[larger, 1] / room[larger, 1])


def test_windows_by_scale_show_an_object() -> None:
    windows = _scaled(1.0, 4.0, SEVERAL, CROWD_IN_MIDDLE)
    centres = np.array([[30.0, 45.0], [385.0, 515.0]])
    shown = (centres > windows[:, np.newaxis, :2]) & (centres < windows[:, np.newaxis, 2:])
    assert shown.all(axis=-1).any(axis=-1).all()
    assert (shown.all(axis=-1).sum(axis=1) == 1).mean() > 0.3


def test_windows_by_scale_leave_an_image_of_crowds_whole() -> None:
    assert (_scaled(1.0, 4.0, CENTRED, [True])[:50] == [0, 0, HEIGHT, WIDTH]).all()


def test_one_scale_gives_one_size() -> None:
    windows = _scaled(2.0, 2.0)
    np.testing.assert_array_equal(windows[:, 2:] - windows[:, :2], np.tile([240, 320], (COUNT, 1)))
