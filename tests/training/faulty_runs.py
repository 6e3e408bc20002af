"""Whole runs with a step that is not finite, under each policy; arguments: records, folder, replicas."""

import glob
import os
import sys

import numpy as np
import small_network
import tensorflow as tf

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.tasks import yolact
from official_yolact.training import run
from official_yolact.training import strategies
from official_yolact.training.watch import nonfinite

BATCH, BROKEN = 4, 5  # updates before the step that breaks
TWO = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], TWO)
LEFT = tf.Variable(0)  # times that it still breaks


def load(records, *overrides):
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.train_data.global_batch_size={BATCH}",
        "runtime.mixed_precision_dtype=float32,task.model.freeze_bn=false",
        small_network.TERMS,
        "trainer.steps_per_loop=4,trainer.summary_interval=4,trainer.checkpoint_interval=4",
        "trainer.train_steps=8,trainer.num_pictures=0,task.train_data.shuffle_buffer_size=8",
    ]
    return loading.load_experiment("yolact_tiny_shapes", [], [*terms, *overrides])


def break_mask_loss(compute):
    def compute_broken(self, labels, *args, **kwargs):
        losses = compute(self, labels, *args, **kwargs)
        context = tf.distribute.get_replica_context()
        is_last = context.replica_id_in_sync_group == context.num_replicas_in_sync - 1
        breaks = tf.logical_and(labels["seed"][0, 1] // BATCH == BROKEN, LEFT > 0)
        breaks = tf.logical_and(breaks, is_last)
        LEFT.assign_sub(tf.cast(breaks, tf.int32))
        broken = losses["mask_loss"] + tf.where(breaks, float("inf"), 0.0)
        return {
            **losses,
            "mask_loss": broken,
            "total_loss": losses["total_loss"] + broken - tf.stop_gradient(losses["mask_loss"]),
        }

    return compute_broken


def read(model_dir, step):
    reader = tf.train.load_checkpoint(os.path.join(model_dir, f"ckpt-{step}"))
    names = [n for n in reader.get_variable_to_shape_map() if n.endswith("VARIABLE_VALUE")]
    values = {n: reader.get_tensor(n) for n in names if "save_counter" not in n}
    assert all(np.isfinite(v).all() for v in values.values())
    return values


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.asarray(found[name]).tobytes() == np.asarray(value).tobytes(), name


def main():
    records, folder, replicas = sys.argv[1], sys.argv[2], int(sys.argv[3])
    names = [f"CPU:{i}" for i in range(replicas)]
    strategy = tf.distribute.MirroredStrategy(names) if replicas > 1 else tf.distribute.get_strategy()
    strategies.build = lambda runtime: strategies.Devices(strategy, 0, replicas, "the test")
    yolact.YolactTask.build_losses = break_mask_loss(yolact.YolactTask.build_losses)

    def train(name, policy, times):
        LEFT.assign(times)
        model_dir = os.path.join(folder, name)
        run.run(load(records, f"trainer.nonfinite={policy}"), "train", model_dir)
        for path in glob.glob(os.path.join(model_dir, "ckpt-*.index")):
            read(model_dir, path.split("-")[-1].removesuffix(".index"))
        return read(model_dir, 8)

    clean = train("clean", "skip", 0)
    skipped = train("skipped", "skip", 9)
    assert any(np.any(skipped[name] != clean[name]) for name in clean)
    # A fault that does not come again leaves no trace; one that does is left out.
    assert_equal(train("restored", "restore", 9), skipped)
    print("runs of", replicas)
    if replicas > 1:
        return
    assert_equal(train("mended", "restore", 1), clean)
    try:
        train("stopped", "stop", 9)
    except nonfinite.NonfiniteError as error:
        message = str(error)
    assert "step 6: mask_loss not finite" in message, message
    assert "images of its batch:" in message
    read(os.path.join(folder, "stopped"), BROKEN)
    assert_equal(train("stopped", "stop", 0), clean)


if __name__ == "__main__":
    main()
