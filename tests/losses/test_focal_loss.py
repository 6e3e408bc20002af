"""The class losses over all anchors against their definitions in NumPy, and what they teach."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import focal_loss
from official_yolact.losses import yolact_loss


def _draw(seed=51):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(2, 30, 4)).astype(np.float32) * 3
    class_ids = rng.choice([-1, 0, 1, 2, 3], (2, 30), p=[0.1, 0.5, 0.2, 0.1, 0.1]).astype(np.int32)
    return logits, class_ids, rng.random((2, 30)).astype(np.float32)


def _softmax(logits):
    exponents = np.exp(logits.astype(np.float64))
    return exponents / exponents.sum(-1, keepdims=True)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.0, 0.5), (0.5, 0.9)])
def test_the_focal_loss_is_that_of_the_paper(jit, gamma, alpha):
    logits, class_ids, _ = _draw()
    config = configs.Losses(class_loss="focal", focal_gamma=gamma, focal_alpha=alpha)
    run = tf.function(lambda a, b: focal_loss.sum_focal_loss(a, b, config), jit_compile=jit)
    expected = 0.0
    for anchor, kind in zip(_softmax(logits).reshape(-1, 4), class_ids.ravel(), strict=True):
        if kind >= 0:
            weight = alpha if kind else 1 - alpha
            expected -= weight * (1 - anchor[kind]) ** gamma * np.log(anchor[kind])
    np.testing.assert_allclose(run(logits, class_ids), expected, rtol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_the_quality_loss_is_entropy_times_the_squared_distance_of_the_distributions(jit):
    logits, class_ids, quality = _draw()
    config = configs.Losses(class_loss="quality")
    run = tf.function(lambda *a: focal_loss.sum_quality_loss(*a, config), jit_compile=jit)
    expected = 0.0
    anchors = zip(_softmax(logits).reshape(-1, 4), class_ids.ravel(), quality.ravel(), strict=True)
    for anchor, kind, fit in anchors:
        if kind >= 0:
            wanted = np.zeros(4)
            wanted[0] = 1 - fit if kind else 1
            wanted[kind] += fit if kind else 0
            expected -= (np.abs(wanted - anchor).sum() / 2) ** 2 * (wanted * np.log(anchor)).sum()
    np.testing.assert_allclose(run(logits, class_ids, quality), expected, rtol=1e-4)


def test_with_two_classes_the_quality_loss_is_the_quality_focal_loss():
    """|y - s|^2 times the binary cross-entropy, s the sigmoid of the difference of the logits."""
    logits = np.random.default_rng(52).normal(size=(1, 20, 2)).astype(np.float32) * 2
    quality = np.random.default_rng(53).random((1, 20)).astype(np.float32)
    found = focal_loss.sum_quality_loss(
        tf.constant(logits), tf.ones([1, 20], tf.int32), quality, configs.Losses(class_loss="quality")
    )
    s = 1 / (1 + np.exp(logits[..., 0].astype(float) - logits[..., 1]))
    entropy = -quality * np.log(s) - (1 - quality) * np.log(1 - s)
    np.testing.assert_allclose(found, ((quality - s) ** 2 * entropy).sum(), rtol=1e-4)


def test_scores_that_equal_the_quality_cost_nothing_and_others_do():
    wanted = np.float32([[[0.3, 1e-9, 0.7], [0.8, 0.2, 1e-9]]])
    class_ids, quality = tf.constant([[2, 1]]), tf.constant([[0.7, 0.2]])
    config = configs.Losses(class_loss="quality")
    assert focal_loss.sum_quality_loss(tf.math.log(wanted), class_ids, quality, config) < 1e-6
    for shift in ([0.2, 0, 0], [0, 3, 0], [0, 0, -0.2]):
        logits = tf.math.log(wanted * np.exp(np.float32(shift)))
        assert focal_loss.sum_quality_loss(logits, class_ids, quality, config) > 1e-5


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradients_are_finite_for_sure_anchors_and_ignored_ones_have_none(gamma):
    logits = tf.constant([[[100.0, -100, 0], [-1e30, 1e30, 0], [1e4, 0, -1e4], [0.0, 0, 0], [5.0, 1, 2]]])
    class_ids = tf.constant([[0, 1, 2, 1, -1]])
    config = configs.Losses(focal_gamma=gamma)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        focal = focal_loss.sum_focal_loss(logits, class_ids, config)
        quality = focal_loss.sum_quality_loss(logits, class_ids, tf.constant([[1.0, 1, 0, 0.5, 1]]), config)
    for total in (focal, quality):
        gradient = tape.gradient(total, logits).numpy()
        assert np.isfinite(total)
        assert np.isfinite(gradient).all()
        assert not gradient[0, 4].any()


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("class_loss", ["focal", "quality"])
def test_with_every_other_choice_losses_are_finite_and_empty_images_count(
    make_case, small_anchors, class_loss, jit
):
    labels, raw = make_case([0, 3, 6])
    labels["is_crowd"][1] = True
    labels["boxes"][2, :, 2:] = labels["boxes"][2, :, :2]
    config = configs.Losses(class_loss=class_loss, box_loss="ciou", assignment="adaptive", min_negatives=5)
    loss = yolact_loss.YolactLoss(config, small_anchors, [(8, 8), (4, 4), (2, 2)])
    raw = {name: tf.constant(value) for name, value in raw.items()}

    @tf.function(jit_compile=jit)
    def run(raw, labels):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            losses = loss(raw, labels)
        return losses, tape.gradient(losses["total_loss"], raw)

    losses, gradients = run(raw, tf.nest.map_structure(tf.constant, labels))
    assert all(np.isfinite(value) for value in losses.values())
    assert all(np.isfinite(value).all() for value in gradients.values())
    assert np.abs(gradients["cls_outputs"][0]).max() > 0
