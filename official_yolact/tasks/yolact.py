"""The YOLACT task: wiring of data, model, losses and evaluation for Model Garden's trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras
from absl import logging

from official.core import base_task
from official_yolact.checkpoints import meaning
from official_yolact.checkpoints import restore
from official_yolact.checkpoints import stored_categories
from official_yolact.checkpoints import transfer
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import input_reader
from official_yolact.dataloaders import manifests
from official_yolact.dataloaders import unusable
from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import measurement
from official_yolact.evaluation import metrics
from official_yolact.evaluation import worker_evaluator
from official_yolact.files import storage
from official_yolact.losses import yolact_loss
from official_yolact.modeling import detector
from official_yolact.modeling import factory
from official_yolact.modeling import yolact_model
from official_yolact.optimizers import moving_average
from official_yolact.tasks import annotation_file
from official_yolact.tasks import thresholds
from official_yolact.tasks import train_step
from official_yolact.weights import imported
from official_yolact.weights import named_weights
from official_yolact_runtime import categories

LOSS_NAMES = ("class_loss", "box_loss", "mask_loss", "semantic_loss", "total_loss")
MASK_IOU_LOSS = "mask_iou_loss"
QUALITY_LOSS = "quality_loss"
UNUSABLE = "unusable_records"
GRADIENT_NORM = "gradient_norm"
POSITIVES = "positives_per_image"
_EVALUATED = ("seed", "image_id", "image_info", "weight")
_POSITION = 1  # column of `schema.Labels.seed`


class _FiniteMean(tf_keras.metrics.Mean):
    """A weighted mean that is NaN, where Keras' is 0, if all weights are 0.

    Sum and count are float32 whatever the precision policy, to which Keras would cast them. They are
    read as tensors: inside a strategy's merge call an operator on the variable itself is refused.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, dtype=tf.float32)

    def result(self) -> tf.Tensor:
        """Divide; scalar float32."""
        return tf.convert_to_tensor(self.total) / tf.convert_to_tensor(self.count)


