"""The folder of an export: whole under its name, or not there."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence

from official_yolact_runtime import export_info
from official_yolact_runtime.files import outputs

_MARK = "export"


def check(folder: str, names: Sequence[str], *, force: bool = False) -> None:
    """Refuse a folder in which something would be lost, before work is spent on it.

    Args:
      folder: that the export is to have.
      names: what it will hold, without `export.json`.
      force: replace files that have these names and that no export wrote.

    Raises:
      ValueError: the place is taken; names it and the cure.
    """
    if os.path.islink(folder):
        raise ValueError(f"{folder}: is a link to {os.readlink(folder)}: name the folder itself")
    if not os.path.lexists(folder):
        return
    if not os.path.isdir(folder):
        raise ValueError(f"{folder}: is a file: name a folder to write")
    found = sorted(os.listdir(folder))
    lost = [name for name in found if name not in (*names, export_info.FILE_NAME)]
    if lost:
        others = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise ValueError(
            f"{folder}: holds {lost[0]}{others}, which this export does not write and would replace: name"
            " another folder"
        )
    if found and not force and not _is_own(folder, found):
        raise ValueError(
            f"{folder}: its files are not as an export wrote them: name another folder, or replace them with"
            " --force"
        )


@contextlib.contextmanager
def stage(folder: str) -> Iterator[str]:
    """Make a folder beside the one that is to be written; it is gone at the end, whatever happens.

    What exports whose process was killed have left beside it is removed first.

    Raises:
      OSError: it cannot be made; names it.
    """
    parent = os.path.dirname(os.path.abspath(folder))
    with outputs.named(parent):
        os.makedirs(parent, exist_ok=True)
    _remove_left_over(parent)
    name = f".yolact-{_MARK}-{_host()}-{os.getpid()}-{secrets.token_hex(4)}{outputs.INCOMPLETE}"
    temporary = os.path.join(parent, name)
    with outputs.named(folder):
        os.mkdir(temporary)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def publish(staged: str, folder: str) -> None:
    """Give a folder of `stage` its name; what `check` allows to be replaced is replaced.

    Raises:
      OSError: names the folder, which is as it was.
    """
    with outputs.named(folder):
        if not os.path.lexists(folder):
            outputs.rename(staged, folder)
            return
        before = f"{staged}-before"
        outputs.rename(folder, before)
        try:
            outputs.rename(staged, folder)
        except OSError:
            outputs.rename(before, folder)
            raise
    shutil.rmtree(before, ignore_errors=True)


def _is_own(folder: str, found: Sequence[str]) -> bool:
    """Tell whether a folder holds an export, all of it and unchanged."""
    try:
        files = export_info.ExportInfo.load(folder).files
    except (OSError, ValueError):
        return False
    if {*files, export_info.FILE_NAME} != set(found):
        return False
    return all(
        export_info.sum_path(os.path.join(folder, name)) == (entry.size, entry.sha256)
        for name, entry in files.items()
    )


def _remove_left_over(parent: str) -> None:
    pattern = re.compile(rf"\.yolact-{_MARK}-{re.escape(_host())}-(\d+)-[0-9a-f]{{8}}{outputs.INCOMPLETE}")
    for name in os.listdir(parent):
        match = pattern.fullmatch(name)
        if match and not outputs.is_alive(int(match[1])):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def _host() -> str:
    return re.sub(r"\W", "_", socket.gethostname())
