"""The best checkpoint of a run, by a metric of its evaluations."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging

import orbit
from official.core import train_utils
from official_yolact import hosts
from official_yolact.checkpoints import checkpoint_writer
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import sidecar
from official_yolact.checkpoints import verify
from official_yolact.configs import experiments
from official_yolact.files import storage
from official_yolact.training import run_log
from official_yolact_runtime.files import json_text

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


class BestCheckpoint:
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
        if metric_comp not in ("higher", "lower"):
            raise ValueError(f"metric_comp {metric_comp!r}: expected one of higher, lower")
        self._strategy = tf.distribute.get_strategy()
        self._is_chief = hosts.is_chief(self._strategy)
        self._folder = export_dir
        self._info_path = os.path.join(export_dir, "info.json")
        self._metric_name = metric_name
        self._is_higher_better = metric_comp == "higher"
        self._writer: checkpoint_writer.CheckpointWriter | None = None
        tf.io.gfile.makedirs(export_dir)
        self._best_logs = self._find_best_logs()
        if self._is_chief:
            scan.remove_orphans(export_dir, _NAME)

    @property
    def best_ckpt_logs(self) -> dict[str, Any]:
        """The numbers of the best evaluation; the metric is NaN before there is one."""
        return {self._metric_name: self._value(self._best_logs), **(self._best_logs or {})}

    def maybe_export_checkpoint(
        self, checkpoint: tf.train.Checkpoint, eval_logs: Mapping[str, Any], global_step: int
    ) -> bool:
        """Save the checkpoint if its metric is better than ever.

        Args:
          checkpoint: with the weights that were evaluated; the same object in every call.
          eval_logs: the evaluation's numbers.
          global_step: of the weights.

        Returns:
          Whether it was saved. A metric that is missing or NaN is never the best.
        """
        step = int(global_step)
        is_better = self._is_better(eval_logs, step)
        if not json.loads(hosts.send_from_chief(json.dumps(is_better), self._strategy)):
            return False
        numbers = _scalars(eval_logs)
        if self._writer is None:
            folder = self._folder if self._is_chief else storage.make_temporary_folder()
            self._writer = checkpoint_writer.CheckpointWriter(checkpoint, folder, 1, name=_NAME)
        try:
            self._writer.save(step, numbers)
        except checkpoint_writer.NonFiniteCheckpointError as error:
            logging.error("the best checkpoint is not replaced: %s", error)
            return False
        self._best_logs = numbers
        if self._is_chief:
            self._write_info(numbers, step)
        return True

    def _write_info(self, numbers: Mapping[str, Any], step: int) -> None:
        content = {**numbers, "best_ckpt_global_step": float(step)}
        storage.store(self._info_path, json_text.dump(content, indent=4) + "\n")

    def _find_best_logs(self) -> dict[str, Any] | None:
        """Read the best numbers so far: those beside the checkpoints, or else those of `info.json`."""
        found = scan.find_checkpoints(self._folder, _NAME)
        intact = [each.prefix for each in found if not verify.find_damage(each)]
        stated = self._read_info()
        records = [record for record in map(sidecar.read, intact) if record is not None]
        kept = [record for record in records if not math.isnan(self._value(record.metrics))]
        if kept:
            sign = 1 if self._is_higher_better else -1
            best = max(kept, key=lambda record: sign * self._value(record.metrics))
            if self._is_chief and (stated is None or stated.get("best_ckpt_global_step") != float(best.step)):
                logging.warning("%s: written again from the checkpoint's record", self._info_path)
                self._write_info(_scalars(best.metrics), best.step)
            return dict(best.metrics)
        if stated is not None and not intact:
            logging.warning("%s: there is no intact checkpoint of it: forgotten", self._info_path)
            return None
        return stated

    def _read_info(self) -> dict[str, Any] | None:
        if not tf.io.gfile.exists(self._info_path):
            return None
        try:
            stated = json_text.parse(storage.read_text(self._info_path), self._info_path, finite=False)
            if not isinstance(stated, dict):
                raise ValueError(f"holds {type(stated).__name__}, not numbers by name")
        except ValueError as error:
            logging.warning("%s is damaged (%s)", self._info_path, error)
            return None
        return stated

    def _is_better(self, eval_logs: Mapping[str, Any], step: int) -> bool:
        new, old = self._value(eval_logs), self._value(self._best_logs)
        if math.isnan(new):
            logging.warning(
                "step %d: %s is missing or NaN: not the best checkpoint (there are %s)",
                step,
                self._metric_name,
                sorted(eval_logs),
            )
            return False
        better = new > old if self._is_higher_better else new < old
        before = "the first" if math.isnan(old) else f"the best so far {old:.4f}"
        logging.info("step %d: %s is %.4f, %s", step, self._metric_name, new, before, extra=run_log.DETAIL)
        return better or math.isnan(old)

    def _value(self, logs: Mapping[str, Any] | None) -> float:
        try:
            leaf = train_utils.get_leaf_nested_dict(logs or {}, self._metric_name.split("|"))
            return float(orbit.utils.get_value(leaf))
        except (KeyError, TypeError, ValueError):
            return math.nan


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
