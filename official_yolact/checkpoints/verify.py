"""Whether a checkpoint is intact: its bytes are those that were written, and all values are finite."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf
from absl import logging

from official_yolact.checkpoints import scan
from official_yolact.checkpoints import sidecar
from official_yolact.files import storage

# What TensorFlow's reader raises for damaged files, by where the damage is.
READ_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    IndexError,
    TypeError,
    UnicodeDecodeError,
    tf.errors.OpError,
)
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def find_damage(found: scan.CheckpointFiles) -> str:
    """Look for damage in a checkpoint.

    Its record (`ckpt-N.json`) has the sizes and sha256 of its files. Without a record, or with a damaged
    one, every tensor is read, and TensorFlow compares its own checksums.

    Args:
      found: the checkpoint.

    Returns:
      What is wrong with which file; "" if it is intact.
    """
    if not found.has_index:
        return f"{found.name}.index is missing"
    record = sidecar.read(found.prefix)
    if record is not None:
        return _compare(found, record)
    try:
        poisoned = find_nonfinite(found.prefix)
    except READ_ERRORS as error:
        return f"cannot be read: {storage.describe(error)}"
    return f"holds NaN or infinity in {name_some(poisoned)}" if poisoned else ""


def find_intact(directory: str, name: str = "") -> tuple[scan.CheckpointFiles | None, dict[str, str]]:
    """Find the newest intact checkpoint; log the newer ones, which are not intact, as errors.

    Args:
      directory: where to look.
      name: before the number, such as `ckpt`; "": any.

    Returns:
      The checkpoint, or None; and what is wrong with each one that is newer, by prefix.
    """
    damaged: dict[str, str] = {}
    for found in scan.find_checkpoints(directory, name):
        problem = find_damage(found)
        if not problem:
            if damaged:
                logging.error("FALLING BACK to %s, the newest intact checkpoint", found.prefix)
            return found, damaged
        damaged[found.prefix] = problem
        logging.error("DAMAGED CHECKPOINT %s: %s", found.prefix, problem)
    return None, damaged


def find_nonfinite(prefix: str) -> list[str]:
    """Read every tensor of a checkpoint; name those that hold NaN or infinity.

    Args:
      prefix: the checkpoint, without `.index`.

    Returns:
      Paths of the variables.

    Raises:
      Exception: one of `READ_ERRORS`: a tensor is damaged.
    """
    reader = tf.compat.v1.train.NewCheckpointReader(prefix)
    poisoned = []
    for key, dtype in sorted(reader.get_variable_to_dtype_map().items()):
        value = reader.get_tensor(key)
        if dtype.is_floating and not np.isfinite(value).all():
            poisoned.append(key.removesuffix(_VALUE))
    return poisoned


def name_some(names: list[str]) -> str:
    """Join a few of many names."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def record_files(prefix: str, endings: tuple[str, ...]) -> dict[str, tuple[int, str]]:
    """Measure the files of a checkpoint for its record."""
    return {os.path.basename(prefix) + ending: storage.measure(prefix + ending) for ending in endings}


def _compare(found: scan.CheckpointFiles, record: sidecar.Sidecar) -> str:
    folder = os.path.dirname(found.prefix)
    for name, (size, sha) in record.files.items():
        path = os.path.join(folder, name)
        try:
            actual = storage.measure(path)
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read: {storage.describe(error)}"
        if actual[0] != size:
            return f"{name} has {actual[0]} bytes, {size} were written"
        if actual[1] != sha:
            return f"{name} is not what was written: its sha256 is another"
    return ""
