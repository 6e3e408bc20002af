"""Each read of a variable outside the network, under each strategy that CPUs allow: `strategy_reads.py FOLDER`.

The network is two layers, so that a cell of strategy and precision takes seconds: the task's metrics, step,
optimizer and moving average, the trainer, the controller, its reports and its checkpoints are the real ones.
"""

from __future__ import annotations

import csv
import itertools
import os
import sys
from typing import Any
from unittest import mock

import numpy as np
import small_step
import tensorflow as tf
import tf_keras

from official.core import task_factory
from official.modeling import performance
from official_yolact.configs import loading
from official_yolact.losses import yolact_loss
from official_yolact.optimizers import guarded_update
from official_yolact.tasks import train_step
from official_yolact.tasks import yolact
from official_yolact.training import run
from official_yolact.training import stopping
from official_yolact.training import strategies
from official_yolact.training.reports import actions

PRECISIONS = ("float32", "bfloat16", "float16")
TWO = ["CPU:0", "CPU:1"]
BATCH, STEPS, BAD_STEP = 4, 4, 2
TERMS = ("class_loss", "box_loss", "mask_loss", "semantic_loss")
# A setting that is a variable, and one that is computed from the step.
RATES = {
    "float32": "{type: constant, constant: {learning_rate: 0.1}}",
    "bfloat16": "{type: polynomial, polynomial: {initial_learning_rate: 0.1, decay_steps: 100}}",
    "float16": "{type: constant, constant: {learning_rate: 0.1}}",
}


STRATEGIES = {
    "off": tf.distribute.get_strategy,
    "one_device": lambda: tf.distribute.OneDeviceStrategy("CPU:0"),
    "mirrored_1": lambda: tf.distribute.MirroredStrategy(TWO[:1]),
    "mirrored_2": lambda: tf.distribute.MirroredStrategy(TWO),
    # Reduces within a merge call, as on GPUs without NCCL.
    "merging_2": lambda: tf.distribute.MirroredStrategy(TWO, tf.distribute.HierarchicalCopyAllReduce()),
    "workers_1": tf.distribute.MultiWorkerMirroredStrategy,
}
# Not among those that a training can choose: the metrics alone.
OTHERS = {"central_storage": lambda: tf.distribute.experimental.CentralStorageStrategy(TWO[:1])}


class Network(tf_keras.Model):
    """Two layers where the network would be."""

    mask_iou_head = None

    def __init__(self) -> None:
        super().__init__()
        ones = tf_keras.initializers.Constant(0.5)
        self.dense = tf_keras.layers.Dense(3, kernel_initializer=ones, name="dense")
        self.norm = tf_keras.layers.BatchNormalization(synchronized=True)

    def call(self, images: Any, training: bool = False) -> Any:
        return tf.cast(self.norm(self.dense(images), training=training), tf.float32)


