"""Which anchors the original trained with, and the gradients of single coefficients, against its record."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import class_loss
from official_yolact.losses import targets
from official_yolact.losses import yolact_loss

GRADIENTS = {
    "box_outputs": "loc",
    "mask_coefficients": "mask",
    "prototypes": "proto",
    "semantic_outputs": "segm",
}

pytestmark = pytest.mark.shared


def used_anchors(recorded):
    packed = recorded["conf_used_mask_packed"]
    return np.unpackbits(packed, axis=-1)[:, : len(recorded["priors"])].astype(bool)


def test_the_original_has_as_many_positives(every_recorded_case):
    recorded, labels, _, anchors = every_recorded_case
    built = targets.build_targets(labels, anchors, configs.Losses())
    np.testing.assert_array_equal((built["class_ids"].numpy() > 0).sum(1), recorded["num_pos"])


@pytest.mark.parametrize("jit", [False, True])
def test_positives_and_mined_negatives_are_the_recorded_set(every_recorded_case, jit):
    recorded, labels, raw, anchors = every_recorded_case

    @tf.function(jit_compile=jit)
    def gradient(logits, class_ids):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total = class_loss.sum_class_loss(logits, class_ids, configs.Losses())
        return tape.gradient(total, logits), class_loss.count_mined(class_ids, configs.Losses())

    class_ids = targets.build_targets(labels, anchors, configs.Losses())["class_ids"]
    gradients, mined = gradient(raw["cls_outputs"], class_ids)
    used = used_anchors(recorded)
    np.testing.assert_array_equal(np.abs(gradients.numpy()).max(-1) > 0, used)
    assert int(np.sum(mined)) == used.sum() - recorded["num_pos"].sum()


def test_signed_sums_of_gradients_and_those_of_single_coefficients_are_the_recorded_ones(recorded_case):
    recorded, labels, raw, anchors = recorded_case
    loss = yolact_loss.YolactLoss(configs.Losses(), anchors)
    with tf.GradientTape() as tape:
        tape.watch(raw)
        total = loss(raw, labels)["total_loss"]
    gradients = tape.gradient(total, raw)
    for name, short in GRADIENTS.items():
        signed = gradients[name].numpy().astype(np.float64).sum()
        np.testing.assert_allclose(signed, recorded[f"grad_sum_{short}"][0], rtol=1e-4, err_msg=name)
    positive = recorded["match0_conf_t"] > 0
    ours = gradients["mask_coefficients"].numpy()[0][positive]
    expected = recorded["grad_mask_pos"]
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())
