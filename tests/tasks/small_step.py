"""A small training step on logical CPUs, for the programs beside it, with a switch that breaks it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import small_network
import tensorflow as tf

from official.core import task_factory
from official.core import train_utils
from official.modeling import optimization
from official.modeling import performance
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.tasks import fault_record
from official_yolact.tasks import train_step
from official_yolact.training import trainer

BATCH = 4
SMALL = (
    small_network.TERMS,
    f"task.train_data.global_batch_size={BATCH}",
    "runtime.mixed_precision_dtype=float32,task.model.freeze_bn=true",
    "{trainer: {optimizer_config: {optimizer: {type: torch_sgd}, warmup: {type: null},"
    " learning_rate: {type: constant, constant: {learning_rate: 0.01}}}}}",
)


def start_two_cpus() -> None:
    """Give TensorFlow two logical CPUs; before it is used."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def make_strategy(replicas: int) -> tf.distribute.Strategy:
    if replicas == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])


def load(records: str, *overrides: str, experiment: str = "yolact_tiny_shapes") -> Any:
    inputs = f"task.train_data.input_path={records}/train-*.tfrecord"
    return loading.load_experiment(experiment, [], [inputs, *SMALL, *overrides])


def read_batches(params: Any, count: int) -> list[Any]:
    task = task_factory.get_task(params.task)
    return list(task.build_inputs(params.task.train_data).take(count))


def make_uneven(batch: Any, counts: list[int]) -> Any:
    """Keep so many instances of each image."""
    images, labels = batch
    kept = np.minimum(labels["num_instances"], counts).astype(np.int32)
    rows = np.arange(labels["boxes"].shape[1]) < kept[:, None]
    return images, {
        **labels,
        "num_instances": tf.constant(kept),
        "boxes": tf.where(rows[..., None], labels["boxes"], 0.0),
        "classes": tf.where(rows, labels["classes"], 0),
    }


@dataclasses.dataclass
class SmallStep:
    """Everything of a step, with the step itself as `run`."""

    strategy: tf.distribute.Strategy
    task: Any
    model: Any
    optimizer: Any
    metrics: Any
    fault: tf.Variable  # index of the loss term that is NaN; then its gradient; then the last image
    step: Any = None

    def run(self, batch: Any) -> dict[str, float]:
        """Do a step; give the means of its logs over the replicas."""
        replicas = self.strategy.num_replicas_in_sync
        share = BATCH // replicas

        def part(context: Any) -> Any:
            start = context.replica_id_in_sync_group * share
            return tf.nest.map_structure(lambda tensor: tensor[start : start + share], batch)

        logs = self.step(self.strategy.experimental_distribute_values_from_function(part))
        values = {name: self.strategy.experimental_local_results(value) for name, value in logs.items()}
        return {name: float(np.mean([v.numpy() for v in value])) for name, value in values.items()}

    def variables(self) -> list[Any]:
        """List all that a step may change but its counter: weights, statistics, slots and averages."""
        inner = self.optimizer
        found = list(self.model.variables)
        while inner is not None:
            found += [v for v in tf.nest.flatten(inner._weights) if hasattr(v, "assign")]
            inner = getattr(inner, "inner_optimizer", None)
        return [v for v in found if v is not self.optimizer.iterations and "scale" not in v.name]

    def state(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.variables()]

    def reset(self, state: list[np.ndarray]) -> None:
        for variable, value in zip(self.variables(), state, strict=True):
            variable.assign(value)
        self.optimizer.iterations.assign(0)


def build(params: Any, strategy: tf.distribute.Strategy, jit: bool = False, **options: Any) -> SmallStep:
    """Build a step as the trainer does, with a fault that `fault` chooses on the last replica."""
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype or "float32")
    with strategy.scope():
        task = task_factory.get_task(params.task)
        model = task.build_model()
        optimizer = train_utils.create_optimizer(task, params)
        if isinstance(optimizer, optimization.ExponentialMovingAverage):
            optimizer.shadow_copy(model)
        trainer.create_slots(optimizer, model.trainable_variables)
        share = BATCH // strategy.num_replicas_in_sync
        record = fault_record.FaultRecord(task.step.names, share, model.trainable_variables)
        task.step.options = train_step.StepOptions(record=record, **options)
        metrics = task.build_metrics(training=True)
        fault = tf.Variable(-1, trainable=False)
    small = SmallStep(strategy, task, model, optimizer, metrics, fault)
    names = list(task.step.names)
    task.step._compute_losses = _break_losses(task.build_losses, names, fault)

    def train(inputs: Any) -> Any:
        images, labels = inputs
        is_bad = tf.logical_and(fault == len(names) + 1, _is_last_replica())
        images = tf.concat([images[:-1], tf.where(is_bad, float("nan"), images[-1:])], axis=0)
        return task.train_step((images, labels), model, optimizer, metrics)

    small.step = tf.function(lambda inputs: strategy.run(train, args=(inputs,)), jit_compile=jit)
    return small


def _is_last_replica() -> Any:
    context = tf.distribute.get_replica_context()
    return tf.equal(context.replica_id_in_sync_group, context.num_replicas_in_sync - 1)


@tf.custom_gradient
def _break_gradient(value: Any, is_bad: Any) -> Any:
    return tf.identity(value), lambda upstream: (tf.where(is_bad, float("nan"), upstream), None)


def _break_losses(compute: Any, names: list[str], fault: Any) -> Any:
    def compute_broken(labels: Any, outputs: Any, **kwargs: Any) -> Any:
        is_last = _is_last_replica()
        bad_gradient = tf.logical_and(fault == len(names), is_last)
        codes = _break_gradient(outputs["mask_coefficients"], bad_gradient)
        losses = compute(labels, {**outputs, "mask_coefficients": codes}, **kwargs)
        broken = {}
        for index, name in enumerate(names):
            is_bad = tf.logical_and(fault == index, is_last)
            broken[name] = losses[name] + tf.where(is_bad, float("nan"), 0.0)
        terms = [value for name, value in broken.items() if name != train_step.TOTAL]
        return {**broken, train_step.TOTAL: tf.add_n(terms) + broken[train_step.TOTAL] * 0.0}

    return compute_broken
