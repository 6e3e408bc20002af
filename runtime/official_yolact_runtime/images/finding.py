"""Which picture files words of a command mean, and what their results are called."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Sequence

from official_yolact_runtime.files import inputs
from official_yolact_runtime.images import formats


def _say_nothing(_folder: str) -> str:
    return ""


def find_pictures(sources: Iterable[str], explain: Callable[[str], str] = _say_nothing) -> list[str]:
    """Find the picture files that sources mean.

    Args:
      sources: files, folders (the pictures in them, not in folders below) and glob patterns.
      explain: says why a folder may hold no picture, or nothing.

    Returns:
      Paths, in the order of the sources, each once; those of a folder or pattern sorted by name.

    Raises:
      OSError: a source is nothing that exists.
      ValueError: a folder or a pattern holds no picture.
    """
    found: dict[str, str] = {}
    for source in sources:
        for path in _expand(source, explain):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def name_outputs(paths: Sequence[str]) -> list[str]:
    """Give each picture a file name of its own: `photo.jpg`, and `photo-2.jpg` for the next `photo`."""
    taken: set[str] = set()
    names = []
    for path in paths:
        stem = os.path.splitext(os.path.basename(path))[0] or "picture"
        name, number = f"{stem}.jpg", 1
        # Some file systems take photo.jpg and Photo.jpg for one file.
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}.jpg"
        taken.add(name.lower())
        names.append(name)
    return names


def _expand(source: str, explain: Callable[[str], str]) -> list[str]:
    if os.path.isdir(source):
        names = sorted(name for name in os.listdir(source) if name.lower().endswith(formats.EXTENSIONS))
        if not names:
            unread = explain(source)
            more = f"; {unread}" if unread else ""
            raise ValueError(f"{source}: holds no picture ({', '.join(formats.EXTENSIONS)}){more}")
        return [os.path.join(source, name) for name in names]
    if os.path.lexists(source):
        return [source]
    if not glob.has_magic(source):
        raise FileNotFoundError(f"{source}: no such picture or folder{inputs.hint(source)}")
    matches = sorted(path for path in glob.glob(source, recursive=True) if os.path.isfile(path))
    if not matches:
        raise ValueError(f"{source}: no picture matches this pattern")
    return matches
