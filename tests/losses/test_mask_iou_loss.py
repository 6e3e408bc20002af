"""The mask-IoU loss against the recorded original and against loops in NumPy; what it teaches."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import drawn_masks
from official_yolact.losses import mask_iou_loss
from official_yolact.losses import smooth_l1
from official_yolact.losses import yolact_loss
from official_yolact.modeling.heads import mask_iou_head

TERMS = {
    "class_loss": "C",
    "box_loss": "B",
    "mask_loss": "M",
    "semantic_loss": "S",
    "mask_iou_loss": "I",
}
GRADIENTS = {
    "box_outputs": "loc",
    "cls_outputs": "conf",
    "mask_coefficients": "mask",
    "prototypes": "proto",
    "semantic_outputs": "segm",
}


def _recorded_head(recorded):
    head = mask_iou_head.MaskIoUHead(81)
    head(tf.zeros([1, 138, 138]))
    for index, conv in enumerate([*head.convs, head.project]):
        name = f"maskiou_net.maskiou_net.{2 * index}"
        conv.kernel.assign(recorded[f"{name}.weight"].transpose(2, 3, 1, 0))
        conv.bias.assign(recorded[f"{name}.bias"])
    return head


@pytest.mark.shared
def test_losses_and_gradients_equal_the_recorded_ones(recorded_plus):
    recorded, labels, raw, anchors = recorded_plus
    head = _recorded_head(recorded)
    # The record is of all positives, up to 159 in an image.
    loss = yolact_loss.YolactLoss(configs.Losses(masks_to_train=159), anchors)

    @tf.function
    def run(raw, labels):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            losses = loss(raw, labels, head)
        return losses, tape.gradient(losses["total_loss"], raw)

    losses, gradients = run(raw, tf.nest.map_structure(tf.constant, labels))
    for name, letter in TERMS.items():
        np.testing.assert_allclose(losses[name], recorded[f"loss_allmasks_{letter}"], rtol=1e-6)
    np.testing.assert_allclose(losses["total_loss"], sum(losses[name] for name in TERMS), rtol=1e-6)
    for name, short in GRADIENTS.items():
        wide = gradients[name].numpy().astype(np.float64)
        expected = recorded[f"grad_sum_{short}"]
        np.testing.assert_allclose(np.abs(wide).sum(), expected[1], rtol=1e-5)
        np.testing.assert_allclose(wide.sum(), expected[0], atol=1e-5 * expected[1])
    ids = np.stack([recorded[f"match{i}_conf_t"] for i in range(3)])
    of_positives = gradients["mask_coefficients"].numpy()[ids > 0][:64]
    np.testing.assert_allclose(of_positives, recorded["grad_mask_pos"], atol=1e-7)


def _draw(seed=41, shape=(2, 5, 9, 8)):
    rng = np.random.default_rng(seed)
    batch, places = shape[:2]
    masks = rng.random(shape) > 0.4
    masks[0, 1] = False
    masks[0, 1, :3, :4] = True  # 12 cells
    return drawn_masks.DrawnMasks(
        logits=(rng.normal(size=shape) * 4).astype(np.float32),
        windows=rng.random(shape) > 0.3,
        masks=masks,
        classes=np.array([[1, 3, 2, 0, -1], [3, 3, 1, 2, 1]], np.int32),
        box_areas=np.ones((batch, places), np.float32),
        taken=np.arange(places) < np.array([[3], [5]]),
        num_positives=np.array([3, 9], np.float32),
    )


def _read_brightness(masks):
    """A head that is no network: class c gets c times the mean of the mask, and 0.1."""
    mean = tf.reduce_mean(masks, axis=[1, 2])
    return mean[:, tf.newaxis] * tf.constant([[1.0, 2.0, 3.0]]) + 0.1


def _sum_by_loops(drawn, min_area):
    total = 0.0
    for b, t in zip(*np.nonzero(drawn.taken), strict=True):
        truth = {tuple(cell) for cell in np.argwhere(drawn.masks[b, t])}
        if len(truth) <= min_area:
            continue
        soft = drawn.windows[b, t] / (1 + np.exp(-drawn.logits[b, t].astype(np.float64)))
        found = {tuple(cell) for cell in np.argwhere(soft > 0.5)}
        error = abs(drawn.classes[b, t] * soft.mean() + 0.1 - len(truth & found) / len(truth | found))
        total += error - 0.5 if error >= 1 else error**2 / 2
    return total


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("min_area", [0, 12, 40, 72])
def test_the_sum_is_the_smooth_distance_of_predicted_and_true_iou(jit, min_area):
    drawn = _draw()
    run = tf.function(lambda: mask_iou_loss.sum_mask_iou_loss(drawn, _read_brightness, min_area))
    found = tf.function(run, jit_compile=True)() if jit else run()
    np.testing.assert_allclose(found, _sum_by_loops(drawn, min_area), rtol=1e-5)


def test_a_mask_of_no_more_than_the_smallest_area_teaches_nothing():
    drawn = _draw()
    with_it = mask_iou_loss.sum_mask_iou_loss(drawn, _read_brightness, 11)
    without = mask_iou_loss.sum_mask_iou_loss(drawn, _read_brightness, 12)
    assert float(with_it) > float(without) > 0


@pytest.mark.parametrize(("error", "expected"), [(0, 0), (0.5, 0.125), (-0.5, 0.125), (1, 0.5), (-3, 2.5)])
def test_the_smooth_distance_turns_straight_at_1(error, expected):
    assert smooth_l1.smooth_l1(tf.constant(error, tf.float32)) == expected


def _losses_and_gradients(labels, raw, anchors, min_area, jit=False):
    head = mask_iou_head.MaskIoUHead(5)
    head(tf.zeros([1, 16, 16]))
    for conv in [*head.convs, head.project]:
        conv.kernel.assign(tf.abs(conv.kernel))  # no ReLU is off everywhere
    loss = yolact_loss.YolactLoss(configs.Losses(min_mask_iou_area=min_area, masks_to_train=20), anchors)

    @tf.function(jit_compile=jit)
    def run(raw, labels):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            losses = loss(raw, labels, head)
        sources = [raw["mask_coefficients"], raw["prototypes"], raw["box_outputs"], head.trainable_variables]
        return losses, tape.gradient(losses["mask_iou_loss"], sources, unconnected_gradients="zero")

    arguments = (tf.nest.map_structure(tf.constant, part) for part in (raw, labels))
    losses, gradients = run(*arguments)
    return {name: float(value) for name, value in losses.items()}, tf.nest.map_structure(
        np.asarray, gradients
    )


@pytest.mark.parametrize("jit", [False, True])
def test_coefficients_prototypes_and_the_branch_learn_from_it(make_case, small_anchors, jit):
    labels, raw = make_case([3, 2])
    losses, (coefficients, prototypes, boxes, weights) = _losses_and_gradients(
        labels, raw, small_anchors, 0, jit
    )
    terms = ("class_loss", "box_loss", "mask_loss", "semantic_loss", "mask_iou_loss")
    np.testing.assert_allclose(losses["total_loss"], sum(losses[name] for name in terms), rtol=1e-6)
    assert losses["mask_iou_loss"] > 0
    assert np.abs(coefficients).max() > 0
    assert np.abs(prototypes).max() > 0
    assert not boxes.any()
    assert all(np.isfinite(gradient).all() and np.abs(gradient).max() > 0 for gradient in weights)


@pytest.mark.parametrize("counts", [[3, 2], [0, 0]])
def test_without_a_mask_that_counts_the_loss_and_its_gradients_are_0(make_case, small_anchors, counts):
    labels, raw = make_case(counts)
    losses, gradients = _losses_and_gradients(labels, raw, small_anchors, min_area=16 * 16)
    assert losses["mask_iou_loss"] == 0
    assert not any(gradient.any() for gradient in tf.nest.flatten(gradients))
    assert np.isfinite(losses["total_loss"])


def test_a_subset_of_the_positives_is_not_scaled_up(make_case, small_anchors):
    labels, raw = make_case([1])
    labels["masks"][:] = True
    num = len(small_anchors)
    targets = {
        "class_ids": np.where(np.arange(num) < 12, 1, 0).astype(np.int32)[None],
        "instance_index": np.zeros((1, num), np.int32),
    }
    same = np.broadcast_to(raw["mask_coefficients"][:, :1], raw["mask_coefficients"].shape)
    args = (tf.constant(raw["prototypes"]), tf.constant(same), labels, targets)
    sums = [
        mask_iou_loss.sum_mask_iou_loss(drawn_masks.draw_masks(*args, limit), _read_brightness, 25)
        for limit in (1, 5, 100)
    ]
    np.testing.assert_allclose(sums, np.array([1, 5, 12]) * float(sums[0]), rtol=1e-5)


def test_without_the_branch_there_is_no_such_loss(make_case, small_anchors):
    labels, raw = make_case([3, 2])
    loss = yolact_loss.YolactLoss(configs.Losses(), small_anchors)
    assert set(loss(raw, labels)) == {*TERMS, "total_loss"} - {"mask_iou_loss"}


def _see_outlines(jit):
    """IoU of a disc with an enlarged soft one at full size, and as shares and binary masks of cells say it."""
    rows, columns = np.mgrid[:384, :384] / 16.0
    masks, soft, true = [], [], []
    for row, column, radius, shift, growth in (
        (11.3, 12.1, 6.2, 0.0, 0.0),
        (11.3, 12.1, 6.2, 0.7, 0.0),
        (9.9, 13.4, 3.1, 0.3, 0.4),
        (12.6, 10.2, 1.7, 0.2, -0.2),
        (12.0, 12.0, 2.2, 0.9, 0.1),
        (7.7, 15.1, 5.4, 1.8, 0.9),
    ):
        wanted = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        reached = (rows - row - shift) ** 2 + (columns - column) ** 2 < (radius + growth) ** 2
        shares = [mask.reshape(24, 16, 24, 16).mean((1, 3)) for mask in (wanted, reached)]
        masks.append(shares[0])
        soft.append(shares[1])
        shown = tf.image.resize(shares[1][..., np.newaxis], [384, 384]).numpy()[..., 0] > 0.5
        true.append((wanted & shown).sum() / (wanted | shown).sum())
    masks, soft = np.array(masks, np.float16), np.array(soft, np.float32)
    estimate = tf.function(mask_iou_loss._compute_shared_iou, jit_compile=jit)(soft, masks.astype(np.float32))
    binary = mask_iou_loss._compute_iou(tf.constant(soft > 0.5), tf.constant(masks > 0.5))
    return np.array(true), estimate.numpy(), binary.numpy()


@pytest.mark.parametrize("jit", [False, True])
def test_shares_say_the_iou_at_full_size_better_than_binary_masks_of_the_grid(jit):
    true, estimate, binary = _see_outlines(jit)
    assert np.abs(estimate - true).max() < 0.05
    assert np.abs(estimate - true).mean() < 0.5 * np.abs(binary - true).mean()


def test_the_loss_takes_shares_and_their_sum_is_the_area_that_counts():
    drawn = _draw()
    shares = np.where(drawn.masks, 0.5, 0.0).astype(np.float16)
    shares[0, 1, :3, :4] = 1.0  # 12 cells
    drawn = drawn._replace(masks=tf.constant(shares))
    losses = [
        mask_iou_loss.sum_mask_iou_loss(drawn, _read_brightness, area).numpy() for area in (11.9, 12.0, 72.0)
    ]
    assert losses[0] > losses[1] > losses[2] == 0.0
