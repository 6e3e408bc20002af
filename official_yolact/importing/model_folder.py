"""The model directory that an import writes."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from official_yolact.checkpoints import checkpoint_writer
from official_yolact.checkpoints import directory_lock
from official_yolact.checkpoints import model_dir
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import state_file
from official_yolact_runtime import categories
from official_yolact_runtime import model_files
from official_yolact_runtime.files import outputs

FIRST = "ckpt-0"
"""The checkpoint that an import writes."""

IMPORT_FILE = "import.json"
"""Account of an import; it is written first, so that what a killed one leaves is known as an import's."""

_OF_AN_IMPORT = re.compile(r"ckpt-0([._].*)?")


def check_import(output: str, inputs: Iterable[str | None] = (), force: bool = False) -> None:
    """Refuse a directory in which an import would replace what no import wrote.

    Args:
      output: the directory; may be missing.
      inputs: files that are never replaced.
      force: replace files that this program did not write; never a model.

    Raises:
      OSError: a training, or another import, writes to the directory now.
      ValueError: names the directory or the file, and the cure.
    """
    if os.path.lexists(os.path.join(output, directory_lock.FILE_NAME)):
        with directory_lock.hold(output):
            pass
    _check_import(output, inputs, force)


@contextlib.contextmanager
def open_import(
    output: str, account: Mapping[str, Any], inputs: Iterable[str | None] = (), force: bool = False
) -> Iterator[None]:
    """Hold the directory of an import while the checkpoint is written there, and write the account first.

    Args:
      output: the directory, which is made.
      account: content of `import.json`.
      inputs: as for `check_import`.
      force: as for `check_import`.

    Raises:
      OSError: as of `check_import`; or it cannot be written.
      ValueError: as of `check_import`.
    """
    with directory_lock.hold(output):
        _check_import(output, inputs, force)
        outputs.write_json(os.path.join(output, IMPORT_FILE), account, indent=1, inputs=inputs, force=force)
        scan.remove_orphans(output)
        yield


def _check_import(output: str, inputs: Iterable[str | None], force: bool) -> None:
    inputs = list(inputs)
    other = _find_other_model(output)
    if other:
        raise ValueError(f"{output}: holds a model that no import wrote ({other}): choose another --output")
    for name in (model_files.PARAMS_FILE, categories.FILE_NAME, IMPORT_FILE):
        outputs.check(os.path.join(output, name), inputs=inputs, force=force)


def _find_other_model(folder: str) -> str:
    """Find what no import writes; an import would replace it, or stay behind it unseen."""
    held = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    is_import = os.path.isfile(os.path.join(folder, IMPORT_FILE))
    for name in held:
        if name.startswith("ckpt-") and not _OF_AN_IMPORT.fullmatch(name):
            return name
        if not is_import and name.startswith(("ckpt", state_file.NAME, model_files.PARAMS_FILE)):
            return name
    if scan.find_checkpoints(os.path.join(folder, model_dir.BEST_SUBDIR)):
        return model_dir.BEST_SUBDIR
    stated = state_file.read(folder) if held else []
    if stated is None:
        return f"{state_file.NAME} cannot be read"
    others = sorted(name for name in map(os.path.basename, stated) if not _OF_AN_IMPORT.fullmatch(name))
    return f"{state_file.NAME} names {others[0]}" if others else ""


def save_model(
    model: Any, directory: str, modules: str = "all", identity: Mapping[str, Any] | None = None
) -> str:
    """Write a checkpoint that `restore_model` reads.

    Args:
      model: a built `YolactModel`; of modules `backbone`, anything with a `backbone`.
      directory: where `ckpt-0` is written.
      modules: `all`, or `backbone` for the backbone alone.
      identity: key and JSON value of the settings that must be the same when the weights are used.

    Returns:
      The checkpoint, without `.index`.
    """
    items = tf.train.Checkpoint(backbone=model.backbone) if modules == "backbone" else model
    checkpoint = tf.train.Checkpoint(model=items)
    return checkpoint_writer.CheckpointWriter(checkpoint, directory, identity=identity).save(0)
