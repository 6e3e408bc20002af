"""The published training: learning rates at each step, and the update of a whole training step."""

import os

import numpy as np
import pytest
import small_network
import tensorflow as tf

from official.core import task_factory
from official.modeling import optimization
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run

BOUNDARIES = [280_000, 600_000, 700_000, 750_000]


def published_rate(step, batch):
    """The original's learning rate in iteration `step`, counted from 0."""
    rate = 1e-3 * batch / 8
    if step <= 500:
        return 1e-4 + (rate - 1e-4) * step / 500
    return rate * 0.1 ** sum(step >= boundary * 8 // batch for boundary in BOUNDARIES)


@pytest.mark.parametrize("batch", [8, 16, 32, 4])
def test_the_learning_rate_is_the_originals_at_every_step_that_matters(batch):
    params = loading.load_experiment(
        "yolact_resnet50_coco", [], [f"task.train_data.global_batch_size={batch}"]
    )
    schedule = optimization.OptimizerFactory(params.trainer.optimizer_config).build_learning_rate()
    steps = [0, 1, 2, 250, 499, 500, 501, 502, params.trainer.train_steps - 1]
    steps += [boundary * 8 // batch + shift for boundary in BOUNDARIES for shift in (-1, 0, 1)]
    ours = [float(schedule(tf.constant(step, tf.int64))) for step in steps]
    np.testing.assert_allclose(ours, [published_rate(step, batch) for step in steps], rtol=3e-7)


def small(records, *overrides):
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        "task.train_data.global_batch_size=4,task.train_data.shuffle_buffer_size=8",
        "runtime.mixed_precision_dtype=float32",
        small_network.TERMS,
        "trainer.steps_per_loop=1,trainer.summary_interval=1,trainer.checkpoint_interval=2,trainer.num_pictures=0",
        # Tracing would take longer than the steps.
        "trainer.train_tf_function=false,trainer.train_tf_while_loop=false",
        "trainer.train_steps=2,runtime.distribution_strategy=one_device",
        "{trainer: {optimizer_config: {optimizer: {type: torch_sgd}, ema: null, warmup: {type: null},"
        " learning_rate: {type: stepwise, stepwise: {boundaries: [1], values: [0.01, 0.001], offset: -1}}}}}",
    ]
    return loading.load_experiment("yolact_tiny_shapes", [], [*terms, *overrides])


def test_two_steps_move_every_tensor_by_momentum_gradient_and_decay(tiny_records):
    params = small(tiny_records, "task.losses.weight_decay=0.05")
    run.prepare(params)
    task = task_factory.get_task(params.task)
    model = task.build_model()
    optimizer = task.create_optimizer(params.trainer.optimizer_config, params.runtime)
    names = [variable.name for variable in model.trainable_variables]
    for kind in ("kernel", "bias", "gamma", "beta"):
        assert any(kind in name for name in names), kind
    velocities = [0.0] * len(names)
    batches = list(task.build_inputs(params.task.train_data).take(2))
    for rate, (images, labels) in zip((0.01, 0.001), batches, strict=True):
        with tf.GradientTape() as tape:
            loss = task.build_losses(labels, model(images, training=True))["total_loss"]
        gradients = [g.numpy() for g in tape.gradient(loss, model.trainable_variables)]
        before = [variable.numpy() for variable in model.trainable_variables]
        task.train_step((images, labels), model, optimizer)
        for i, variable in enumerate(model.trainable_variables):
            velocities[i] = 0.9 * velocities[i] + gradients[i] + 0.05 * before[i]
            expected = before[i] - rate * velocities[i]
            np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=2e-6, err_msg=names[i])


def values(model_dir, slots=False):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(model_dir))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if "VARIABLE_VALUE" in name and ("OPTIMIZER_SLOT/optimizer/momentum" in name) == slots
    }


def test_the_backbone_moves_by_its_multiple_of_the_rate_and_all_else_as_before(tiny_records, tmp_path):
    moved = {}
    for multiplier in ("1.0", "0.25"):
        terms = ("trainer.train_steps=1", f"task.backbone_learning_rate_multiplier={multiplier}")
        model_dir = str(tmp_path / multiplier)
        run.run(small(tiny_records, *terms), "train", model_dir)
        moved[multiplier] = values(model_dir)
    start = small(tiny_records)
    run.prepare(start)
    parts = task_factory.get_task(start.task).build_model().checkpoint_items
    tf.train.Checkpoint(**parts).save(str(tmp_path / "initial" / "ckpt"))
    initial = values(str(tmp_path / "initial"))
    trained = [name for name in moved["1.0"] if name.split("/")[0] in parts and "moving_" not in name]
    assert {"backbone" in name for name in trained if (moved["1.0"][name] != initial[name]).any()} == {
        True,
        False,
    }
    for name in trained:
        whole, part = (moved[multiplier][name] - initial[name] for multiplier in ("1.0", "0.25"))
        expected = 0.25 * whole if "backbone" in name else whole
        np.testing.assert_allclose(part, expected, rtol=1e-3, atol=1e-6, err_msg=name)


def test_a_small_batch_on_imported_statistics_trains_no_batch_norm_and_records_it(tiny_records, tmp_path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    run.run(small(tiny_records), "train", first)
    assert loading.load_config(os.path.join(first, "params.yaml")).task.model.freeze_bn is False
    run.run(small(tiny_records, f"task.init_checkpoint={first}"), "train", second)
    assert loading.load_config(os.path.join(second, "params.yaml")).task.model.freeze_bn is True
    before, after = values(first), values(second)
    norms = [name for name in before if any(kind in name for kind in ("gamma", "beta", "moving_"))]
    assert norms
    for name in norms:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert all((after[name] != before[name]).any() for name in before if "kernel" in name)
    for model_dir, has_norms in ((first, True), (second, False)):
        velocities = values(model_dir, slots=True)
        assert sum(np.abs(velocity).sum() for velocity in velocities.values()) > 0
        assert any("gamma" in name for name in velocities) == has_norms