class YolactTask(base_task.Task):
    """Single-replica view of training and evaluating YOLACT."""

    def __init__(self, params: configs.YolactTask, logging_dir: str | None = None, name: str | None = None):
        """Build losses, training step and detection generator from the task section of an experiment.

        Args:
          params: the section.
          logging_dir: the model directory.
          name: of the task.
        """
        super().__init__(params, logging_dir=logging_dir, name=name)
        self._loss = yolact_loss.YolactLoss(
            configs.resolve_losses(params),
            factory.build_anchors(params.model),
            factory.list_levels(params.model),
        )
        self.step = train_step.TrainStep(
            self._list_losses(), self._loss.assign, self.build_losses, params.losses.weight_decay
        )
        self.report_comparisons: metrics.Report = metrics.report_nothing
        self._evaluator: worker_evaluator.WorkerEvaluator | None = None
        self.start_position = 0
        # By `is_training`: the records that the pipelines of this process could not use.
        self.unusable = {True: unusable.UnusableRecords(), False: unusable.UnusableRecords()}

    def build_model(self) -> tf_keras.Model:
        """Build the network with initial weights that depend on the config's seed alone."""
        with tf.variable_creator_scope(_create_alike):
            return factory.build_model(self.task_config.model, self.task_config.seed)

    def initialize(self, model: tf_keras.Model) -> None:
        """Load what fits of `init_checkpoint`, if one is named, and log how each tensor was used."""
        named, modules = self.task_config.init_checkpoint, self.task_config.init_checkpoint_modules
        if not named:
            return
        path = imported.resolve(named)
        account: object
        chosen = named_weights.choose_modules(named, modules)
        for line in meaning.find_differences(path, self.task_config.model, chosen):
            logging.warning("init_checkpoint: %s: %s", named, line)
        if chosen == "backbone":
            account = restore.restore_model(model, path, "backbone")
        else:
            account = transfer.transfer_model(model, path, self._trained_categories())
        logging.info("init_checkpoint: %s", account)

    def build_inputs(
        self,
        params: configs.DataConfig,
        input_context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Build batches of (image, Labels); training starts at example `start_position`."""
        return input_reader.build_dataset(
            params,
            self.task_config.model,
            self.task_config.seed,
            input_context,
            start_position=self.start_position if params.is_training else 0,
            found=self.unusable[bool(params.is_training)],
        )

    @classmethod
    def create_optimizer(
        cls, optimizer_config: Any, runtime_config: Any = None, dp_config: Any = None
    ) -> tf_keras.optimizers.Optimizer:
        """Build the optimizer; float16 wraps it in a loss scale, and `ema` in a moving average."""
        average = optimizer_config.ema
        optimizer = super().create_optimizer(optimizer_config.replace(ema=None), runtime_config, dp_config)
        return moving_average.MovingAverage(optimizer, **average.as_dict()) if average else optimizer

    def build_losses(
        self,
        labels: Any,
        model_outputs: Any,
        aux_losses: Any = None,
        mask_iou_head: Any = None,
        assignment: yolact_loss.Assignment | None = None,
    ) -> dict[str, tf.Tensor]:
        """Compute the weighted losses and their total, normalised over the global batch."""
        del aux_losses
        return dict(self._loss(model_outputs, labels, mask_iou_head, assignment))

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Build a mean for each loss, gradient norm, positives and records that could not be decoded.

        Evaluation has its own numbers.
        """
        if not training:
            return []
        names = (*self._list_losses(), GRADIENT_NORM, POSITIVES, UNUSABLE)
        return [_FiniteMean(name) for name in names]

    @yolact_model.unconverted
    def train_step(
        self, inputs: Any, model: tf_keras.Model, optimizer: Any, metrics: Any = None
    ) -> dict[str, tf.Tensor]:
        """Do one step on this replica's part of the batch; values that are not finite enter no metric."""
        result = self.step(inputs, model, optimizer)
        unusable_share = tf.reduce_mean(tf.cast(inputs[1]["image_id"] < 0, tf.float32))
        logs = {name: (value, result.is_loss_finite) for name, value in result.losses.items()}
        logs[GRADIENT_NORM] = (result.gradient_norm, tf.math.is_finite(result.gradient_norm))
        logs[POSITIVES] = (result.positives_per_image, tf.constant(True))
        logs[UNUSABLE] = (unusable_share, tf.constant(True))
        for metric in metrics or []:
            if metric.name in logs:
                value, counts = logs[metric.name]
                metric.update_state(tf.where(counts, value, 0.0), tf.cast(counts, tf.float32))
        total = tf.where(result.is_loss_finite, result.losses[train_step.TOTAL], 0.0)
        return {self.loss: total, **{name: value for name, (value, _) in logs.items()}}

    @yolact_model.unconverted
    def validation_step(
        self, inputs: Any, model: tf_keras.Model, metrics: Any = None
    ) -> dict[str, tf.Tensor]:
        """Detect on this replica's part of the batch."""
        del metrics
        images, labels = inputs
        detections = detector.Detector(model, self.task_config.model).detect(images, labels["image_info"])
        return {**detections, **{name: labels[name] for name in _EVALUATED}}

    def aggregate_logs(self, state: Any = None, step_logs: Any = None) -> Any:
        """Hand the detections of one step, from every replica of this worker, to the COCO evaluator."""
        if state is None:
            state = self._build_evaluator()
            state.reset()
            state.report = self.report_comparisons
        local_replicas = len(step_logs["image_id"])
        for replica in range(local_replicas):
            arrays = {name: values[replica].numpy() for name, values in step_logs.items()}
            seeds, *labels = (arrays.pop(name) for name in _EVALUATED)
            state.update(seeds[:, _POSITION], *labels, arrays)
        return state

    def reduce_aggregated_logs(self, aggregated_logs: Any, global_step: Any = None) -> dict[str, float]:
        """Compute box and mask AP over all images of the annotation file, from all workers' detections."""
        del global_step
        logs = dict(aggregated_logs.evaluate(self.unusable[False].num_records))
        if self.evaluated is not None:
            logs |= thresholds.recommend(*self.evaluated, aggregated_logs.class_metrics)
        return logs

    @property
    def evaluated(self) -> tuple[coco_evaluator.CocoEvaluator, measurement.Evaluation] | None:
        """The last evaluation and its detections; None before it, but on the chief, and without `report`."""
        found = self._evaluator.evaluation if self._evaluator else None
        return None if self._evaluator is None or found is None else (self._evaluator.collected, found)

    @property
    def class_metrics(self) -> dict[str, measurement.ClassMetrics]:
        """The numbers of each class in the last evaluation; empty before it, and but on the chief."""
        return self._evaluator.class_metrics if self._evaluator else {}

    def _list_losses(self) -> tuple[str, ...]:
        model = self.task_config.model
        chosen = {MASK_IOU_LOSS: model.mask_rescoring, QUALITY_LOSS: model.head.predict_quality}
        return (*LOSS_NAMES, *(name for name, is_used in chosen.items() if is_used))

    def _build_evaluator(self) -> worker_evaluator.WorkerEvaluator:
        if self._evaluator is None:
            with storage.fetch(annotation_file.find(self.task_config)) as annotations:
                evaluator = coco_evaluator.CocoEvaluator(annotations, self._load_categories())
            self._evaluator = worker_evaluator.WorkerEvaluator(evaluator)
            self._evaluator.keeps_evaluation = self.task_config.report
        return self._evaluator

    def _load_categories(self) -> categories.Categories:
        """Read the classes that the model was trained on; the validation data may order theirs anew."""
        trained = self._trained_categories()
        return trained or manifests.load_categories(self.task_config.validation_data.input_path)

    def _trained_categories(self) -> categories.Categories | None:
        return stored_categories.find(self.logging_dir or "")


def _create_alike(create: Callable[..., tf.Variable], **kwargs: Any) -> tf.Variable:
    """Create a variable; of statistics that every replica keeps, those of the first replica are saved.

    The training step sets them to the same values on all replicas. Keras would save their mean, and the
    mean of three or more equal numbers may differ from them in the last bit.
    """
    if kwargs.get("aggregation") == tf.VariableAggregation.MEAN:
        kwargs["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return create(**kwargs)
