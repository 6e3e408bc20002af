"""The mask loss against its definition in NumPy; the choice of positives."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.losses import mask_loss


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


def test_up_to_the_limit_all_positives_are_chosen_in_order():
    positive = np.zeros((2, 30), bool)
    positive[0, [3, 7, 20]] = True
    positive[1, [0, 1, 2, 3, 29]] = True
    chosen, counts = mask_loss.choose_positives(positive, np.zeros((2, 2), np.int32), 5)
    np.testing.assert_array_equal(chosen[0, :3], [3, 7, 20])
    np.testing.assert_array_equal(chosen[1], [0, 1, 2, 3, 29])
    np.testing.assert_array_equal(counts, [[1, 1, 1, 0, 0], [1] * 5])


@pytest.mark.parametrize("jit", [False, True])
def test_beyond_the_limit_the_subset_is_a_function_of_the_images_own_seed(jit):
    positive = np.random.default_rng(22).random((3, 200)) > 0.5
    positive[1] = positive[2]
    choose = tf.function(lambda p, s: mask_loss.choose_positives(p, s, 20), jit_compile=jit)
    seeds = np.array([[1, 2], [3, 4], [3, 5]], np.int32)
    chosen, counts = (np.asarray(part) for part in choose(positive, seeds))
    assert counts.all()
    for i in range(3):
        assert len(set(chosen[i])) == 20
        assert positive[i, chosen[i]].all()
        alone = mask_loss.choose_positives(positive[i : i + 1], seeds[i : i + 1], 20)[0]
        np.testing.assert_array_equal(alone[0], chosen[i])
    assert set(chosen[1]) != set(chosen[2])


def test_every_positive_is_chosen_equally_often():
    positive = np.ones((1000, 10), bool)
    seeds = np.stack([np.zeros(1000), np.arange(1000)], 1).astype(np.int32)
    chosen, _ = tf.function(lambda p, s: mask_loss.choose_positives(p, s, 3))(positive, seeds)
    frequency = np.bincount(np.ravel(chosen), minlength=10)
    assert np.abs(frequency - 300).max() < 5 * np.sqrt(1000 * 0.3 * 0.7)


def test_the_sum_is_scaled_up_to_stand_for_all_positives(make_case, small_anchors):
    labels, raw = make_case([1])
    num = len(small_anchors)
    targets = {
        "class_ids": np.where(np.arange(num) < 12, 1, 0).astype(np.int32)[None],
        "instance_index": np.zeros((1, num), np.int32),
    }
    same = np.broadcast_to(raw["mask_coefficients"][:, :1], raw["mask_coefficients"].shape)
    args = (tf.constant(raw["prototypes"]), tf.constant(same), labels, targets)
    np.testing.assert_allclose(
        mask_loss.sum_mask_loss(*args, 5), mask_loss.sum_mask_loss(*args, 100), rtol=1e-5
    )
