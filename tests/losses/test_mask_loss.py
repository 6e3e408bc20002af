"""The mask loss against its definition in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import dice_loss
from official_yolact.losses import drawn_masks
from official_yolact.losses import mask_loss


def _soft_cost(logits, shares, windows):
    """Cost of each mask in float64: the entropy with shares inside the window, 100 times them outside."""
    x, shares = logits.astype(np.float64), shares.astype(np.float64)
    entropy = shares * np.logaddexp(0, -x) + (1 - shares) * np.logaddexp(0, x)
    return np.where(windows, entropy, 100.0 * shares).sum((2, 3))


@pytest.mark.parametrize("jit", [False, True])
def test_shares_of_cells_cost_their_entropy_and_outside_100_times_themselves(jit):
    rng = np.random.default_rng(22)
    logits = rng.normal(size=(2, 3, 5, 6)).astype(np.float32) * 4
    shares = np.clip(rng.uniform(-0.5, 1.5, (2, 3, 5, 6)), 0, 1).astype(np.float16)
    windows = rng.random((2, 3, 5, 6)) > 0.4

    @tf.function(jit_compile=jit)
    def value_and_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            costs = mask_loss.sum_window_entropy(x, shares, windows)
        return costs, tape.gradient(costs, x)

    costs, gradient = value_and_gradient(tf.constant(logits))
    np.testing.assert_allclose(costs, _soft_cost(logits, shares, windows), rtol=1e-5)
    for at in np.ndindex(logits.shape):
        step = np.zeros(logits.shape)
        step[at] = 1e-5
        higher, lower = (_soft_cost(logits + way * step, shares, windows).sum() for way in (1, -1))
        np.testing.assert_allclose(gradient[at], (higher - lower) / 2e-5, atol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_a_mask_costs_its_entropy_inside_the_window_and_100_for_each_pixel_outside(jit):
    rng = np.random.default_rng(21)
    logits = rng.normal(size=(2, 3, 5, 6)).astype(np.float32) * 4
    masks, windows = rng.random((2, 2, 3, 5, 6)) > 0.5

    @tf.function(jit_compile=jit)
    def value_and_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            costs = mask_loss.sum_window_entropy(x, masks, windows)
            total = tf.reduce_sum(costs * [[1.0, 2.0, 3.0]])
        return costs, tape.gradient(total, x)

    costs, gradient = value_and_gradient(tf.constant(logits))
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    entropy = -np.where(masks, np.log(probability), np.log1p(-probability))
    expected = np.where(windows, entropy, 100.0 * masks).sum((2, 3))
    np.testing.assert_allclose(costs, expected, rtol=1e-5)
    scale = np.array([1, 2, 3])[:, None, None]
    np.testing.assert_allclose(gradient, np.where(windows, probability - masks, 0) * scale, atol=1e-5)


def test_wild_logits_stay_finite():
    logits = tf.constant([[[[-1e30, 1e30, 200.0, -200.0]]]])
    masks = tf.constant([[[[True, False, False, True]]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        cost = mask_loss.sum_window_entropy(logits, masks, tf.ones_like(masks))
    assert np.isfinite(cost).all()
    np.testing.assert_allclose(tape.gradient(cost, logits), [[[[-1, 1, 1, -1]]]])


def test_the_sum_is_scaled_up_to_stand_for_all_positives(make_case, small_anchors):
    labels, raw = make_case([1])
    num = len(small_anchors)
    targets = {
        "class_ids": np.where(np.arange(num) < 12, 1, 0).astype(np.int32)[None],
        "instance_index": np.zeros((1, num), np.int32),
    }
    same = np.broadcast_to(raw["mask_coefficients"][:, :1], raw["mask_coefficients"].shape)
    args = (tf.constant(raw["prototypes"]), tf.constant(same), labels, targets)
    few, all_masks = (drawn_masks.draw_masks(*args, limit) for limit in (5, 100))
    config = configs.Losses(dice_weight=0.5)
    sums = [mask_loss.sum_mask_loss(drawn, config) for drawn in (few, all_masks)]
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-5)


def _draw_masks(kind, seed=23):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(2, 3, 5, 6)).astype(np.float32) * 3
    shares = np.clip(rng.normal(0.5, 0.7, (2, 3, 5, 6)), 0, 1)
    shares[0, 0] = 0
    masks = shares > 0.5 if kind == "bool" else shares.astype(np.float16)
    return logits, masks, rng.random((2, 3, 5, 6)) > 0.3


def _dice_by_loops(logits, masks, windows):
    out = np.zeros(masks.shape[:2])
    for b, t in np.ndindex(out.shape):
        both, sizes = 0.5, 1.0
        for cell in np.argwhere(windows[b, t]):
            p, m = 1 / (1 + np.exp(-float(logits[(b, t, *cell)]))), float(masks[(b, t, *cell)])
            both, sizes = both + p * m, sizes + p * p + m * m
        out[b, t] = 1 - 2 * both / sizes
    return out


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("kind", ["bool", "shares"])
def test_the_dice_term_and_its_gradient_are_those_of_the_definition(kind, jit):
    logits, masks, windows = _draw_masks(kind)
    factors = np.float32([[1, 2, 3]])

    @tf.function(jit_compile=jit)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            dice = dice_loss.measure_dice(x, masks, windows)
            total = tf.reduce_sum(dice * factors)
        return dice, tape.gradient(total, x)

    dice, gradient = run(tf.constant(logits))
    np.testing.assert_allclose(dice, _dice_by_loops(logits, masks, windows), atol=1e-6)
    for cell in [(0, 1, 2, 3), (1, 2, 0, 0), (0, 0, 4, 5), (1, 1, 3, 1)]:
        step = np.zeros(logits.shape)
        step[cell] = 1e-4
        ends = [_dice_by_loops(logits.astype(float) + sign * step, masks, windows) for sign in (1, -1)]
        slope = ((ends[0] - ends[1]) * factors).sum() / 2e-4
        np.testing.assert_allclose(gradient[cell], slope, atol=1e-5)


def test_a_mask_that_equals_the_shares_has_no_dice_and_wild_ones_are_finite():
    shares = np.clip(np.random.default_rng(24).random((1, 2, 5, 6)), 0.01, 0.99).astype(np.float32)
    logits = tf.constant(np.log(shares / (1 - shares)))
    everywhere = np.ones(shares.shape, bool)
    assert np.abs(dice_loss.measure_dice(logits, shares, everywhere)).max() < 1e-5
    wild = tf.constant([[[[-1e30, 1e30, 200.0, -200.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(wild)
        dice = dice_loss.measure_dice(wild, tf.constant([[[[True, False, False, True]]]]), wild < 1e38)
    assert np.isfinite(dice)
    assert np.isfinite(tape.gradient(dice, wild)).all()


def test_the_outline_is_what_shares_cross_and_where_neighbours_differ():
    shares = np.float16([[0, 0.5, 1], [0, 0, 0.99]])
    np.testing.assert_array_equal(mask_loss.find_outline(shares), (shares > 0) & (shares < 1))
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    expected = np.zeros((4, 5), bool)
    for y, x in np.ndindex(4, 5):
        beside = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        expected[y, x] = any(0 <= v < 4 and 0 <= u < 5 and mask[v, u] != mask[y, x] for v, u in beside)
    np.testing.assert_array_equal(mask_loss.find_outline(tf.constant(mask)), expected)


@pytest.mark.parametrize("kind", ["bool", "shares"])
def test_cells_on_the_outline_weigh_more(kind):
    logits, masks, windows = _draw_masks(kind)
    outline = mask_loss.find_outline(tf.constant(masks)).numpy()
    assert 0 < outline.mean() < 1
    results = []
    for weight, where in ((0.0, windows), (0.0, windows & outline), (1.5, windows)):
        x = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(x)
            costs = tf.reduce_sum(mask_loss.sum_window_entropy(x, masks, where, weight))
        results.append(tape.gradient(costs, x).numpy())
    plain, at_outline, weighed = results
    np.testing.assert_allclose(weighed, plain + 1.5 * at_outline, rtol=1e-4, atol=1e-6)
