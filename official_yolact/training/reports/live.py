"""How far a loop or an evaluation is: in place on a terminal, elsewhere a line when none came for long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from absl import logging

from official_yolact import hosts
from official_yolact.configs import experiments
from official_yolact.training import run_log
from official_yolact.training.reports import console
from official_yolact.training.reports import remaining

_REDRAW_SECONDS = 0.2
_FIRST_LINE_SECONDS = 10.0
_LINE_SECONDS = 60.0
_EVALUATION_LINE_SECONDS = 30.0


class Live:
    """Shows the progress between two lines of a run, and measures what the time left is estimated from."""

    def __init__(
        self, params: experiments.YolactExperiment, trainer: Any, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with an experiment.

        Args:
          params: the experiment.
          trainer: its `YolactTrainer`.
          clock: returns seconds.
        """
        config = params.trainer
        self._num_steps = config.train_steps
        self._batch = params.task.train_data.global_batch_size
        self._trainer = trainer
        self._clock = clock
        self.remaining = remaining.RemainingTime(config.train_steps, config.validation_interval)
        self._has_line = False
        self._shown = clock()
        self._evaluation: tuple[float, int, int] | None = None
        self._evaluation_begin: float | None = None

    def observe_step(self, num_done: int, seconds: float | None) -> None:
        """Show how far a loop is.

        Args:
          num_done: steps of the loop so far.
          seconds: that the last one took; None: it was compiled, too.
        """
        now = self._clock()
        if num_done == 1 and self._evaluation_begin is not None and self._evaluation is None:
            self.remaining.add_evaluation(now - (seconds or 0.0) - self._evaluation_begin)
            self._evaluation_begin = None
        if seconds is None:
            self._shown = now  # The loop has said how long that took.
            return
        self.remaining.add_step(seconds)
        if self._is_due(now, _LINE_SECONDS if self._has_line else _FIRST_LINE_SECONDS):
            self._has_line = True
            self._show(now, self.describe_step(self._trainer.loop_start + num_done))

    def describe_step(self, step: int, loss: float | None = None) -> str:
        """Write the short line of a step."""
        parts = [f"step {step:,}/{self._num_steps:,}"]
        loss = self._read_loss() if loss is None else loss
        if loss is not None:
            parts.append(f"loss {console.format_number(loss)}")
        if usual := self.remaining.step_seconds:
            parts.append(f"{console.format_number(self._batch / usual)} images/s")
        left = self.remaining.estimate(step)
        if left is not None:
            parts.append(f"left {console.format_duration(left)}")
        return " | ".join(parts)

    def end_loop(self) -> None:
        """Note that the line of a loop was said."""
        self._has_line = True
        self._shown = self._clock()

    def observe_evaluation(self, step_outputs: Mapping[str, Any]) -> None:
        """Show how far an evaluation is.

        Args:
          step_outputs: of one step, each a tuple of tensors by replica.
        """
        now = self._clock()
        added = sum(len(image_ids) for image_ids in step_outputs["image_id"])
        added *= hosts.count_workers(self._trainer.strategy)
        # The clock starts after the first batch, which compiles the step.
        begin, first, done = self._evaluation or (now, added, 0)
        self._evaluation_begin = begin
        self._evaluation = begin, first, done + added
        total = self._trainer.task.unusable[False].num_records
        done = min(done + added, total)
        if done > first and self._is_due(now, _EVALUATION_LINE_SECONDS):
            left = (now - begin) / (done - first) * (total - done)
            self._show(now, f"evaluating: {done:,}/{total:,} images | left {console.format_duration(left)}")

    def observe_comparisons(self, kind: str, done: int, total: int) -> None:
        """Show how far the comparison of an evaluation's detections with the ground truth is."""
        now = self._clock()
        if self._is_due(now, _EVALUATION_LINE_SECONDS):
            self._show(now, f"evaluating: {100 * done // total} % of the comparisons of {kind}")

    def end_evaluation(self, logs: Mapping[str, Any]) -> None:
        """Note that an evaluation has ended."""
        del logs
        self._evaluation = None
        self._shown = self._clock()

    def _is_due(self, now: float, seconds: float) -> bool:
        return now - self._shown >= (_REDRAW_SECONDS if run_log.is_terminal() else seconds)

    def _show(self, now: float, line: str) -> None:
        self._shown = now
        if not run_log.show(line):
            logging.info("%s", line)

    def _read_loss(self) -> float | None:
        """Read the mean loss of the loop so far; of several workers, all would have to ask for it."""
        if hosts.count_workers(self._trainer.strategy) > 1:
            return None
        for metric in self._trainer.train_metrics:
            if metric.name == "total_loss":
                return float(metric.result())
        return None
