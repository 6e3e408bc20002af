"""The reports of a run as actions, which Orbit's controller calls after each loop and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from absl import logging

from official_yolact.configs import experiments
from official_yolact.files import storage
from official_yolact.training.reports import curves
from official_yolact.training.reports import evaluation_report
from official_yolact.training.reports import mirror
from official_yolact.training.reports import pictures
from official_yolact.training.reports import results_table
from official_yolact.training.reports import run_report

Action = Callable[[dict[str, Any]], None]


def build_actions(
    params: experiments.YolactExperiment, trainer: Any, model_dir: str
) -> tuple[list[Action], list[Action]]:
    """Build the reports of a run. A report that fails is logged once and does not end the run.

    Args:
      params: the experiment.
      trainer: its `YolactTrainer`, to whose steps observers are added, for progress and pictures.
      model_dir: of the run, for `results.csv`, `metrics.json`, `results.png`, and the folders `pictures`
        and `report`.

    Returns:
      Actions to call with the logs of each training loop, to which they add memory, and with those
      of each evaluation.
    """
    copy = mirror.Mirror(model_dir) if storage.is_remote(model_dir) else None
    model_dir = copy.folder if copy else model_dir
    report = run_report.RunReport(params, trainer, model_dir)
    live = report.live
    trainer.step_observers.append(_Guarded("progress of a loop", live.observe_step))
    trainer.eval_observers.append(_Guarded("progress of an evaluation", live.observe_evaluation))
    trainer.task.report_comparisons = _Guarded("progress of the comparisons", live.observe_comparisons)
    table, figure = results_table.FILE_NAME, curves.FILE_NAME
    train_actions: list[Action] = [
        _Guarded("memory", report.measure),
        _Guarded("line of a loop", report.say_loop),
        _Guarded(f"row of a loop in {table}", report.tabulate_loop),
        _Guarded(figure, report.draw_now_and_then),
    ]
    eval_actions: list[Action] = [
        _Guarded("progress of an evaluation", live.end_evaluation),
        _Guarded(f"rows of an evaluation in {table}", report.tabulate_evaluation),
        _Guarded(run_report.METRICS_FILE, report.write_metrics),
        _Guarded("line of an evaluation", report.say_evaluation),
        _Guarded(figure, report.draw),
    ]
    if params.task.report:
        written = evaluation_report.EvaluationReport(params, trainer, model_dir)
        eval_actions.append(_Guarded("report of the evaluation", written.write))
    if params.trainer.num_pictures > 0:
        drawing = pictures.Pictures(params, trainer, model_dir)
        trainer.eval_observers.append(_Guarded("detections to draw", drawing.observe))
        eval_actions.append(_Guarded("pictures of validation images", drawing.draw_evaluation))
        if hasattr(trainer, "train_metrics"):
            # After the first loop, which alone has a watch for an input that stands still.
            train_actions.append(_Guarded("picture of a training batch", drawing.draw_training_batch))
    if copy:
        for actions in (train_actions, eval_actions):
            actions.append(_Guarded("copies of the reports", copy.copy))
    return train_actions, eval_actions


class _Guarded:
    """A report that may fail without ending the run."""

    def __init__(self, name: str, action: Callable[..., None]):
        self._name = name
        self._action = action
        self._has_failed = False

    def __call__(self, *arguments: Any) -> None:
        try:
            self._action(*arguments)
        except Exception as error:
            if not self._has_failed:
                logging.warning(
                    "not reported: %s (%s: %s). The run goes on; this is said once",
                    self._name,
                    type(error).__name__,
                    error,
                )
            self._has_failed = True
