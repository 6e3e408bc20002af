"""Mining of hard negatives against a sort in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import class_loss


def mine_by_sorting(hardness, class_ids, per_positive, at_least):
    out = np.zeros(hardness.shape, bool)
    for i in range(len(hardness)):
        wanted = max(per_positive * int((class_ids[i] > 0).sum()), at_least)
        wanted = min(wanted, hardness.shape[1] - 1)
        background = [a for a in range(hardness.shape[1]) if class_ids[i, a] == 0]
        out[i, sorted(background, key=lambda a: (-hardness[i, a], a))[:wanted]] = True
    return out


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("at_least", [0, 10])
def test_the_hardest_negatives_of_each_image_are_mined_and_of_equal_ones_the_first(jit, at_least):
    rng = np.random.default_rng(11)
    class_ids = rng.choice([-1, 0, 1, 2], (6, 50), p=[0.1, 0.75, 0.1, 0.05]).astype(np.int32)
    class_ids[0], class_ids[1], class_ids[2] = 0, -1, 3
    class_ids[3] = np.maximum(class_ids[3], 0)
    class_ids[3, :20] = 1
    hardness = np.round(rng.random((6, 50)), 1).astype(np.float32)
    config = configs.Losses(min_negatives=at_least)
    mine = tf.function(lambda h, c: class_loss.mine_negatives(h, c, config), jit_compile=jit)
    expected = mine_by_sorting(hardness, class_ids, 3, at_least)
    np.testing.assert_array_equal(mine(hardness, class_ids), expected)
    np.testing.assert_array_equal(class_loss.count_mined(class_ids, config), expected.sum(1))


@pytest.mark.parametrize("jit", [False, True])
def test_as_many_are_mined_as_are_wanted_whatever_size_is_put_in_order(jit):
    """Around the sizes 256, 1024 and 4096: three negatives a positive."""
    rng = np.random.default_rng(13)
    mine = tf.function(lambda h, c: class_loss.mine_negatives(h, c, configs.Losses()), jit_compile=jit)
    hardness = np.round(rng.gamma(2.0, size=(2, 5000)), 2).astype(np.float32)
    for positives in (0, 85, 86, 341, 342, 1365, 1366):
        class_ids = np.zeros((2, 5000), np.int32)
        class_ids[1, rng.permutation(5000)[:positives]] = 1
        class_ids[:, rng.permutation(5000)[:50]] = -1
        np.testing.assert_array_equal(
            mine(hardness, class_ids), mine_by_sorting(hardness, class_ids, 3, 0), err_msg=str(positives)
        )


def test_the_sum_is_the_cross_entropy_of_positives_and_mined_negatives():
    rng = np.random.default_rng(12)
    logits = rng.normal(size=(2, 30, 4)).astype(np.float32) * 5
    class_ids = rng.choice([-1, 0, 1, 2, 3], (2, 30), p=[0.1, 0.75, 0.05, 0.05, 0.05]).astype(np.int32)
    total = class_loss.sum_class_loss(tf.constant(logits), tf.constant(class_ids), configs.Losses())
    exponents = np.exp(logits.astype(np.float64))
    entropy = -np.log(exponents / exponents.sum(-1, keepdims=True))
    chosen = mine_by_sorting(entropy[..., 0], class_ids, 3, 0)
    labels = np.maximum(class_ids, 0)
    expected = np.take_along_axis(entropy, labels[..., None], -1)[..., 0][(class_ids > 0) | chosen].sum()
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_the_gradient_of_an_anchor_is_that_of_its_own_cross_entropy():
    logits = tf.constant(np.random.default_rng(13).normal(size=(1, 20, 3)), tf.float32)
    class_ids = tf.constant([[1, -1] + [0] * 18])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = class_loss.sum_class_loss(logits, class_ids, configs.Losses())
    gradient = tape.gradient(total, logits).numpy()[0]
    touched = np.flatnonzero(np.abs(gradient).sum(-1))
    assert len(touched) == 4
    expected = tf.nn.softmax(logits)[0].numpy() - np.eye(3)[np.maximum(class_ids[0], 0)]
    np.testing.assert_allclose(gradient[touched], expected[touched], atol=1e-6)


def test_logits_far_apart_stay_finite():
    logits = tf.constant([[[-1e4, 1e4], [1e4, -1e4], [3e30, -3e30]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = class_loss.sum_class_loss(logits, tf.constant([[1, 0, 0]]), configs.Losses())
    assert np.isfinite(total)
    assert np.isfinite(tape.gradient(total, logits)).all()


@pytest.mark.parametrize("jit", [False, True])
def test_hardness_equals_that_in_float64_from_unsure_to_beyond_what_a_float_can_say(jit):
    rng = np.random.default_rng(14)
    logits = rng.normal(size=(3, 40, 7)) * np.array([1.0, 20.0, 300.0])[:, np.newaxis, np.newaxis]
    logits = logits.astype(np.float32)
    exact = logits.astype(np.float64)
    expected = np.logaddexp.reduce(exact, axis=-1) - exact[..., 0]
    hardness = tf.function(class_loss.measure_hardness, jit_compile=jit)(logits).numpy()
    np.testing.assert_allclose(hardness, expected, rtol=1e-6, atol=1e-6)
    assert (hardness >= 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_positive_that_is_not_finite_is_not_lost(value):
    logits = np.zeros((1, 300, 4), np.float32)
    logits[0, 7, 2] = value
    class_ids = np.zeros((1, 300), np.int32)
    class_ids[0, 7] = 1
    total = class_loss.sum_class_loss(tf.constant(logits), tf.constant(class_ids), configs.Losses())
    assert not np.isfinite(total)
