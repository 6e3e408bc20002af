"""Which checkpoints a directory holds, by its files; and what killed saves have left there."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence

import tensorflow as tf
from absl import logging

from official_yolact.checkpoints import state_file
from official_yolact.files import storage
from official_yolact_runtime.files import outputs as written_files

_INDEX = ".index"
_PART = re.compile(r"^(?P<name>.+-(?P<number>\d+))(?P<ending>\.index|\.json|\.data-\d{5}-of-\d{5})$")
_TEMPORARY = re.compile(
    r"^(.+-\d+_temp(_\w+)?|.+-\d+\.(index|data-\d{5}-of-\d{5})\.tempstate\d+|checkpoint\.tmp([0-9a-f]{32})?"
    r"|(.+-\d+|info|categories)\.json\.tmp|params(-\d+)?\.yaml\.tmp)$"
)


@dataclasses.dataclass(frozen=True)
class CheckpointFiles:
    """The files of one checkpoint.

    Attributes:
      prefix: the checkpoint, without `.index`.
      number: at the end of its name: the step.
      endings: of its files.
    """

    prefix: str
    number: int
    endings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name, such as `ckpt-8`."""
        return os.path.basename(self.prefix)

    @property
    def has_index(self) -> bool:
        """Whether the file is there without which nothing can be read."""
        return _INDEX in self.endings

    @property
    def data(self) -> tuple[str, ...]:
        """Endings of the files with the values."""
        return tuple(ending for ending in self.endings if ending.startswith(".data"))

    def paths(self) -> list[str]:
        """List its files in the order in which they are deleted: a rest never looks like a checkpoint."""
        order = {".json": 0, _INDEX: 1}
        return [self.prefix + ending for ending in sorted(self.endings, key=lambda e: (order.get(e, 2), e))]


def find_checkpoints(directory: str, name: str = "") -> list[CheckpointFiles]:
    """Find the checkpoints of a directory, intact or not, newest first.

    The files are listed, not those that the state file `checkpoint` names: it may be lost, damaged or old.

    Args:
      directory: the directory; it may be missing.
      name: before the number, such as `ckpt`; "": any.

    Returns:
      Checkpoints with an index, and those that have lost it; not the files of a killed save, which never
      had one.
    """
    groups = _group(directory, name)
    stated = state_file.read(directory)
    found = [group for group in groups if _is_checkpoint(group, stated)]
    return sorted(found, key=lambda group: (group.number, group.name), reverse=True)


def find_orphans(directory: str, name: str = "") -> list[str]:
    """Find what killed saves have left: temporary files, and files of checkpoints that were never whole.

    Args:
      directory: the directory.
      name: as for `find_checkpoints`.

    Returns:
      Paths; all have names that only a save uses.
    """
    listed = storage.list_names(directory)
    paths = [os.path.join(directory, entry) for entry in listed if _TEMPORARY.match(entry)]
    paths += written_files.list_left_over(directory)
    stated = state_file.read(directory)
    for group in _group(directory, name):
        if not _is_checkpoint(group, stated):
            paths += group.paths()
    return paths


def remove_orphans(directory: str, name: str = "") -> list[str]:
    """Remove what `find_orphans` finds, and say so; only one who writes to the directory may.

    Returns:
      What was removed.
    """
    paths = find_orphans(directory, name)
    for path in paths:
        logging.warning("removing %s, which a save that was killed has left", path)
        storage.remove(path)
    return paths


def was_saved(directory: str) -> bool:
    """Tell whether training has ever saved here: there is a checkpoint, or the file that lists them."""
    return bool(find_checkpoints(directory)) or tf.io.gfile.exists(os.path.join(directory, state_file.NAME))


def _group(directory: str, name: str) -> list[CheckpointFiles]:
    found: dict[tuple[str, int], list[str]] = {}
    for entry in storage.list_names(directory):
        part = _PART.match(entry)
        if part and (not name or part["name"] == f"{name}-{part['number']}"):
            found.setdefault((part["name"], int(part["number"])), []).append(part["ending"])
    groups = [
        CheckpointFiles(os.path.join(directory, base), number, tuple(endings))
        for (base, number), endings in found.items()
    ]
    # Other programs write NAME-NUMBER.json too.
    return [group for group in groups if group.has_index or group.data or name]


def _is_checkpoint(group: CheckpointFiles, stated: Sequence[str] | None) -> bool:
    if group.has_index:
        return True
    # A save renames data, then the index, then writes the record, then the state file. A checkpoint that
    # has a record or is in the state file was therefore whole once. A state file that cannot be read may
    # have named it.
    is_stated = stated is None or group.name in map(os.path.basename, stated)
    return bool(group.data) and (".json" in group.endings or is_stated)
