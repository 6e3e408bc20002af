"""The files of a model directory: what training and import write and what `load` reads."""

from __future__ import annotations

import os

import tensorflow as tf

PARAMS_FILE = "params.yaml"
BEST_SUBDIR = "best_ckpt"
IMPORT_FILE = "import.json"


def find_checkpoint(path: str, prefer_best: bool = True) -> str:
    """Find the checkpoint that a directory or a checkpoint name means.

    Args:
      path: a model directory, or a checkpoint without its `.index` ending.
      prefer_best: take the best checkpoint of a training run before its last one.

    Returns:
      The checkpoint, without `.index`.

    Raises:
      FileNotFoundError: there is none; the message says what was looked for.
    """
    if os.path.isfile(f"{path}.index"):
        return path
    if not os.path.isdir(path):
        raise FileNotFoundError(f"{path}: no such checkpoint or model directory")
    folders = [os.path.join(path, BEST_SUBDIR), path] if prefer_best else [path]
    for folder in folders:
        latest = tf.train.latest_checkpoint(folder)
        if latest and os.path.isfile(f"{latest}.index"):
            return str(latest)
    raise FileNotFoundError(
        f"{path}: holds no checkpoint (ckpt-*.index): name a directory that training or import-weights wrote"
    )
