"""The numbers of a run, as lines, as a table and as curves."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

from absl import logging

from official_yolact.configs import experiments
from official_yolact.evaluation import table
from official_yolact.training import run_log
from official_yolact.training.reports import console
from official_yolact.training.reports import curves
from official_yolact.training.reports import live
from official_yolact.training.reports import process_memory
from official_yolact.training.reports import results_table
from official_yolact_runtime.files import outputs

METRICS_FILE = "metrics.json"
"""Numbers of the last evaluation, in the form of `yolact eval`."""

_REDRAW_SECONDS = 600.0
_ROW_SECONDS = 20.0
_SPEED = ("images_per_second", "input_wait")


class RunReport:
    """Reports the logs of loops and evaluations."""

    def __init__(self, params: experiments.YolactExperiment, trainer: Any, model_dir: str):
        """Begin the reports of an experiment in its run directory."""
        self._config = params.trainer
        self._batch = params.task.train_data.global_batch_size
        self._trainer = trainer
        self._table = results_table.ResultsTable(model_dir)
        self._metrics_path = os.path.join(model_dir, METRICS_FILE)
        self._curves_path = os.path.join(model_dir, curves.FILE_NAME)
        self.live = live.Live(params, trainer)
        self._has_heading = False
        self._row = 0, time.monotonic()  # epochs and time of the last one on a terminal
        self._begin = self._drawn = time.monotonic()
        self._last_step: int | None = None

    def measure(self, logs: dict[str, Any]) -> None:
        """Add the memory to the logs of a loop; remove its speed if no step was timed."""
        logs.update(process_memory.read_memory())
        if not _is_positive(logs.get("images_per_second")):
            for name in _SPEED:
                logs.pop(name, None)

    def say_loop(self, logs: dict[str, Any]) -> None:
        """Log the line of a training loop, and after the last one what the training took."""
        numbers = read_numbers(logs)
        step, num_steps = self._read_step(), self._config.train_steps
        speed = numbers.get("images_per_second")
        if self.live.remaining.step_seconds is None and speed:
            self.live.remaining.add_step(self._batch / speed)  # on a TPU, whose steps are not timed
        left, epochs = self.live.remaining.estimate(step), self._count_epochs(step)
        line = console.format_train_line(step, num_steps, numbers, epochs, left)
        short = self.live.describe_step(step, numbers.get("total_loss"))
        logging.info("%s", line, extra=run_log.progress(short))
        self._show_row(step, numbers, epochs, left)
        self.live.end_loop()
        if step >= num_steps:
            logging.info("%s", self._describe_end(step))

    def _show_row(
        self, step: int, numbers: dict[str, float], epochs: float | None, left: float | None
    ) -> None:
        """Show a row of a table on a terminal, at the end of an epoch or before an evaluation."""
        is_last = step >= self._config.train_steps or step % self._config.validation_interval == 0
        is_epoch = int(epochs or 0) > self._row[0] and time.monotonic() - self._row[1] > _ROW_SECONDS
        if not run_log.is_terminal() or not (is_last or is_epoch):
            return
        if not self._has_heading:
            run_log.say(console.ROW_HEADING)
        self._has_heading = True
        self._row = int(epochs or 0), time.monotonic()
        run_log.say(console.format_row(step, numbers, epochs, left))

    def tabulate_loop(self, logs: dict[str, Any]) -> None:
        """Append the row of a training loop; a restart or a recovery replaces what it does again."""
        step = self._read_step()
        if self._last_step is None or step <= self._last_step:
            self._table.drop_after(int(self._trainer.loop_start))
        self._last_step = step
        self._append(results_table.TRAIN, logs)

    def tabulate_evaluation(self, logs: dict[str, Any]) -> None:
        """Append the rows of an evaluation."""
        self._append(results_table.EVAL, logs, self._trainer.task.class_metrics)

    def write_metrics(self, logs: dict[str, Any]) -> None:
        """Write the numbers of an evaluation and those of all classes, in place of those of the last one."""
        numbers = {
            name: value if math.isfinite(value) else None for name, value in read_numbers(logs).items()
        }
        account = {"step": self._read_step(), **numbers, "classes": self._trainer.task.class_metrics}
        outputs.write_json(self._metrics_path, account, indent=1)

    def say_evaluation(self, logs: dict[str, Any]) -> None:
        """Log the line of an evaluation, and the classes with the lowest AP."""
        metric = self._config.best_checkpoint_eval_metric or "mask_AP"
        best = self._table.find_best(metric, self._config.best_checkpoint_metric_comp != "lower")
        logging.info("%s", console.format_eval_line(self._read_step(), read_numbers(logs), metric, best))
        if classes := table.format_classes(self._trainer.task.class_metrics):
            logging.info("%s", classes)
        self._has_heading = False

    def draw_now_and_then(self, logs: dict[str, Any]) -> None:
        """Draw the curves at the end of the training, and when the last ones are ten minutes old."""
        is_last = self._read_step() >= self._config.train_steps
        if is_last or time.monotonic() - self._drawn > _REDRAW_SECONDS:
            self.draw(logs)

    def draw(self, logs: dict[str, Any]) -> None:
        """Draw the curves."""
        del logs
        self._drawn = time.monotonic()
        curves.draw_curves(self._table.read(), self._curves_path)

    def _append(
        self, kind: str, logs: dict[str, Any], classes: Mapping[str, Mapping[str, float]] | None = None
    ) -> None:
        step = self._read_step()
        numbers, epoch = read_numbers(logs), self._count_epochs(step)
        self._table.append(kind, step, numbers if epoch is None else {**numbers, "epoch": epoch}, classes)

    def _read_step(self) -> int:
        return int(self._trainer.global_step.numpy())

    def _count_epochs(self, step: int) -> float | None:
        length = self._trainer.task.unusable[True].epoch_length
        return step * self._batch / length if length else None

    def _describe_end(self, step: int) -> str:
        seconds = time.monotonic() - self._begin
        return console.format_end_line(
            step, seconds, process_memory.read_peak_mb(), process_memory.read_gpu_peak_mb()
        )


def read_numbers(logs: dict[str, Any]) -> dict[str, float]:
    """Read the scalars of logs as floats; values that are nested or no numbers are left out."""
    numbers = {}
    for name, value in logs.items():
        found = value.numpy() if hasattr(value, "numpy") else value
        try:
            numbers[name] = float(found)
        except (TypeError, ValueError):
            continue
    return numbers


def _is_positive(value: Any) -> bool:
    return value is not None and math.isfinite(float(value)) and float(value) > 0
