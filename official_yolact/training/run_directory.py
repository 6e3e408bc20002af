"""The record of a run: how it began, with which classes, and what has changed since."""

from __future__ import annotations

import datetime
import glob
import os
import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging

from official_yolact.checkpoints import scan
from official_yolact.checkpoints import stored_categories
from official_yolact.configs import architecture
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.configs import yolact
from official_yolact.dataloaders import manifests
from official_yolact.files import storage
from official_yolact.training import batch_norm
from official_yolact.training import config_changes
from official_yolact.training.reports import curves
from official_yolact.training.reports import run_report
from official_yolact.training.watch import early_stopping
from official_yolact.weights import named_weights
from official_yolact_runtime import categories
from official_yolact_runtime import model_files
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs as local_files

# What a run writes; nothing else is moved by a restart.
_OF_A_RUN = re.compile(
    r"^(ckpt-\d+(\.index|\.json|\.data-\d{5}-of-\d{5}|_temp)|checkpoint|params(-\d+)?\.yaml|categories\.json"
    r"|best_ckpt|ema_checkpoints|train|validation|pictures|results\.(csv|png)|(evaluations|metrics)\.json"
    r"|log(-worker-\d+)?(-2)?(\.1)?\.txt)$"
)

_WRITTEN_WHOLE = (
    model_files.PARAMS_FILE,
    categories.FILE_NAME,
    early_stopping.FILE_NAME,
    curves.FILE_NAME,
    run_report.METRICS_FILE,
)


def open_run(
    params: experiments.YolactExperiment,
    mode: str,
    model_dir: str,
    restart: bool = False,
    *,
    num_replicas: int = 1,
    is_chief: bool = True,
) -> None:
    """Write how a run begins; or compare a run that goes on with how it began.

    Args:
      params: the experiment; `task.model.freeze_bn` is decided in place where it is open.
      mode: of the run.
      model_dir: its directory, which is made.
      restart: move what an earlier run left there into a folder beside it, and begin.
      num_replicas: of the distribution strategy.
      is_chief: whether this worker writes; the others only compare.

    Raises:
      ValueError: a run would begin over files that no run wrote; the classes of the data do not fit the
        model; a run that goes on has another architecture or other classes than at its start; its records
        are damaged; `restart` without training; an evaluation without weights.
      OSError: missing data; the directory cannot be written.
    """
    trains = "train" in mode
    if restart and not trains:
        raise ValueError(f"restart: mode is {mode!r}, which trains nothing")
    if mode == "eval":
        _require_weights(params.task, model_dir)
    tf.io.gfile.makedirs(model_dir)
    if restart and is_chief:
        move_aside(model_dir)
    found = _check_classes(params, trains, model_dir)
    if not trains:
        if found is not None and is_chief:
            stored_categories.save(found, model_dir)
        return
    assert found is not None
    goes_on = not restart and scan.was_saved(model_dir)
    path = os.path.join(model_dir, model_files.PARAMS_FILE)
    start = _read_params(path) if goes_on and tf.io.gfile.exists(path) else None
    # Of a worker that is not the chief the old files may still be there.
    known = model_dir if goes_on else os.path.join(model_dir, "new")
    batch_norm.decide_freeze(params, num_replicas, known)
    if goes_on:
        _compare_classes(found, model_dir, is_chief)
        _compare_params(params, start, model_dir, is_chief)
    elif is_chief:
        _refuse_foreign_files(model_dir)
        stored_categories.save(found, model_dir)
        _write_params(params, path)


def describe_identity(
    params: experiments.YolactExperiment, model_dir: str, trains: bool = True
) -> dict[str, Any]:
    """Collect what must not change while a run goes on; it is kept beside each checkpoint.

    Args:
      params: the experiment.
      model_dir: of the run, with its `categories.json`.
      trains: the run trains; otherwise it does not matter which batch norms are frozen.

    Returns:
      Key to JSON value: each key of the architecture, and the classes.
    """
    identity = architecture.select(params.as_dict())
    if not trains:
        identity.pop(architecture.FREEZE_BN, None)
    path = os.path.join(model_dir, categories.FILE_NAME)
    if tf.io.gfile.exists(path):
        identity["classes"] = json_text.parse(storage.read_text(path), path)
    return identity


def move_aside(model_dir: str) -> str | None:
    """Move what an earlier run wrote into a new folder below its directory.

    Args:
      model_dir: of the run.

    Returns:
      The folder; None if there was nothing.
    """
    names = [name for name in storage.list_names(model_dir) if _OF_A_RUN.match(name)]
    if not names:
        return None
    time = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder = os.path.join(model_dir, f"before-restart-{time}")
    tf.io.gfile.makedirs(folder)
    for name in names:
        storage.rename(os.path.join(model_dir, name), os.path.join(folder, name))
    logging.warning("restart: %d files and folders of the earlier run are now in %s", len(names), folder)
    return folder


