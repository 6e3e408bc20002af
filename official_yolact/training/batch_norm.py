"""Whether a run freezes its batch norms, where the configuration leaves that open."""

from __future__ import annotations

import os

import tensorflow as tf
from absl import logging

from official_yolact.checkpoints import scan
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.files import storage
from official_yolact_runtime import model_files

MIN_IMAGES = 6
_KEY = "task.model.freeze_bn"


def decide_freeze(params: experiments.YolactExperiment, num_replicas: int, model_dir: str) -> None:
    """Set `task.model.freeze_bn` where it is None, and log why.

    - A run that goes on keeps the value in its `params.yaml`: its trained variables depend on it.
    - A run that begins freezes its batch norms if a replica sees fewer than 6 images at a time (of a
      batch, or of what `trainer.gradient_accumulation` leaves of it), too few for batch statistics, and
      imported weights bring statistics of their own.
    - From random weights batch norms are always trained: frozen, they would normalise nothing, and the
      network would not train.

    Args:
      params: the experiment; changed in place.
      num_replicas: of the distribution strategy.
      model_dir: of the run.

    Source: the original freezes by the same rule, and always starts from imported statistics.
    """
    model = params.task.model
    if model.freeze_bn is not None:
        return
    recorded = _find_recorded(model_dir)
    if recorded is not None:
        model.freeze_bn = recorded
        logging.info("%s: %s, as the run in %s was started", _KEY, recorded, model_dir)
        return
    images = params.task.train_data.global_batch_size // num_replicas // params.trainer.gradient_accumulation
    imported = bool(params.task.init_checkpoint)
    model.freeze_bn = images < MIN_IMAGES and imported
    if images >= MIN_IMAGES:
        return
    found = f"{images} images a replica (fewer than {MIN_IMAGES}) are too few for batch statistics"
    if imported:
        logging.warning(
            "batch norms are frozen: %s, so those of task.init_checkpoint are kept; %s=false trains them",
            found,
            _KEY,
        )
    else:
        logging.warning(
            "batch norms are trained although %s: there are no imported ones to keep. Start from "
            "task.init_checkpoint, or raise the batch",
            found,
        )


def _find_recorded(model_dir: str) -> bool | None:
    """Read the setting of the run in a directory; None if it has no checkpoint to go on from."""
    path = os.path.join(model_dir, model_files.PARAMS_FILE)
    if not tf.io.gfile.exists(path) or not scan.was_saved(model_dir):
        return None
    with storage.fetch(path) as local:
        section = loading.read_yaml(local)
    for key in _KEY.split(".")[:-1]:
        section = section.get(key) or {}
    recorded = section.get("freeze_bn")
    return recorded if isinstance(recorded, bool) else None
