"""Model Garden's trainer with a data position that follows the step, and watchers of each loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from absl import logging

import orbit
from official.core import base_trainer
from official_yolact import hosts
from official_yolact.configs import yolact as configs
from official_yolact.optimizers import moving_average
from official_yolact.optimizers import rate_multiplier
from official_yolact.tasks import fault_record
from official_yolact.tasks import train_step
from official_yolact.training import input_stage
from official_yolact.training import loop
from official_yolact.training import out_of_memory
from official_yolact.training import private_threads
from official_yolact.training import run_log
from official_yolact.training import stopping
from official_yolact.training.reports import results_table
from official_yolact.training.watch import bad_records
from official_yolact.training.watch import input_watch
from official_yolact.training.watch import nonfinite
from official_yolact.training.watch import plateau
from official_yolact.training.watch import starvation
from official_yolact.training.watch import watcher


class YolactTrainer(base_trainer.Trainer):
    """Trains on the examples that follow those of the steps already done.

    Model Garden's trainer reads the data from the start after every restart, so a job that is
    pre-empted often trains on its first batches only.

    Attributes:
      stop: a request to end the training; set it before the first step.
      loop_start: global step at which the last training loop began.
      step_observers: see `loop.TrainLoop`, whose `observe` calls them.
      eval_observers: called with the outputs of each evaluation step, by replica.
    """

    def __init__(self, config: Any, task: Any, model: Any, optimizer: Any, **kwargs: Any):
        """Build the trainer.

        Args:
          config: the experiment.
          task: a `YolactTask`.
          model: its model.
          optimizer: its optimizer; its slots are made here, since a distribution strategy cannot
            make them inside the first step.
          **kwargs: see `official.core.base_trainer.Trainer`.
        """
        super().__init__(config, task, model, optimizer, **kwargs)
        self.stop = stopping.StopSignals()
        self._loop: loop.TrainLoop | None = None
        self._begin = 0.0
        self._position_step: int | None = None
        self.loop_start = 0
        self.step_observers: list[Callable[[int, float | None], None]] = []
        self.eval_observers: list[Callable[[Any], None]] = []
        self._nonfinite = nonfinite.NonfiniteGuard(config.trainer)
        self._watchers: tuple[watcher.Watcher, ...] = (
            self._nonfinite,
            plateau.MaskPlateau(config.task.losses.mask_weight),
            bad_records.BadRecords(config.task.train_data.max_bad_fraction),
            starvation.InputStarvation(),
        )
        self._trains = kwargs.get("train", True)
        if self._trains:
            multiplier = config.task.backbone_learning_rate_multiplier
            if multiplier != 1:
                rate_multiplier.multiply_rate(optimizer, model.backbone.trainable_variables, multiplier)
            create_slots(optimizer, model.trainable_variables)
            self._prepare_step()

    def _prepare_step(self) -> None:
        """Set the options of the task's training step from the section `trainer`."""
        parts, replicas = self.config.trainer.gradient_accumulation, self.strategy.num_replicas_in_sync
        batch = self.config.task.train_data.global_batch_size
        if batch % (parts * replicas):
            raise ValueError(
                f"task.train_data.global_batch_size: {batch} does not divide into {parts} parts"
                f" (trainer.gradient_accumulation) on each of {replicas} replicas: take a multiple of"
                f" {parts * replicas}"
            )
        step = self.task.step
        record = fault_record.FaultRecord(step.names, batch // replicas, self.model.trainable_variables)
        step.options = train_step.StepOptions(parts, self._nonfinite.halts, record)

    @property
    def verdict(self) -> nonfinite.Verdict:
        """What is to follow the last loop, by `trainer.nonfinite`."""
        return self._nonfinite.verdict

    def initialize(self) -> None:
        """Load `init_checkpoint`; for an evaluation its weights are the averaged ones too."""
        super().initialize()
        if not self._trains and isinstance(self.optimizer, moving_average.MovingAverage):
            self.optimizer.begin_at_weights()

    def create_train_loop_fn(self) -> Callable[[Any, Any], Any]:
        """Build the loop over training steps.

        On a TPU it is Orbit's, as `trainer.train_tf_while_loop` says. Elsewhere it is `loop.TrainLoop`
        whatever that says; `trainer.train_tf_function=false` runs the step eagerly, to look into it.
        """
        if loop.is_tpu(self.strategy):
            built: Callable[[Any, Any], Any] = super().create_train_loop_fn()
            return built
        # Nothing in a step is Python control flow on tensors: autograph would only make tracing slower.
        step = self._step_on
        if self.config.trainer.train_tf_function:
            step = tf.function(step, autograph=False)
        watch = self._watch("training", self.config.task.train_data)
        self._loop = loop.TrainLoop(
            step, self.strategy, self.stop, watch, self._has_too_many_faults, self._observe_step
        )
        return self._loop

    def create_eval_loop_fn(self, has_state: bool) -> Callable[..., Any]:
        """Build the loop over evaluation steps; except on a TPU, it watches the waiting for batches."""
        if loop.is_tpu(self.strategy) or self._eval_options.use_tf_while_loop:
            built: Callable[..., Any] = super().create_eval_loop_fn(has_state)
            return built
        watch = self._watch("validation", self.config.task.validation_data)
        step = self._eval_step_on
        if self._eval_options.use_tf_function:
            step = tf.function(step, autograph=False)

        def fetch_and_step(iterator: Any) -> Any:
            with watch.waiting():
                inputs = next(iterator)
            return step(inputs)

        fetching: Callable[..., Any] = orbit.utils.create_loop_fn(fetch_and_step)
        return fetching

    def _watch(self, kind: str, data: configs.DataConfig) -> input_watch.InputWatch:
        stage = input_stage.InputStage(data, lambda: self.task.build_inputs(data))
        return input_watch.InputWatch(self.config.trainer.input_timeout, stage.describe, kind=kind)

    def _observe_step(self, num_done: int, seconds: float | None) -> None:
        for observe in self.step_observers:
            observe(num_done, seconds)

    def _has_too_many_faults(self) -> bool:
        """Tell whether this loop alone has found more unusable records than the data set may have."""
        found = self.task.unusable[True]
        return bool(found.count > self.config.task.train_data.max_bad_fraction * found.num_records)

    def distribute_dataset(self, dataset_or_fn: Any, *args: Any, **kwargs: Any) -> Any:
        """Distribute the batches of a dataset function, made by threads of their own if so configured."""
        if callable(dataset_or_fn):
            threads = self.config.runtime.dataset_num_private_threads
            dataset_or_fn = private_threads.limit_threads(dataset_or_fn, threads)
        return super().distribute_dataset(dataset_or_fn, *args, **kwargs)

    def _step_on(self, inputs: Any) -> None:
        self.train_step(iter((inputs,)))

    def _eval_step_on(self, inputs: Any) -> Any:
        return self.eval_step(iter((inputs,)))

    def move_to_step(self, step: int) -> None:
        """Make the next batch the one of a step, as after a restart or a recovery.

        Args:
          step: training steps that were done.
        """
        self.task.start_position = step * self.config.task.train_data.global_batch_size
        logging.info(
            "training data: start at example %d (step %d)",
            self.task.start_position,
            step,
            extra=run_log.DETAIL,
        )
        self.train_dataset = self.distribute_dataset(self.task.build_inputs, self.config.task.train_data)
        self._position_step = step

    def train(self, num_steps: Any) -> Any:
        """Train a loop of steps.

        Raises:
          OutOfMemoryError: a step does not fit into the memory.
        """
        with out_of_memory.explaining(self.config, self.strategy.num_replicas_in_sync):
            return super().train(num_steps)

    def evaluate(self, num_steps: Any) -> Any:
        """Evaluate.

        Raises:
          OutOfMemoryError: a step does not fit into the memory.
        """
        with out_of_memory.explaining(self.config, self.strategy.num_replicas_in_sync, evaluates=True):
            return super().evaluate(num_steps)

    def train_loop_begin(self) -> None:
        """Move the data to the global step when a restart or a recovery has moved the step."""
        super().train_loop_begin()
        self._begin = time.monotonic()
        self.loop_start = step = int(self.global_step.numpy())
        if step != (self._position_step or 0):
            self.move_to_step(step)
        self._position_step = step

    def train_loop_end(self) -> dict[str, Any]:
        """Collect the means of the loop and report what its watchers have noticed.

        Raises:
          ValueError: more records than `max_bad_fraction` could not be used.
        """
        logs: dict[str, Any] = super().train_loop_end()
        before, step = self._position_step or 0, int(self.global_step.numpy())
        self._position_step = step
        num_examples = (step - before) * self.config.task.train_data.global_batch_size
        logs.update(self._measure_speed(num_examples))
        # Model Garden's mean counts each step that was not finite as 0; ours leaves those steps out. With no
        # finite step ours is NaN, at which Model Garden's recovery would end the run. `trainer.nonfinite`
        # decides that, so Model Garden's mean stays.
        if not math.isnan(logs[train_step.TOTAL]):
            logs["training_loss"] = logs[train_step.TOTAL]
        num_nonfinite, faults = self.task.step.options.record.take()
        result = watcher.LoopResult(
            step=step,
            num_examples=num_examples,
            mask_loss=float(logs["mask_loss"]),
            unusable_share=float(logs["unusable_records"]),
            unusable=self._take_faults(is_training=True),
            num_records=self.task.unusable[True].epoch_length,
            num_nonfinite=num_nonfinite,
            nonfinite=faults,
            times=self._loop.times if self._loop else watcher.LoopTimes(),
        )
        for each in self._watchers:
            message = each.update(result)
            if message:
                logging.warning("%s", message)
        logs["nonfinite_steps"] = float(self._nonfinite.total)
        return logs

    def go_back_to(self, step: int) -> None:
        """Set the global step back to the updates that were done; the other steps have changed nothing.

        Args:
          step: updates that were done.
        """
        self.global_step.assign(step)
        self.optimizer.iterations.assign(step)

    def _measure_speed(self, num_examples: int) -> dict[str, float]:
        """Compute throughput and, where the loop has timed its steps, the share of waiting."""
        if self._loop is None:
            # On a TPU only the whole loop is timed.
            seconds = time.monotonic() - self._begin
            return {"images_per_second": num_examples / seconds}
        num_steps, seconds, wait_seconds = self._loop.times
        images = num_steps * self.config.task.train_data.global_batch_size
        return {
            "images_per_second": images / seconds if seconds else 0.0,
            "input_wait": wait_seconds / seconds if seconds else 0.0,
        }

    def eval_reduce(self, state: Any = None, step_outputs: Any = None) -> Any:
        """Add the outputs of an evaluation step to the state of the evaluation.

        Raises:
          StopRequested: a signal came, which ends an evaluation of one worker; its step is saved.
        """
        if self.stop.signal_number is not None and hosts.count_workers(self.strategy) == 1:
            logging.warning("stopping within an evaluation, which is done again when the run goes on")
            raise stopping.StopRequested(self.stop.signal_number)
        for observe in self.eval_observers:
            observe(step_outputs)
        return super().eval_reduce(state, step_outputs)

    def eval_end(self, aggregated_outputs: Any = None) -> Any:
        """Compute the numbers of an evaluation; name the records that it could not use."""
        faults = self._take_faults(is_training=False)
        if faults:
            logging.error(
                "%d of %d validation records could not be used and count as images without detections:%s",
                len(faults),
                self.task.unusable[False].num_records,
                bad_records.list_faults(faults),
            )
        return super().eval_end(aggregated_outputs)

    def class_scalars(self) -> dict[str, float]:
        """List AP and AP50 of masks, and with `task.report` the threshold, for each class, grouped by name.

        Returns:
          `mask_AP_by_class/NAME` and so on, without classes that have no object; on the chief alone.
        """
        return {
            f"{metric}_by_class/{name}": numbers[metric]
            for name, numbers in results_table.select_classes(self.task.class_metrics).items()
            for metric in ("mask_AP", "mask_AP50", "mask_threshold")
            if numbers.get(metric, -1.0) >= 0
        }

    def _take_faults(self, is_training: bool) -> list[Any]:
        faults: list[Any] = self.task.unusable[is_training].take(self.config.task.model.num_classes)
        return faults


def create_slots(optimizer: Any, variables: list[tf.Variable]) -> None:
    """Create the optimizer's slot variables ahead of the first step."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(inner, "build"):
        inner.build(variables)
    elif hasattr(inner, "_create_all_weights"):
        inner._create_all_weights(variables)
