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
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import stored_categories
from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.dataloaders import manifests
from official_yolact.files import storage
from official_yolact.tasks import annotation_file
from official_yolact.tasks import named_files
from official_yolact.training import banner
from official_yolact.training import controller
from official_yolact.training import experiment_runner
from official_yolact.training import reports
from official_yolact.training import run_directory
from official_yolact.training import run_log
from official_yolact.training import stopping
from official_yolact.training import strategies
from official_yolact.training import trainer as yolact_trainer
from official_yolact.training import workers
from official_yolact.training.saving import best_checkpoint
from official_yolact.training.saving import new_checkpoints
from official_yolact.weights import imported

MODES = ("train", "eval", "train_and_eval", "continuous_eval", "train_and_post_eval")


@dataclasses.dataclass
class Launch:
    """A run that is asked for.

    Attributes:
      params: the experiment.
      mode: one of `MODES`.
      model_dir: where the run is kept.
      restart: begin at step 0 though there is a run in `model_dir`.
    """

    params: experiments.YolactExperiment
    mode: str
    model_dir: str
    restart: bool = False

    @functools.cached_property
    def devices(self) -> strategies.Devices:
        """The devices; they are set up when they are first asked for."""
        return strategies.build(self.params.runtime)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes for all workers."""
        return hosts.is_chief(self.devices.strategy)


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
    launch = Launch(params, mode, model_dir, restart)
    for check in CHECKS:
        check(launch)
    prepare(params)
    writes = "train" in mode and launch.is_chief
    with directory_lock.hold(model_dir) if writes else contextlib.nullcontext():
        run_directory.open_run(
            params,
            mode,
            model_dir,
            restart,
            num_replicas=launch.devices.strategy.num_replicas_in_sync,
            is_chief=launch.is_chief,
        )
        if not storage.is_remote(model_dir):
            run_log.attach(model_dir, 0 if launch.is_chief else _find_worker(launch))
        workers.check_alike(params, mode, model_dir, launch.devices.strategy)
        return _run_on_devices(launch)


def prepare(params: experiments.YolactExperiment) -> None:
    """Set the process's seeds and precision policy from the configuration."""
    # Model Garden's own layers may draw from this; everything of ours is stateless.
    tf_keras.utils.set_random_seed(params.task.seed)
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype or "float32")


def _run_on_devices(launch: Launch) -> dict[str, Any]:
    # A copy: params.yaml keeps an open num_gpus, since another machine that reads it may have other GPUs.
    params = launch.params = launch.params.replace()
    params.runtime.num_gpus = launch.devices.num_gpus
    # Our StopSignals stop all workers at one step. TensorFlow's handler would take SIGTERM from them, and
    # restore the checkpoint once more.
    params.trainer.preemption_on_demand_checkpoint = False
    stop = stopping.StopSignals()
    with stop if "train" in launch.mode else contextlib.nullcontext():
        runner = build_runner(launch, stop)
        model, restored = runner.trainer.model, runner.controller.restored
        block = banner.describe_run(params, launch.mode, launch.model_dir, launch.devices, model, restored)
        if path := run_log.find_path():
            block += f"\n  {'all messages':<17}{path}"
        logging.info("this run:\n%s", block)
        _, logs = runner.run()
    return dict(logs)


def build_runner(launch: Launch, stop: stopping.StopSignals) -> experiment_runner.ExperimentRunner:
    """Build task, model, trainer and controller; the last checkpoint is restored on the way.

    Args:
      launch: the run; its directory is set up.
      stop: a request to end the training.
    """
    params, mode, strategy = launch.params, launch.mode, launch.devices.strategy
    with strategy.scope():
        exporter = best_checkpoint.build_exporter(params, launch.model_dir) if "eval" in mode else None
        task = task_factory.get_task(params.task, logging_dir=launch.model_dir)
        trainer: yolact_trainer.YolactTrainer = train_utils.create_trainer(
            params,
            task,
            train="train" in mode,
            evaluate="eval" in mode,
            checkpoint_exporter=exporter,
            trainer_cls=yolact_trainer.YolactTrainer,
        )
    trainer.stop = stop
    actions = reports.build_actions(params, trainer, launch.model_dir) if launch.is_chief else ([], [])
    return experiment_runner.ExperimentRunner(
        distribution_strategy=strategy,
        task=task,
        mode=mode,
        params=params,
        model_dir=launch.model_dir,
        save_summary=launch.is_chief,
        train_actions=actions[0],
        eval_actions=actions[1],
        trainer=trainer,
        controller_cls=functools.partial(
            controller.YolactController,
            config=params.trainer,
            model_dir=launch.model_dir,
            stop=stop,
            is_chief=launch.is_chief,
        ),
    )


def _find_worker(launch: Launch) -> int:
    """Number this process among the workers; the chief is 0."""
    resolver = launch.devices.strategy.cluster_resolver
    return int(resolver.task_id or 0) if resolver is not None else 0


def _check_mode(launch: Launch) -> None:
    if launch.mode not in MODES:
        raise ValueError(f"mode {launch.mode!r}: expected one of {MODES}")


def _check_files(launch: Launch) -> None:
    """Refuse a run whose records, or weights to start from, are not there; a run that goes on has its own."""
    begins = launch.restart or not scan.was_saved(launch.model_dir)
    faults = named_files.find_faults(
        launch.params,
        launch.mode,
        checkpoint=begins and launch.mode != "continuous_eval",
    )
    finding.report(list(faults))


def _check_annotations(launch: Launch) -> None:
    if "eval" not in launch.mode:
        return
    # A training has the classes of its records; those of an older one may be in the directory.
    classes = None if "train" in launch.mode else stored_categories.find(launch.model_dir)
    finding.report(list(annotation_file.find_faults(launch.params.task, classes)))


def _provide_weights(launch: Launch) -> None:
    """Download what `init_checkpoint` names, unless a run goes on: its weights are its own."""
    if launch.restart or not scan.was_saved(launch.model_dir):
        imported.provide_apart(
            launch.params.task.init_checkpoint or "", make_progress=_log_progress, note=logging.info
        )


def _log_progress(what: str) -> Callable[[int, int], None]:
    """Make a display that logs each tenth."""
    shown = [-1]

    def show(done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > shown[0]:
            shown[0] = tenth
            logging.info("%d of %d %s", done, total, what)

    return show


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


def _report_notes(launch: Launch) -> None:
    """Say what the conversion found unusual about the data."""
    task = launch.params.task
    for mode, data in (("train", task.train_data), ("eval", task.validation_data)):
        for line in manifests.list_notes(data.input_path) if mode in launch.mode else ():
            logging.warning("%s", line)


def _check_hosts(launch: Launch) -> None:
    if launch.mode == "continuous_eval" and launch.devices.num_workers > 1:
        raise ValueError("mode 'continuous_eval' runs on one host: set another runtime.distribution_strategy")


def _check_batches(launch: Launch) -> None:
    replicas = launch.devices.strategy.num_replicas_in_sync
    strategies.check_batches(launch.params, replicas, launch.mode)


CHECKS: tuple[Callable[[Launch], None], ...] = (
    _check_mode,
    _check_files,
    _check_annotations,
    _provide_weights,
    _wait_for_training,
    _report_overfull,
    _report_notes,
    _check_hosts,
    _check_batches,
)
"""Done in this order before anything is written: first what needs no devices."""
