"""Compare the losses and gradients of one replica with those of two, on logical CPUs."""

import numpy as np
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.losses import yolact_loss
from official_yolact.ops import anchors as anchors_lib


def make_batch(anchors):
    rng = np.random.default_rng(31)
    boxes = np.zeros((4, 5, 4), np.float32)
    centre, size = rng.random((4, 5, 2)), rng.uniform(0.2, 0.5, (4, 5, 2))
    boxes[:] = np.clip(np.concatenate([centre - size / 2, centre + size / 2], -1), 0, 1)
    labels = {
        "boxes": boxes,
        "classes": rng.integers(1, 5, (4, 5)).astype(np.int32),
        "num_instances": np.array([5, 4, 1, 0], np.int32),
        "is_crowd": np.zeros((4, 5), bool),
        "masks": rng.random((4, 5, 16, 16)) > 0.5,
        "semantic_masks": rng.random((4, 8, 8, 4)) > 0.5,
        "weight": np.array([1, 1, 1, 0], np.float32),
        "seed": np.zeros((4, 2), np.int32),
    }
    raw = {
        "box_outputs": rng.normal(size=(4, len(anchors), 4)),
        "cls_outputs": rng.normal(size=(4, len(anchors), 5)),
        "mask_coefficients": np.tanh(rng.normal(size=(4, len(anchors), 8))),
        "prototypes": np.maximum(rng.normal(size=(4, 16, 16, 8)), 0),
        "semantic_outputs": rng.normal(size=(4, 8, 8, 4)),
    }
    return {k: v.astype(np.float32) for k, v in raw.items()}, labels


def predict_iou(masks):
    return tf.reduce_mean(masks, axis=[1, 2])[:, tf.newaxis] * tf.constant([[1.0, 2.0, 3.0, 4.0]])


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    anchors = anchors_lib.build_anchors((64, 64), 3, 5, [12, 24, 48], 1, [1, 0.5, 2], True)
    loss = yolact_loss.YolactLoss(configs.Losses(min_negatives=3), anchors)
    raw, labels = make_batch(anchors)
    shares = np.random.default_rng(32).uniform(-0.5, 1.5, labels["masks"].shape).clip(0, 1)
    for masks in (labels["masks"], shares.astype(np.float16)):
        compare(loss, raw, {**labels, "masks": masks})


def compare(loss, raw, labels):
    def compute(scale, raw, labels):
        factor = tf.constant(1.0)
        with tf.GradientTape() as tape:
            tape.watch(factor)
            scaled = {name: value * factor for name, value in raw.items()}
            losses = loss(scaled, labels, predict_iou)
            share = losses["total_loss"] / scale
        return losses, tape.gradient(share, factor)

    expected, expected_gradient = compute(1.0, raw, labels)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    halves = [
        {k: tf.constant(v[i : i + 2]) for k, v in part.items()} for i in (0, 2) for part in (raw, labels)
    ]

    @tf.function
    def step():
        def replica():
            first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
            chosen = [
                tf.nest.map_structure(lambda a, b: tf.where(first, a, b), halves[i], halves[i + 2])
                for i in (0, 1)
            ]
            losses, gradient = compute(2.0, *chosen)
            context = tf.distribute.get_replica_context()
            return context.all_reduce("MEAN", losses), context.all_reduce("SUM", gradient)

        return strategy.run(replica)

    losses, gradient = tf.nest.map_structure(lambda v: strategy.experimental_local_results(v)[0], step())
    for name, value in expected.items():
        np.testing.assert_allclose(losses[name], value, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5)


if __name__ == "__main__":
    main()
