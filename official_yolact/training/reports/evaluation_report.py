"""The report of a run: what the last evaluation of a training says, as `yolact eval --report` writes it."""

from __future__ import annotations

import os
from typing import Any

from absl import logging

from official_yolact.configs import experiments
from official_yolact.dataloaders import manifests
from official_yolact.reporting import ceiling
from official_yolact.reporting import contestants
from official_yolact.reporting import report as report_lib
from official_yolact.reporting import report_files
from official_yolact.reporting import report_schema as schema


class EvaluationReport:
    """Writes the report into the run directory after the last step."""

    def __init__(self, params: experiments.YolactExperiment, trainer: Any, model_dir: str) -> None:
        """Remember the run; its report will be in its folder `report`."""
        self._params, self._trainer, self._model_dir = params, trainer, model_dir

    def write(self, logs: dict[str, Any]) -> None:
        """Write it, if this evaluation is of the last step and this worker has measured it."""
        del logs
        step = int(self._trainer.global_step.numpy())
        evaluated = self._trainer.task.evaluated
        if step < self._params.trainer.train_steps or evaluated is None:
            return
        folder = os.path.join(self._model_dir, contestants.REPORT_FOLDER)
        evaluator, evaluation = evaluated
        source = report_lib.Source(
            evaluator.groundtruth,
            evaluator.box_results,
            evaluator.mask_results,
            evaluation,
            model=self._describe_model(step),
            images=self._find_images(),
            notes=evaluator.groundtruth.describe(),
            grid=self._describe_grid(evaluator.grid),
        )
        report_files.write_report(source, folder)
        logging.info("report: %s", os.path.join(folder, "report.html"))

    def _describe_model(self, step: int) -> schema.Model:
        return {
            "path": self._model_dir,
            "checkpoint": None,
            "step": step,
            "config": self._params.as_dict(),
            "weights": None,
            "runtime": "TensorFlow, in training",
            "precision": self._params.runtime.mixed_precision_dtype or "float32",
            "options": {},
        }

    def _describe_grid(self, cells: tuple[int, int] | None) -> ceiling.Grid | None:
        if cells is None:
            return None
        task = self._params.task
        height, width = task.model.input_size
        target = task.train_data.parser.mask_target
        return ceiling.Grid(cells, (height, width), target, task.model.keep_aspect)

    def _find_images(self) -> str | None:
        """Find the folder from which the validation records were converted, if it is still there."""
        if self._params.task.annotation_file:
            return None
        _, manifest = manifests.find_manifest(self._params.task.validation_data.input_path)
        folder = manifest.source.get("images", "")
        return folder if os.path.isdir(folder) else None
