"""The losses against the recorded original; laws; legal inputs at the edge."""

import forks
import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import yolact_loss

TERMS = {"class_loss": "C", "box_loss": "B", "mask_loss": "M", "semantic_loss": "S"}
GRADIENTS = {
    "box_outputs": "loc",
    "cls_outputs": "conf",
    "mask_coefficients": "mask",
    "prototypes": "proto",
    "semantic_outputs": "segm",
}


def losses_and_gradients(config, anchors, raw, labels, jit=False):
    loss = yolact_loss.YolactLoss(config, anchors)

    @tf.function(jit_compile=jit)
    def run(raw, labels):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            losses = loss(raw, labels)
        return losses, tape.gradient(losses["total_loss"], raw)

    losses, gradients = run(
        tf.nest.map_structure(tf.constant, raw), tf.nest.map_structure(tf.constant, labels)
    )
    return {k: float(v) for k, v in losses.items()}, {k: v.numpy() for k, v in gradients.items()}


def assert_finite(losses, gradients):
    assert all(np.isfinite(value) for value in losses.values()), losses
    for name, gradient in gradients.items():
        assert np.isfinite(gradient).all(), name


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "jit"), [("losses", False), ("losses_small", False), ("losses_small", True)]
)
def test_losses_and_gradients_equal_the_recorded_ones(load_case, name, jit):
    recorded, labels, raw, anchors = load_case(name)
    losses, gradients = losses_and_gradients(configs.Losses(), anchors, raw, labels, jit)
    for term, letter in TERMS.items():
        np.testing.assert_allclose(losses[term], recorded[f"loss_allmasks_{letter}"], rtol=1e-6)
    np.testing.assert_allclose(losses["total_loss"], sum(losses[term] for term in TERMS), rtol=1e-6)
    for output, short in GRADIENTS.items():
        wide = gradients[output].astype(np.float64)
        expected = recorded[f"grad_sum_{short}"]
        np.testing.assert_allclose(np.abs(wide).sum(), expected[1], rtol=1e-5)
        np.testing.assert_allclose(wide.sum(), expected[0], atol=1e-5 * expected[1])


@pytest.mark.parametrize(("jit", "min_negatives"), [(False, 0), (False, 8), (True, 8)])
def test_losses_are_finite_for_images_at_the_edge(make_case, small_anchors, jit, min_negatives):
    labels, raw = make_case([0, 3, 6, 6, 2, 4])
    labels["is_crowd"][1] = True
    labels["boxes"][2, :, 2:] = labels["boxes"][2, :, :2] + 1 / 64
    labels["boxes"][3, :3, 2:] = labels["boxes"][3, :3, :2]
    labels["boxes"][3, 3:, 3] = labels["boxes"][3, 3:, 1]
    labels["boxes"][4, :2] = [0, 0, 1, 1]
    labels["weight"][5] = 0
    config = configs.Losses(min_negatives=min_negatives)
    assert_finite(*losses_and_gradients(config, small_anchors, raw, labels, jit))


@pytest.mark.parametrize("min_negatives", [0, 8])
def test_a_batch_without_objects_teaches_only_background_and_semantics(
    make_case, small_anchors, min_negatives
):
    labels, raw = make_case([0, 0])
    config = configs.Losses(min_negatives=min_negatives)
    losses, gradients = losses_and_gradients(config, small_anchors, raw, labels)
    assert_finite(losses, gradients)
    assert losses["box_loss"] == losses["mask_loss"] == 0
    assert (losses["class_loss"] > 0) == bool(min_negatives)
    touched = np.abs(gradients["cls_outputs"]).sum(-1) > 0
    np.testing.assert_array_equal(touched.sum(1), [min_negatives] * 2)


def test_mined_negatives_of_empty_images_weigh_as_thirds_of_positives(make_case, small_anchors):
    labels, raw = make_case([0, 0])
    raw["cls_outputs"][:] = 0
    losses, _ = losses_and_gradients(configs.Losses(min_negatives=12), small_anchors, raw, labels)
    np.testing.assert_allclose(losses["class_loss"], 3 * np.log(5), rtol=1e-6)


def test_an_image_of_weight_0_changes_nothing(make_case, small_anchors):
    labels, raw = make_case([3, 5, 2])
    labels["weight"][1] = 0
    config = configs.Losses(min_negatives=5)
    three = losses_and_gradients(config, small_anchors, raw, labels)
    keep = [0, 2]
    labels, raw = ({k: v[keep] for k, v in part.items()} for part in (labels, raw))
    two = losses_and_gradients(config, small_anchors, raw, labels)
    for name, value in two[0].items():
        np.testing.assert_allclose(three[0][name], value, rtol=1e-5)
    for name, gradient in three[1].items():
        assert not gradient[1].any(), name
        np.testing.assert_allclose(gradient[keep], two[1][name], atol=1e-6)


def test_a_batch_of_weight_0_teaches_nothing(make_case, small_anchors):
    labels, raw = make_case([3, 0])
    labels["weight"][:] = 0
    losses, gradients = losses_and_gradients(configs.Losses(min_negatives=5), small_anchors, raw, labels)
    assert set(losses.values()) == {0.0}
    assert not any(gradient.any() for gradient in gradients.values())


def test_padding_rows_change_nothing(make_case, small_anchors):
    labels, raw = make_case([3, 2], rows=6)
    padded = losses_and_gradients(configs.Losses(), small_anchors, raw, labels)[0]
    labels["boxes"][:, 3:] = [0.1, 0.1, 0.8, 0.8]
    labels["classes"][:, 3:] = 4
    labels["masks"][:, 3:] = True
    labels["is_crowd"][:, 4:] = True
    assert losses_and_gradients(configs.Losses(), small_anchors, raw, labels)[0] == padded
    for name in ("boxes", "classes", "masks", "is_crowd"):
        labels[name] = labels[name][:, :3]
    unpadded = losses_and_gradients(configs.Losses(), small_anchors, raw, labels)[0]
    for name, value in unpadded.items():
        np.testing.assert_allclose(value, padded[name], rtol=1e-6)


def test_weights_scale_their_terms(make_case, small_anchors):
    labels, raw = make_case([3, 2])
    one = losses_and_gradients(configs.Losses(), small_anchors, raw, labels)[0]
    weights = configs.Losses(class_weight=2.0, box_weight=3.0, mask_weight=12.25, semantic_weight=0.0)
    other = losses_and_gradients(weights, small_anchors, raw, labels)[0]
    for name, factor in (("class_loss", 2), ("box_loss", 2), ("mask_loss", 2), ("semantic_loss", 0)):
        np.testing.assert_allclose(other[name], factor * one[name], rtol=1e-6)


def test_half_precision_outputs_give_float32_losses(make_case, small_anchors):
    labels, raw = make_case([3, 2])
    half = {name: tf.cast(value, tf.bfloat16) for name, value in raw.items()}
    rounded = {name: tf.cast(value, tf.float32) for name, value in half.items()}
    loss = yolact_loss.YolactLoss(configs.Losses(), small_anchors)
    ours, expected = loss(half, labels), loss(rounded, labels)
    for name, value in ours.items():
        assert value.dtype == tf.float32
        np.testing.assert_array_equal(value, expected[name])


def test_two_replicas_agree_with_one():
    forks.run_beside(__file__, "two_replicas.py")
