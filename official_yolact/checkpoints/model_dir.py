"""The files of a model directory: what training and import write and what `load` reads."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from official_yolact import categories
from official_yolact.checkpoints import directory_lock
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import state_file
from official_yolact.checkpoints import verify
from official_yolact.files import outputs

PARAMS_FILE = "params.yaml"
BEST_SUBDIR = "best_ckpt"
IMPORT_FILE = "import.json"
"""Account of an import; it is written first, so that what a killed one leaves is known as an import's."""

_OF_AN_IMPORT = re.compile(r"ckpt-0([._].*)?")


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
    for name in (PARAMS_FILE, categories.FILE_NAME, IMPORT_FILE):
        outputs.check(os.path.join(output, name), inputs=inputs, force=force)


def _find_other_model(folder: str) -> str:
    """Find what no import writes; an import would replace it, or stay behind it unseen."""
    held = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    is_import = os.path.isfile(os.path.join(folder, IMPORT_FILE))
    for name in held:
        if name.startswith("ckpt-") and not _OF_AN_IMPORT.fullmatch(name):
            return name
        if not is_import and name.startswith(("ckpt", state_file.NAME, PARAMS_FILE)):
            return name
    if scan.find_checkpoints(os.path.join(folder, BEST_SUBDIR)):
        return BEST_SUBDIR
    stated = state_file.read(folder) if held else []
    if stated is None:
        return f"{state_file.NAME} cannot be read"
    others = sorted(name for name in map(os.path.basename, stated) if not _OF_AN_IMPORT.fullmatch(name))
    return f"{state_file.NAME} names {others[0]}" if others else ""