def _require_weights(task: yolact.YolactTask, model_dir: str) -> None:
    """Refuse to evaluate what would be random weights, in whole or but for the backbone."""
    modules = named_weights.choose_modules(task.init_checkpoint or "", task.init_checkpoint_modules)
    has_model = task.init_checkpoint and modules != "backbone"
    if not has_model and not scan.was_saved(model_dir):
        raise ValueError(
            f"{model_dir}: there is no checkpoint to evaluate: give the directory of a training as "
            "--model_dir, or a whole model as task.init_checkpoint"
        )


def _check_classes(
    params: experiments.YolactExperiment, trains: bool, model_dir: str
) -> categories.Categories | None:
    """Read the classes of the data; None for an evaluation that keeps those of the training."""
    if not trains and tf.io.gfile.exists(os.path.join(model_dir, categories.FILE_NAME)):
        return None
    data = params.task.train_data if trains else params.task.validation_data
    found = manifests.load_categories(data.input_path)
    if found.num_classes != params.task.model.num_classes:
        raise ValueError(
            f"task.model.num_classes: {params.task.model.num_classes}, but {data.input_path} has "
            f"{len(found.ids)} classes: set it to {found.num_classes} (the background counts as one)"
        )
    return found


def _compare_classes(found: categories.Categories, model_dir: str, is_chief: bool) -> None:
    try:
        start = stored_categories.find(model_dir)
    except ValueError as error:
        raise ValueError(
            f"{error}: copy it from the data's manifest, or begin again with --restart"
        ) from error
    if start is None:
        path = os.path.join(model_dir, categories.FILE_NAME)
        logging.warning("%s is missing: cannot tell whether the classes are those of the start", path)
        if is_chief:
            stored_categories.save(found, model_dir)
        return
    if start == found:
        return
    changes = [
        f"class {index + 1}: {old or 'none'} -> {new or 'none'}"
        for index, (old, new) in enumerate(_pair(start, found))
        if old != new
    ]
    raise ValueError(
        f"{model_dir}: the run began with other classes: {config_changes.some(changes)}. Its head would take "
        "one class for another: use the data it began with, take another directory (and this one as "
        "task.init_checkpoint, which matches classes by name), or begin again with --restart"
    )


def _pair(start: categories.Categories, found: categories.Categories) -> list[tuple[str, str]]:
    lists = [
        [f"{name!r} (id {i})" for i, name in zip(each.ids, each.names, strict=True)]
        for each in (start, found)
    ]
    length = max(len(each) for each in lists)
    padded = [each + [""] * (length - len(each)) for each in lists]
    return list(zip(*padded, strict=True))


def _compare_params(
    params: experiments.YolactExperiment, start: Mapping[str, Any] | None, model_dir: str, is_chief: bool
) -> None:
    if start is None:
        path = os.path.join(model_dir, model_files.PARAMS_FILE)
        logging.warning("%s is missing: cannot tell what has changed since the run began", path)
        if is_chief:
            _write_params(params, path)
        return
    now = params.as_dict()
    changes = config_changes.compare(start, now)
    config_changes.refuse_other_architecture(model_dir, changes)
    step = max((found.number for found in scan.find_checkpoints(model_dir, "ckpt")), default=0)
    for line in config_changes.describe(changes, step):
        logging.warning("since the run began: %s", line)
    last = _find_last_record(model_dir)
    if is_chief and config_changes.compare(_read_params(last), now):
        _write_params(params, os.path.join(model_dir, f"params-{step}.yaml"))


def _read_params(path: str) -> Mapping[str, Any]:
    """Read a record of the configuration.

    Raises:
      ValueError: it is damaged.
    """
    try:
        with storage.fetch(path) as local:
            record = loading.read_yaml(local)
        if not all(isinstance(record.get(section), Mapping) for section in ("task", "trainer")):
            raise ValueError("it lacks the sections task and trainer")
        return record
    except ValueError as error:
        raise ValueError(
            f"{path}: the record of how the run began is damaged ({error}). Copy it back, or delete it: "
            "the run then goes on with the present configuration, and cannot tell what has changed"
        ) from error


def _find_last_record(model_dir: str) -> str:
    """Find the newest configuration that the run has had."""
    numbers = [
        int(match[1])
        for name in storage.list_names(model_dir)
        if (match := re.match(r"^params-(\d+)\.yaml$", name))
    ]
    name = f"params-{max(numbers)}.yaml" if numbers else model_files.PARAMS_FILE
    return os.path.join(model_dir, name)


def _write_params(params: experiments.YolactExperiment, path: str) -> None:
    storage.store(path, loading.to_yaml(params))


def _refuse_foreign_files(model_dir: str) -> None:
    """Refuse to begin a run over files that no run wrote, such as a configuration named `params.yaml`."""
    if storage.is_remote(model_dir):
        return
    pictures = glob.glob(os.path.join(glob.escape(model_dir), "pictures", "*.png"))
    for path in [*(os.path.join(model_dir, name) for name in _WRITTEN_WHOLE), *pictures]:
        try:
            local_files.check(path)
        except ValueError as error:
            raise ValueError(
                f"{path}: is there, and no training wrote it as it is: name another --model_dir, or move "
                "what is there aside with --restart"
            ) from error