class SmallTask(yolact.YolactTask):
    """The task with that network; all else of a training step is its own."""

    def __init__(self, params: Any, **kwargs: Any) -> None:
        super().__init__(params, **kwargs)
        self.step = train_step.TrainStep(
            (*TERMS, "total_loss"), self.assign, self.lose, params.losses.weight_decay
        )

    def build_model(self) -> Any:
        model = Network()
        model(tf.zeros([1, 2]))
        return model

    def initialize(self, model: Any) -> None:
        del model

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        """Build batches of images that follow from their id; those of one step are infinite."""
        batch = params.global_batch_size
        here = input_context.get_per_replica_batch_size(batch) if input_context else batch
        start = self.start_position if params.is_training else 0

        def draw(number: Any) -> Any:
            image = tf.stack([tf.sin(tf.cast(number, tf.float32)), tf.cos(tf.cast(number, tf.float32))])
            is_bad = tf.logical_and(number // BATCH == BAD_STEP, params.is_training)
            image = tf.where(is_bad, float("inf"), image)
            return image, {"image_id": number, "weight": 1.0, "seed": tf.stack([number, number])}

        numbers = tf.data.Dataset.range(start, 1000 if params.is_training else BATCH)
        return numbers.map(draw).batch(here, drop_remainder=True)

    def assign(self, labels: Any) -> yolact_loss.Assignment:
        del labels
        return yolact_loss.Assignment({}, tf.constant([6.0, 2.0, 4.0]))

    def lose(self, labels: Any, outputs: Any, **kwargs: Any) -> dict[str, Any]:
        del labels, kwargs
        # Small, so that the first loss scale of float16 is right.
        base = 0.01 * tf.reduce_mean(tf.square(outputs - 2.0))
        terms = {name: base * (index + 1.0) for index, name in enumerate(TERMS)}
        return {**terms, "total_loss": tf.add_n(list(terms.values()))}

    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        del metrics
        return {"out": model(inputs[0], training=False), "image_id": inputs[1]["image_id"]}

    def aggregate_logs(self, state: Any = None, step_logs: Any = None) -> Any:
        return (state or []) + [values.numpy().mean() for values in step_logs["out"]]

    def reduce_aggregated_logs(self, aggregated_logs: Any, global_step: Any = None) -> dict[str, float]:
        return {
            "mask_AP": 1.0 / (1.0 + abs(float(np.mean(aggregated_logs)))),
            "step_seen": float(global_step.numpy()),
        }


def check_metrics(strategy: tf.distribute.Strategy) -> None:
    """Update in `strategy.run`; read and reset across replicas, in a function, and in a replica."""
    with strategy.scope():
        task = task_factory.get_task(loading.load_experiment("yolact_tiny_shapes", [], []).task)
        metrics = task.build_metrics(training=True)
    assert [metric.name for metric in metrics][-3:] == [
        "gradient_norm",
        "positives_per_image",
        "unusable_records",
    ]

    def update(value: Any) -> None:
        for metric in metrics:
            metric.update_state(value, tf.constant(1.0))

    def read() -> list[Any]:
        return [metric.result() for metric in metrics]

    def reset() -> None:
        for metric in metrics:
            metric.reset_state()

    steps = {"eager": lambda value: strategy.run(update, args=(value,))}
    steps["function"] = tf.function(steps["eager"])
    reads: dict[str, Any] = {"eager": read, "function": tf.function(read)}
    in_run = tf.function(lambda: strategy.run(read))
    reads["replicas"] = lambda: [strategy.experimental_local_results(value)[0] for value in in_run()]
    resets = {"eager": reset, "function": tf.function(reset)}
    for step, end in itertools.product(steps.values(), resets.values()):
        for value in (1.5, 4.5):
            step(tf.constant(value))
        for how, found in reads.items():
            values = [float(value) for value in found()]
            assert values == [3.0] * len(metrics), (how, values)
        end()
        # The mean of nothing.
        assert all(np.isnan(float(metric.result())) for metric in metrics)


def build(strategy: tf.distribute.Strategy, precision: str, folder: str) -> Any:
    """Build what `train.py` builds for a run, around the small task."""
    params = loading.load_experiment(
        "yolact_tiny_shapes",
        [],
        [
            f"task.train_data.global_batch_size={BATCH},task.validation_data.global_batch_size={BATCH}",
            f"runtime.mixed_precision_dtype={precision}",
            "runtime.loss_scale=dynamic" if precision == "float16" else "runtime.loss_scale=null",
            f"trainer.train_steps={STEPS},trainer.steps_per_loop=2,trainer.summary_interval=2",
            "trainer.checkpoint_interval=2,trainer.validation_interval=2,trainer.num_pictures=0",
            "trainer.preemption_on_demand_checkpoint=false",
            "{trainer: {optimizer_config: {optimizer: {type: torch_sgd}, warmup: {type: null},"
            f" ema: {{average_decay: 0.5}}, learning_rate: {RATES[precision]}}}}}}}",
        ],
    )
    run.prepare(params)
    launch = run.Launch(params, "train_and_eval", folder)
    launch.devices = strategies.Devices(strategy, 0, 1, "a test")
    with mock.patch.object(task_factory, "get_task", lambda section, **kwargs: SmallTask(section, **kwargs)):
        return run.build_runner(launch, stopping.StopSignals())


def check_run(strategy: tf.distribute.Strategy, precision: str, folder: str) -> dict[str, float]:
    """Train two loops with a fault in the second; read all that a run reads."""
    runner = build(strategy, precision, folder)
    trainer = runner.trainer
    record, taken = trainer.task.step.options.record, []
    take = record.take
    record.take = lambda: taken.append(take()) or taken[-1]
    runner.run()
    check_faults(taken)
    check_averages(strategy, trainer)
    scaler = guarded_update.find_scaler(trainer.optimizer)
    assert (scaler is not None) == (precision == "float16")
    assert scaler is None or float(scaler.loss_scale) > 0.0
    rows = read_table(os.path.join(folder, "results.csv"))
    assert [(row["kind"], row["step"]) for row in rows] == [
        (kind, str(step)) for step in (2, 4) for kind in ("train", "eval")
    ]
    trained = rows[2]
    assert float(trained["learning_rate"]) > 0.0
    assert float(trained["nonfinite_steps"]) == 1.0
    assert float(trained["positives_per_image"]) == 1.5
    check_summaries(folder)
    # Going back: settings are read, kept and written again; an evaluation alone begins at the weights.
    trainer.go_back_to(1)
    assert int(trainer.optimizer.iterations.numpy()) == int(trainer.global_step.numpy()) == 1
    assert runner.controller.restore_checkpoint()
    assert int(trainer.optimizer.iterations.numpy()) == int(trainer.global_step.numpy()) == STEPS
    with strategy.scope():
        trainer.optimizer.begin_at_weights()
    return {name: float(rows[0][name]) for name in (*TERMS, "total_loss", "gradient_norm")}


def check_faults(taken: list[Any]) -> None:
    """The step with infinite images is named, once, with the images of all replicas."""
    assert [count for count, _ in taken] == [0, 1], taken
    (fault,) = taken[1][1]
    assert fault.step == BAD_STEP
    assert fault.terms == (*TERMS, "total_loss")
    assert sorted(fault.image_ids) == list(range(BAD_STEP * BATCH, BAD_STEP * BATCH + BATCH))


def check_averages(strategy: tf.distribute.Strategy, trainer: Any) -> None:
    """Swapping exchanges weights and averages on every replica; twice is nothing."""

    def read(variables: Any) -> list[bytes]:
        local = [value for v in variables for value in strategy.experimental_local_results(v)]
        return [value.numpy().tobytes() for value in local]

    optimizer = trainer.optimizer
    weights, averages = optimizer._model_weights, optimizer._average_weights
    before = read(weights), read(averages)
    assert before[0] != before[1]
    with strategy.scope():
        optimizer.swap_weights()
        assert (read(averages), read(weights)) == before
        optimizer.swap_weights()
    assert (read(weights), read(averages)) == before


def check_summaries(folder: str) -> None:
    """The curves of a loop are in the summaries, and finite."""
    found: dict[str, float] = {}
    for name in tf.io.gfile.glob(os.path.join(folder, "train", "events*")):
        for event in tf.compat.v1.train.summary_iterator(name):
            for value in event.summary.value:
                found[value.tag] = float(tf.make_ndarray(value.tensor))
    for tag in ("learning_rate", "gradient_norm", "total_loss", "nonfinite_steps", "training_loss"):
        assert np.isfinite(found[tag]), (tag, found)


def read_table(path: str) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def refuse_to_hide(self: Any, *arguments: Any) -> None:
    """Call a report; a real run would only log that it failed."""
    self._action(*arguments)


def main() -> None:
    small_step.start_two_cpus()
    made: dict[str, Any] = {name: make() for name, make in STRATEGIES.items()}
    others: dict[str, Any] = {name: make() for name, make in OTHERS.items()}
    losses: dict[tuple[str, str], dict[str, float]] = {}
    with (
        mock.patch.object(actions._Guarded, "__call__", refuse_to_hide),
        mock.patch("official_yolact.training.reports.curves.draw_curves"),
    ):
        for precision in PRECISIONS:
            performance.set_mixed_precision_policy(precision)
            for name, strategy in {**made, **others}.items():
                check_metrics(strategy)
                print("metrics", name, precision, flush=True)
            for name, strategy in made.items():
                folder = os.path.join(sys.argv[1], f"{name}-{precision}")
                losses[name, precision] = check_run(strategy, precision, folder)
                print("run", name, precision, flush=True)
    reference = losses["off", "float32"]
    for (name, precision), found in losses.items():
        near = 2e-6 if precision == "float32" else 0.02
        for key, value in found.items():
            assert abs(value - reference[key]) <= near * abs(reference[key]), (name, precision, key, found)


if __name__ == "__main__":
    main()
