"""Verified restoring of checkpoints: all of what was asked for, or one error."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from official_yolact.checkpoints import model_dir

MODULES = ("all", "backbone")


@dataclasses.dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
      checkpoint: where the values came from.
      num_tensors: variables of the model that took a value from it.
      num_untouched: variables of the model outside the modules that were asked for.
    """

    checkpoint: str
    num_tensors: int
    num_untouched: int

    def __str__(self) -> str:
        """Say it in one line."""
        rest = f", {self.num_untouched} keep their initial values" if self.num_untouched else ""
        return f"{self.checkpoint}: loaded {self.num_tensors} tensors{rest}"


def restore_model(model: Any, path: str, modules: str = "all", prefer_best: bool = True) -> Restored:
    """Give a built model the weights of a checkpoint.

    Args:
      model: a built `YolactModel`.
      path: model directory or checkpoint, written by training or by import-weights.
      modules: `all`, or `backbone` for the backbone alone.
      prefer_best: take a directory's best checkpoint before its last.

    Returns:
      An account of what was loaded.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: a variable has no value there, or one of another shape. The model may then be
        partly changed and must not be used.
    """
    checkpoint = model_dir.find_checkpoint(path, prefer_best)
    if modules == "backbone":
        target = tf.train.Checkpoint(model=tf.train.Checkpoint(backbone=model.backbone))
        loaded = len(model.backbone.variables)
    else:
        target = tf.train.Checkpoint(model=model)
        loaded = len(model.variables)
    try:
        status = target.read(checkpoint)
        status.expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise ValueError(_mismatch(checkpoint, modules, error)) from error
    return Restored(checkpoint, loaded, len(model.variables) - loaded)


def _mismatch(checkpoint: str, modules: str, error: Exception) -> str:
    detail = " ".join(str(error).split())[:300]
    cure = (
        "Use the same task.model section as the run that wrote it"
        if modules == "all"
        else "Use the same task.model.backbone section as the run that wrote it"
    )
    if modules == "all":
        cure += ", or task.init_checkpoint_modules=backbone to take the backbone alone"
    return f"{checkpoint}: does not fit this model. {cure}. ({detail})"


def save_model(model: Any, directory: str, modules: str = "all") -> str:
    """Write a checkpoint that `restore_model` reads.

    Args:
      model: a built `YolactModel`.
      directory: where `ckpt-0` is written.
      modules: `all`, or `backbone` for the backbone alone.

    Returns:
      The checkpoint, without `.index`.
    """
    items = model if modules == "all" else tf.train.Checkpoint(backbone=model.backbone)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(model=items), directory, max_to_keep=1, checkpoint_name="ckpt"
    )
    return str(manager.save(checkpoint_number=0))
