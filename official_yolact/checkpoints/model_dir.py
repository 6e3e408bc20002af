"""The files of a model directory: what training and import write and what `load` reads."""

from __future__ import annotations

import os
from collections.abc import Iterable

import tensorflow as tf

from official_yolact import categories
from official_yolact import files
from official_yolact import inputs as inputs_lib
from official_yolact.checkpoints import verify

PARAMS_FILE = "params.yaml"
BEST_SUBDIR = "best_ckpt"
IMPORT_FILE = "import.json"


def find_checkpoint(path: str, prefer_best: bool = True) -> str:
    """Find the checkpoint that a directory or a checkpoint name means: the newest intact one.

    Args:
      path: a model directory, or a checkpoint without its `.index` ending.
      prefer_best: take the best checkpoint of a training run before its last one.

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
        stated = _read_stated(folder)
        if stated is not None and not damaged:
            return stated
    if problems:
        listed = "; ".join(f"{prefix}: {problem}" for prefix, problem in problems.items())
        raise ValueError(f"{path}: holds no intact checkpoint ({listed})")
    raise FileNotFoundError(
        f"{path}: holds no checkpoint (ckpt-*.index): name a directory that training or import-weights wrote"
    )


def check_import(output: str, inputs: Iterable[str | None] = (), force: bool = False) -> None:
    """Refuse a directory in which an import would replace what no import wrote.

    Args:
      output: the directory; may be missing.
      inputs: files that are never replaced.
      force: replace files that this program did not write; never a model.

    Raises:
      ValueError: names the directory or the file, and the cure.
    """
    is_import = os.path.isfile(os.path.join(output, IMPORT_FILE))
    held = sorted(os.listdir(output)) if os.path.isdir(output) and not is_import else []
    if any(name.startswith(("ckpt", "checkpoint", PARAMS_FILE)) for name in held):
        raise ValueError(f"{output}: holds a model that no import wrote: choose another --output")
    for name in (PARAMS_FILE, categories.FILE_NAME, IMPORT_FILE):
        files.check(os.path.join(output, name), inputs=inputs, force=force)


def _read_stated(folder: str) -> str | None:
    """Read which checkpoint the state file names, for one whose name has no number."""
    try:
        inputs_lib.check(os.path.join(folder, "checkpoint"))
        stated = tf.train.latest_checkpoint(folder)
    except (OSError, ValueError, tf.errors.OpError):
        return None
    return str(stated) if stated and tf.io.gfile.exists(f"{stated}.index") else None
