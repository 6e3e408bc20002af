"""The step that training does on a device, of any experiment, and the shapes of what it is fed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from official.core import task_factory
from official.core import train_utils
from official.modeling import optimization
from official.modeling import performance
from official_yolact.configs import loading
from official_yolact.dataloaders import yolact_input
from official_yolact.tasks import fault_record
from official_yolact.tasks import train_step
from official_yolact.training import trainer


@dataclasses.dataclass
class WholeStep:
    """A task with its model and optimizer, as the trainer holds them."""

    params: Any
    task: Any
    model: tf_keras.Model
    optimizer: Any
    metrics: list[Any]

    def list_specs(self, is_training: bool) -> tuple[tf.TensorSpec, list[str], list[tf.TensorSpec]]:
        """Give the image's spec, the names of the labels and theirs, of one replica's batch."""
        config = self.params.task
        data = config.train_data if is_training else config.validation_data
        parser = yolact_input.Parser(data.parser, config.model, is_training)
        image, labels = (
            tf.function(parser.blank).get_concrete_function(tf.TensorSpec([], tf.int64)).structured_outputs
        )

        def batch(spec: Any) -> tf.TensorSpec:
            return tf.TensorSpec([data.global_batch_size, *spec.shape], spec.dtype)

        return batch(image), list(labels), [batch(labels[name]) for name in labels]

    def make_train(self, names: list[str], compiled: bool = True) -> Any:
        """Make the function of (images, *labels) that trains a step."""

        def train(images: Any, *labels: Any) -> Any:
            inputs = (images, dict(zip(names, labels, strict=True)))
            return self.task.train_step(inputs, self.model, self.optimizer, self.metrics)

        return tf.function(train, jit_compile=compiled)

    def empty(self) -> None:
        """Free the weights: what XLA has lowered keeps hold of the variables of a function for ever."""
        for variable in {id(v): v for v in [*self.model.variables, *self.optimizer.variables()]}.values():
            tf.raw_ops.AssignVariableOp(resource=variable.handle, value=tf.zeros([0], variable.dtype))

    def make_detect(self, names: list[str]) -> Any:
        """Make the compiled function of (images, *labels) that evaluation runs on the device."""

        def detect(images: Any, *labels: Any) -> Any:
            return self.task.validation_step((images, dict(zip(names, labels, strict=True))), self.model)

        return tf.function(detect, jit_compile=True)


def build(
    config: str, precision: str, *overrides: str, prepare: Callable[[Any], None] | None = None
) -> WholeStep:
    """Build everything of an experiment or recipe that a step needs; nothing is read."""
    performance.set_mixed_precision_policy(precision)
    params = loading.load_config(config, ["task.init_checkpoint=''", *overrides])
    task = task_factory.get_task(params.task)
    if prepare:
        prepare(task)
    model = task.build_model()
    optimizer = train_utils.create_optimizer(task, params)
    if isinstance(optimizer, optimization.ExponentialMovingAverage):
        # Model Garden's trainer does so.
        optimizer.shadow_copy(model)
    trainer.create_slots(optimizer, model.trainable_variables)
    # The trainer does so too; of the policies this is the one that does most on the device.
    record = fault_record.FaultRecord(
        task.step.names, params.task.train_data.global_batch_size, model.trainable_variables
    )
    task.step.options = train_step.StepOptions(params.trainer.gradient_accumulation, True, record)
    return WholeStep(params, task, model, optimizer, task.build_metrics(training=True))
