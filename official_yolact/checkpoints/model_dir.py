"""The files of a model directory: what training and import write and what `load` reads."""

from __future__ import annotations

import os

import tensorflow as tf

from official_yolact.checkpoints import state_file
from official_yolact.checkpoints import verify

BEST_SUBDIR = "best_ckpt"


def find_checkpoint(path: str, prefer_best: bool = True) -> str:
    """Find the checkpoint that a directory or a checkpoint name means: the newest intact one.

    Args:
      path: a model directory, or a checkpoint without its `.index` ending.
      prefer_best: of a training run, the best checkpoint is preferred to the last one.

    Returns:
      The checkpoint, without `.index`.

    Raises:
      FileNotFoundError: there is none; the message says what was looked for.
      ValueError: there are some, and all are damaged.
    """
    if tf.io.gfile.exists(f"{path}.index"):
        return path
    if not tf.io.gfile.isdir(path):
        raise FileNotFoundError(f"{path}: no such checkpoint or model directory")
    folders = [os.path.join(path, BEST_SUBDIR), path] if prefer_best else [path]
    problems: dict[str, str] = {}
    for folder in folders:
        found, damaged = verify.find_intact(folder)
        if found is not None:
            return found.prefix
        problems.update(damaged)
        # The state file may name a checkpoint whose name has no number.
        stated = state_file.read(folder)
        if stated and not damaged and tf.io.gfile.exists(f"{stated[-1]}.index"):
            return stated[-1]
    if problems:
        listed = "; ".join(f"{prefix}: {problem}" for prefix, problem in problems.items())
        raise ValueError(f"{path}: holds no intact checkpoint ({listed})")
    raise FileNotFoundError(
        f"{path}: holds no checkpoint (ckpt-*.index): name a directory that training or import-weights wrote"
    )
