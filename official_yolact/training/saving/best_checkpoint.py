"""The best checkpoint of a run, by a metric of its evaluations."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging

import orbit
from official.core import train_utils
from official_yolact import hosts
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import sidecar
from official_yolact.checkpoints import verify
from official_yolact.configs import experiments
from official_yolact.files import json_text
from official_yolact.files import storage
from official_yolact.training.saving import checkpoint_manager

_NAME = train_utils.BEST_CHECKPOINT_NAME


def build_exporter(params: experiments.YolactExperiment, model_dir: str) -> BestCheckpoint | None:
    """Build what keeps the best checkpoint, within the scope of the strategy.

    Args:
      params: `trainer.best_checkpoint_*` name metric, direction and folder.
      model_dir: of the run.

    Returns:
      It; None where no metric or folder is named.
    """
    trainer = params.trainer
    if not (model_dir and trainer.best_checkpoint_export_subdir and trainer.best_checkpoint_eval_metric):
        return None
    return BestCheckpoint(
        os.path.join(model_dir, trainer.best_checkpoint_export_subdir),
        trainer.best_checkpoint_eval_metric,
        trainer.best_checkpoint_metric_comp,
    )


class BestCheckpoint(train_utils.BestCheckpointExporter):
    """Saves a checkpoint whenever the metric is better than ever; `info.json` says what it measured.

    The numbers are kept in the checkpoint's own record too, so that the two cannot disagree. Of several
    workers the chief decides for all, since all must save together.
    """

    def __init__(self, export_dir: str, metric_name: str, metric_comp: str) -> None:
        """Find the best so far.

        Args:
          export_dir: folder of the checkpoint and of `info.json`.
          metric_name: of the evaluation's numbers; `|` leads into nested ones.
          metric_comp: `higher` or `lower` is better.

        Raises:
          ValueError: `metric_comp` is neither.
        """
        self._strategy = tf.distribute.get_strategy()
        self._is_chief = hosts.is_chief(self._strategy)
        self._full_name = metric_name
        super().__init__(export_dir, metric_name, metric_comp)
        self._manager: checkpoint_manager.VerifiedCheckpointManager | None = None
        if self._is_chief:
            scan.remove_orphans(export_dir, _NAME)

    @property
    def best_ckpt_logs(self) -> dict[str, Any]:
        """The numbers of the best evaluation; the metric is NaN before there is one."""
        return {self._full_name: self._value(self._best_ckpt_logs), **(self._best_ckpt_logs or {})}

    @property
    def best_ckpt_path(self) -> str | None:
        """The newest intact best checkpoint; None if there is none."""
        found, _ = verify.find_intact(self._export_dir, _NAME)
        return found.prefix if found else None

    def maybe_export_checkpoint(
        self, checkpoint: Any, eval_logs: Mapping[str, Any], global_step: int, write_logs: bool = True
    ) -> bool:
        """Save the checkpoint if its metric is better than ever.

        Args:
          checkpoint: `tf.train.Checkpoint` with the weights that were evaluated.
          eval_logs: the evaluation's numbers.
          global_step: of the weights.
          write_logs: write `info.json` too.

        Returns:
          Whether it was saved. A metric that is missing or NaN is never the best.
        """
        step = int(global_step)
        if not self._agree(self._is_better(eval_logs, step)):
            return False
        numbers = _scalars(eval_logs)
        try:
            self._get_checkpoint_manager(checkpoint).save(checkpoint_number=step, metrics=numbers)
        except checkpoint_manager.NonFiniteCheckpointError as error:
            logging.error("the best checkpoint is not replaced: %s", error)
            return False
        self._best_ckpt_logs = numbers
        if write_logs and self._is_chief:
            self.export_best_eval_metric(numbers, step)
        return True

    def export_best_eval_metric(self, eval_logs: Mapping[str, Any], global_step: int) -> None:
        """Write the numbers of the best evaluation to `info.json`, in one step."""
        content = {**_scalars(eval_logs), "best_ckpt_global_step": float(global_step)}
        storage.write_text(self.best_ckpt_logs_path, json_text.dump(content, indent=4) + "\n")

    def _get_checkpoint_manager(self, checkpoint: Any) -> checkpoint_manager.VerifiedCheckpointManager:
        if self._manager is None or self._manager.checkpoint != checkpoint:
            folder = self._export_dir if self._is_chief else storage.make_temporary_folder()
            self._manager = checkpoint_manager.VerifiedCheckpointManager(
                checkpoint, folder, 1, checkpoint_name=_NAME
            )
        return self._manager

    def _maybe_load_best_eval_metric(self) -> dict[str, Any] | None:
        """Read the best numbers so far: those beside the checkpoints, or else those of `info.json`."""
        intact = [
            found for found in scan.find_checkpoints(self._export_dir, _NAME) if not verify.find_damage(found)
        ]
        stated = self._read_info()
        records = [(found, sidecar.read(found.prefix)) for found in intact]
        kept = [
            (record.step, dict(record.metrics))
            for _, record in records
            if record is not None and not math.isnan(self._value(record.metrics))
        ]
        if kept:
            sign = 1 if self._metric_comp == "higher" else -1
            step, numbers = max(kept, key=lambda each: sign * self._value(each[1]))
            if self._is_chief and (stated is None or stated.get("best_ckpt_global_step") != float(step)):
                logging.warning("%s: written again from the checkpoint's record", self.best_ckpt_logs_path)
                self.export_best_eval_metric(numbers, step)
            return numbers
        if stated is not None and not intact:
            logging.warning("%s: there is no intact checkpoint of it: forgotten", self.best_ckpt_logs_path)
            return None
        return stated

    def _read_info(self) -> dict[str, Any] | None:
        if not tf.io.gfile.exists(self.best_ckpt_logs_path):
            return None
        try:
            stated = json_text.parse(
                storage.read_text(self.best_ckpt_logs_path), self.best_ckpt_logs_path, finite=False
            )
            if not isinstance(stated, dict):
                raise ValueError(f"holds {type(stated).__name__}, not numbers by name")
        except ValueError as error:
            logging.warning("%s is damaged (%s)", self.best_ckpt_logs_path, error)
            return None
        return stated

    def _is_better(self, eval_logs: Mapping[str, Any], step: int) -> bool:
        new, old = self._value(eval_logs), self._value(self._best_ckpt_logs)
        if math.isnan(new):
            logging.warning(
                "step %d: %s is missing or NaN: not the best checkpoint (there are %s)",
                step,
                self._full_name,
                sorted(eval_logs),
            )
            return False
        better = new < old if self._metric_comp == "lower" else new > old
        logging.info("step %d: %s is %.4f, the best so far %.4f", step, self._full_name, new, old)
        return better or math.isnan(old)

    def _value(self, logs: Mapping[str, Any] | None) -> float:
        try:
            leaf = train_utils.get_leaf_nested_dict(logs or {}, self._metric_name)
            return float(orbit.utils.get_value(leaf))
        except (KeyError, TypeError, ValueError):
            return math.nan

    def _agree(self, better: bool) -> bool:
        return hosts.send_from_chief(b"1" if better else b"0", self._strategy) == b"1"


def _scalars(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what is a number, nested as it is, as floats."""
    kept: dict[str, Any] = {}
    for name, value in logs.items():
        if isinstance(value, Mapping):
            kept[name] = _scalars(value)
            continue
        number = orbit.utils.get_value(value)
        # A record has None in place of NaN.
        if number is not None and getattr(number, "size", 1) == 1 and not isinstance(number, (str, bytes)):
            kept[name] = float(number)
    return kept
