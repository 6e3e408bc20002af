"""The choice of the positives that draw masks, and what is drawn."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.losses import drawn_masks


def test_up_to_the_limit_all_positives_are_chosen_in_order():
    positive = np.zeros((2, 30), bool)
    positive[0, [3, 7, 20]] = True
    positive[1, [0, 1, 2, 3, 29]] = True
    chosen, counts = drawn_masks.choose_positives(positive, np.zeros((2, 2), np.int32), 5)
    np.testing.assert_array_equal(chosen[0, :3], [3, 7, 20])
    np.testing.assert_array_equal(chosen[1], [0, 1, 2, 3, 29])
    np.testing.assert_array_equal(counts, [[1, 1, 1, 0, 0], [1] * 5])


@pytest.mark.parametrize("jit", [False, True])
def test_beyond_the_limit_the_subset_is_a_function_of_the_images_own_seed(jit):
    positive = np.random.default_rng(22).random((3, 200)) > 0.5
    positive[1] = positive[2]
    choose = tf.function(lambda p, s: drawn_masks.choose_positives(p, s, 20), jit_compile=jit)
    seeds = np.array([[1, 2], [3, 4], [3, 5]], np.int32)
    chosen, counts = (np.asarray(part) for part in choose(positive, seeds))
    assert counts.all()
    for i in range(3):
        assert len(set(chosen[i])) == 20
        assert positive[i, chosen[i]].all()
        alone = drawn_masks.choose_positives(positive[i : i + 1], seeds[i : i + 1], 20)[0]
        np.testing.assert_array_equal(alone[0], chosen[i])
    assert set(chosen[1]) != set(chosen[2])


def test_every_positive_is_chosen_equally_often():
    positive = np.ones((1000, 10), bool)
    seeds = np.stack([np.zeros(1000), np.arange(1000)], 1).astype(np.int32)
    chosen, _ = tf.function(lambda p, s: drawn_masks.choose_positives(p, s, 3))(positive, seeds)
    frequency = np.bincount(np.ravel(chosen), minlength=10)
    assert np.abs(frequency - 300).max() < 5 * np.sqrt(1000 * 0.3 * 0.7)
