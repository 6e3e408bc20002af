"""The mask loss against its definition in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

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
    np.testing.assert_allclose(mask_loss.sum_mask_loss(few), mask_loss.sum_mask_loss(all_masks), rtol=1e-5)
