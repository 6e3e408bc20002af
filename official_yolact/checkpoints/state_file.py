"""TensorFlow's state file `checkpoint`, in which a directory lists its checkpoints."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import tensorflow as tf
from google.protobuf import text_format

from official_yolact.files import storage
from official_yolact_runtime.files import inputs

NAME = "checkpoint"


def read(directory: str) -> list[str] | None:
    """Read which checkpoints the state file of a directory lists.

    Returns:
      Their prefixes, the latest one last; empty where there is no such file; None if it cannot be read.
    """
    path = os.path.join(directory, NAME)
    if not tf.io.gfile.exists(path):
        return []
    try:
        inputs.check(path)
        state = tf.train.get_checkpoint_state(directory)
    except (OSError, ValueError, tf.errors.OpError):
        return None
    return [*state.all_model_checkpoint_paths, state.model_checkpoint_path] if state else None


def write(directory: str, names: Sequence[str]) -> None:
    """Write the state file of a directory, for the programs that read it.

    Args:
      directory: the directory.
      names: of its checkpoints without folder, the latest one last; at least one.

    Raises:
      OSError: it cannot be written; the old one stays.
    """
    # TensorFlow's manager deletes only what is younger than the last one that it has preserved.
    now = time.time()
    state = tf.compat.v1.train.generate_checkpoint_state_proto(
        ".", names[-1], list(names), [now] * len(names), last_preserved_timestamp=now - 1.0
    )
    storage.store(os.path.join(directory, NAME), text_format.MessageToString(state))
