"""The quality loss against loops in NumPy, and what learns from it."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import targets as targets_lib
from official_yolact.losses import yolact_loss
from official_yolact.ops import box_coder


def _sum_by_loops(raw, labels, anchors):
    """Sum over all positives, of bool masks."""
    targets = targets_lib.build_targets(labels, anchors, configs.Losses())
    boxes = box_coder.decode(tf.constant(raw["box_outputs"]), anchors).numpy()
    total, count = 0.0, 0
    for b, a in np.argwhere(targets["class_ids"].numpy() > 0):
        logits = raw["prototypes"][b].astype(float) @ raw["mask_coefficients"][b, a]
        found = logits > 0
        y1, x1, y2, x2 = boxes[b, a] * 16
        for y, x in np.ndindex(16, 16):
            if not (y1 - 1 <= y < y2 + 1 and x1 - 1 <= x < x2 + 1):
                found[y, x] = False
        truth = labels["masks"][b, targets["instance_index"][b, a]]
        iou = (found & truth).sum() / max((found | truth).sum(), 1)
        s = 1 / (1 + np.exp(-float(raw["quality_outputs"][b, a])))
        total -= iou * np.log(s) + (1 - iou) * np.log(1 - s)
        count += 1
    return total / count


def _make(make_case, small_anchors, counts):
    labels, raw = make_case(counts)
    rng = np.random.default_rng(71)
    raw["quality_outputs"] = rng.normal(size=(len(counts), len(small_anchors))).astype(np.float32)
    raw["box_outputs"] *= 0.3
    return labels, raw


def _run(labels, raw, anchors, jit=False, **fields):
    loss = yolact_loss.YolactLoss(configs.Losses(**{"masks_to_train": 19, **fields}), anchors)

    @tf.function(jit_compile=jit)
    def run(raw, labels):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            losses = loss(raw, labels)
        return losses, tape.gradient(losses["quality_loss"], raw, unconnected_gradients="zero")

    return run(tf.nest.map_structure(tf.constant, raw), tf.nest.map_structure(tf.constant, labels))


@pytest.mark.parametrize("jit", [False, True])
def test_the_sum_is_the_entropy_of_predicted_and_true_mask_iou(make_case, small_anchors, jit):
    labels, raw = _make(make_case, small_anchors, [2, 1])
    losses, gradients = _run(labels, raw, small_anchors, jit, quality_weight=2.0)
    np.testing.assert_allclose(
        losses["quality_loss"], 2 * _sum_by_loops(raw, labels, small_anchors), rtol=1e-4
    )
    parts = [float(value) for name, value in losses.items() if name != "total_loss"]
    np.testing.assert_allclose(losses["total_loss"], sum(parts), rtol=1e-6)
    for name, gradient in gradients.items():
        assert gradient.numpy().any() == (name == "quality_outputs"), name


def test_shares_that_are_whole_cells_teach_what_bool_masks_do(make_case, small_anchors):
    labels, raw = _make(make_case, small_anchors, [2, 1])
    labels["masks"][:] = False
    labels["masks"][:, :, 4:12, 4:12] = True
    raw["prototypes"][:] = 0
    raw["prototypes"][:, :8, :, 0], raw["prototypes"][:, 8:, :, 1] = 40, 40
    raw["mask_coefficients"][..., 0], raw["mask_coefficients"][..., 1] = 0.9, -0.9
    raw["mask_coefficients"][..., 2:] = 0
    plain = _run(labels, raw, small_anchors)[0]["quality_loss"]
    shares = {**labels, "masks": labels["masks"].astype(np.float16)}
    np.testing.assert_allclose(_run(shares, raw, small_anchors)[0]["quality_loss"], plain, rtol=0.1)


@pytest.mark.parametrize("counts", [[0, 0], [6, 6]])
def test_empty_images_and_more_positives_than_are_drawn_are_finite(make_case, small_anchors, counts):
    labels, raw = _make(make_case, small_anchors, counts)
    raw["box_outputs"][0, :50] = 1e20
    losses, gradients = _run(labels, raw, small_anchors, masks_to_train=3)
    assert np.isfinite(losses["quality_loss"])
    assert (float(losses["quality_loss"]) > 0) == bool(counts[0])
    assert np.isfinite(gradients["quality_outputs"]).all()
