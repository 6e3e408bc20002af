"""The evaluations of a run, kept on disk, and whether they have stopped getting better."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging

from official_yolact.configs import training as configs
from official_yolact.files import storage
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

FILE_NAME = "evaluations.json"


class EarlyStopping:
    """Keeps the metric of each evaluation and ends the training when it no longer improves.

    The metrics are written to `evaluations.json`, so that a run that goes on counts the evaluations
    before its interruption too.
    """

    def __init__(self, config: configs.TrainerConfig, model_dir: str, is_writing: bool = True):
        """Read the earlier evaluations of the run.

        Args:
          config: names the metric, which way it improves, the patience and the least improvement.
          model_dir: of the run.
          is_writing: whether this process writes the file.
        """
        self._metric = config.best_checkpoint_eval_metric
        self._is_higher_better = config.best_checkpoint_metric_comp == "higher"
        self._patience = config.early_stopping_patience
        self._min_delta = config.early_stopping_min_delta
        self._path = os.path.join(model_dir, FILE_NAME)
        self._is_writing = is_writing
        self._values = self._read()

    def go_back_to(self, step: int) -> None:
        """Forget evaluations of later steps, which training from this one does again."""
        self._values = {known: value for known, value in self._values.items() if known <= step}

    def has(self, step: int) -> bool:
        """Tell whether a step has been evaluated."""
        return step in self._values

    def add(self, step: int, output: Mapping[str, Any]) -> None:
        """Add an evaluation and write the file.

        Args:
          step: global step.
          output: its numbers by name.

        Raises:
          ValueError: early stopping is on and the metric is not among the numbers.
        """
        value = output.get(self._metric)
        if value is None and self._patience:
            raise ValueError(
                f"trainer.best_checkpoint_eval_metric={self._metric!r}: early stopping needs one of "
                f"{', '.join(sorted(output))}"
            )
        self._values[step] = None if value is None else float(value)
        if self._is_writing:
            self._write()

    def find_reason(self) -> str | None:
        """Say why training should end; None while it should go on."""
        if not self._patience:
            return None
        sign = 1 if self._is_higher_better else -1
        best, best_step, since = -math.inf, 0, 0
        for step, value in sorted(self._values.items()):
            since += 1
            # NaN is never better, and any number is better than minus infinity.
            if value is not None and sign * value > best + self._min_delta:
                best, best_step, since = sign * value, step, 0
        if since < self._patience:
            return None
        return (
            f"{self._metric} has not been better than {sign * best:.4g} (step {best_step}) by more than "
            f"{self._min_delta:g} in {since} evaluations (trainer.early_stopping_patience="
            f"{self._patience})"
        )

    def _read(self) -> dict[int, float | None]:
        if not tf.io.gfile.exists(self._path):
            return {}
        try:
            inputs.check(self._path)
            with tf.io.gfile.GFile(self._path) as stream:
                content = json_text.parse(stream.read(), self._path, finite=False)
            return {int(row["step"]): row["value"] for row in content["evaluations"]}
        except (ValueError, KeyError, TypeError) as error:
            logging.error("%s cannot be read (%s): counting evaluations anew", self._path, error)
            return {}

    def _write(self) -> None:
        rows = [{"step": step, "value": value} for step, value in sorted(self._values.items())]
        text = json_text.dump({"metric": self._metric, "evaluations": rows}, indent=1)
        storage.store(self._path, text + "\n")
