"""One training or evaluation run through Model Garden's train_lib."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tf_keras
from absl import logging

from official.core import task_factory
from official.core import train_utils
from official.modeling import performance
from official_yolact import hosts
from official_yolact.checkpoints import directory_lock
from official_yolact.checkpoints import stored_categories
from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.dataloaders import manifests
from official_yolact.tasks import annotation_file
from official_yolact.training import banner
from official_yolact.training import controller
from official_yolact.training import experiment_runner
from official_yolact.training import reports
from official_yolact.training import run_directory
from official_yolact.training import stopping
from official_yolact.training import strategies
from official_yolact.training import trainer as yolact_trainer
from official_yolact.training import workers
from official_yolact.training.saving import best_checkpoint
from official_yolact.training.saving import new_checkpoints

MODES = ("train", "eval", "train_and_eval", "continuous_eval", "train_and_post_eval")


@dataclasses.dataclass
class Launch:
    """What is asked for, before the run begins.

    Attributes:
      params: the experiment.
      mode: of the run.
      model_dir: its directory.
    """

    params: experiments.YolactExperiment
    mode: str
    model_dir: str

    @functools.cached_property
    def devices(self) -> strategies.Devices:
        """The devices; they are set up when they are first asked for."""
        return strategies.build(self.params.runtime)


def run(
    params: experiments.YolactExperiment, mode: str, model_dir: str, restart: bool = False
) -> dict[str, Any]:
    """Run an experiment.

    Args:
      params: a checked configuration.
      mode: one of `MODES`.
      model_dir: where checkpoints, summaries, `params.yaml` and `categories.json` are written, and
        where a run that was stopped goes on.
      restart: begin at step 0 though there is a run in `model_dir`, whose files are moved aside.

    Returns:
      The evaluation's numbers, where the mode ends with one; otherwise empty.

    Raises:
      ValueError: an unknown mode; data that do not fit the configuration; a run that cannot go on as it
        is: another architecture, other classes, no intact checkpoint.
      OSError: missing data; another training is running in `model_dir`.
      StopRequested: SIGTERM or SIGINT came while training; the last step is saved.
    """
    launch = Launch(params, mode, model_dir)
    for check in CHECKS:
        check(launch)
    prepare(params)
    writes = "train" in mode and hosts.is_chief(launch.devices.strategy)
    with directory_lock.hold(model_dir) if writes else contextlib.nullcontext():
        return _run_on(launch.devices, params, mode, model_dir, restart)


def _run_on(
    devices: strategies.Devices,
    params: experiments.YolactExperiment,
    mode: str,
    model_dir: str,
    restart: bool,
) -> dict[str, Any]:
    run_directory.open_run(
        params,
        mode,
        model_dir,
        restart,
        num_replicas=devices.strategy.num_replicas_in_sync,
        is_chief=hosts.is_chief(devices.strategy),
    )
    workers.check_alike(params, mode, model_dir, devices.strategy)
    # A copy: params.yaml keeps an open num_gpus, since another machine that reads it may have other GPUs.
    params = params.replace()
    params.runtime.num_gpus = devices.num_gpus
    # Our StopSignals stop all workers at one step. TensorFlow's handler would take SIGTERM from them, and
    # restore the checkpoint once more.
    params.trainer.preemption_on_demand_checkpoint = False
    stop = stopping.StopSignals()
    with stop if "train" in mode else contextlib.nullcontext():
        runner = _build_runner(params, mode, model_dir, devices, stop)
        restored = runner.controller.restored
        block = banner.describe_run(params, mode, model_dir, devices, runner.trainer.model, restored)
        logging.info("this run:\n%s", block)
        _, logs = runner.run()
    return dict(logs)


def _build_runner(
    params: experiments.YolactExperiment,
    mode: str,
    model_dir: str,
    devices: strategies.Devices,
    stop: stopping.StopSignals,
) -> Any:
    """Build task, model, trainer and controller; the last checkpoint is restored on the way."""
    with devices.strategy.scope():
        task = task_factory.get_task(params.task, logging_dir=model_dir)
        trainer = _build_trainer(params, task, mode, model_dir)
    trainer.stop = stop
    is_chief = hosts.is_chief(devices.strategy)
    train_actions, eval_actions = reports.build_actions(params, trainer, model_dir) if is_chief else ([], [])
    controller_cls = functools.partial(
        controller.YolactController,
        config=params.trainer,
        model_dir=model_dir,
        stop=stop,
        is_chief=is_chief,
        writes_lines=not is_chief,
    )
    return experiment_runner.ExperimentRunner(
        distribution_strategy=devices.strategy,
        task=task,
        mode=mode,
        params=params,
        model_dir=model_dir,
        save_summary=is_chief,
        train_actions=train_actions,
        eval_actions=eval_actions,
        trainer=trainer,
        controller_cls=controller_cls,
    )


def prepare(params: experiments.YolactExperiment) -> None:
    """Set the process's seeds and precision policy from the configuration."""
    # Model Garden's own layers may draw from this; everything of ours is stateless.
    tf_keras.utils.set_random_seed(params.task.seed)
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype or "float32")


def _build_trainer(
    params: experiments.YolactExperiment, task: Any, mode: str, model_dir: str
) -> yolact_trainer.YolactTrainer:
    evaluates = "eval" in mode
    exporter = best_checkpoint.build_exporter(params, model_dir) if evaluates else None
    trainer: yolact_trainer.YolactTrainer = train_utils.create_trainer(
        params,
        task,
        train="train" in mode,
        evaluate=evaluates,
        checkpoint_exporter=exporter,
        trainer_cls=yolact_trainer.YolactTrainer,
    )
    return trainer


def _check_mode(launch: Launch) -> None:
    if launch.mode not in MODES:
        raise ValueError(f"mode {launch.mode!r}: expected one of {MODES}")


def _check_annotations(launch: Launch) -> None:
    if "eval" not in launch.mode:
        return
    # A training has the classes of its records; those of an older one may be in the directory.
    classes = None if "train" in launch.mode else stored_categories.find(launch.model_dir)
    found = list(annotation_file.find_faults(launch.params.task, classes))
    finding.raise_errors(found)
    for warning in found:
        logging.warning("%s", warning)


def _wait_for_training(launch: Launch) -> None:
    """Wait, or an evaluation beside a training would write its own classes where that writes its."""
    if launch.mode == "continuous_eval":
        new_checkpoints.wait_for_first(launch.model_dir, launch.params.trainer.continuous_eval_timeout)


def _report_overfull(launch: Launch) -> None:
    if "train" not in launch.mode:
        return
    data = launch.params.task.train_data
    limit = data.parser.max_num_instances
    count = manifests.count_overfull(data.input_path, limit)
    if count:
        logging.warning(
            "%d training images have more than %d instances: the smallest of those are left out; "
            "raise task.train_data.parser.max_num_instances to use them",
            count,
            limit,
        )


def _check_hosts(launch: Launch) -> None:
    if launch.mode == "continuous_eval" and launch.devices.num_workers > 1:
        raise ValueError("mode 'continuous_eval' runs on one host: set another runtime.distribution_strategy")


def _check_batches(launch: Launch) -> None:
    replicas = launch.devices.strategy.num_replicas_in_sync
    strategies.check_batches(launch.params, replicas, launch.mode)


CHECKS: tuple[Callable[[Launch], None], ...] = (
    _check_mode,
    _check_annotations,
    _wait_for_training,
    _report_overfull,
    _check_hosts,
    _check_batches,
)
"""Done in this order before anything is written: first what needs no devices."""
