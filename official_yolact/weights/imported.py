"""The imported weights of the cache: where they are, and how a training has them made."""

from __future__ import annotations

import os
from collections.abc import Callable

from official_yolact.files import children
from official_yolact.files import downloads
from official_yolact.weights import cache
from official_yolact.weights import named_weights
from official_yolact_runtime.files import json_text

VERSION = 1
"""Of what an import writes: another number makes every import anew."""

MARK = "named-weights.json"
"""Is written last: a directory of the cache that has it is complete."""


_CHECKPOINT = "ckpt-0.index"


def find_directory(entry: named_weights.NamedWeights) -> str:
    """Name the directory in the cache that the import writes."""
    return os.path.join(cache.find_folder(), f"imported-{VERSION}", *entry.name.split("/"))


def is_imported(entry: named_weights.NamedWeights) -> bool:
    """Tell whether the cache has the import, complete."""
    folder = find_directory(entry)
    needed = (MARK, _CHECKPOINT)
    return all(os.path.isfile(os.path.join(folder, name)) for name in needed)


def resolve(checkpoint: str) -> str:
    """Give the directory of weights that are called by name; anything else as it is.

    Raises:
      FileNotFoundError: the cache does not have them.
      ValueError: no weights are called so.
    """
    if not named_weights.is_name(checkpoint):
        return checkpoint
    entry = named_weights.find(checkpoint)
    if not is_imported(entry):
        raise FileNotFoundError(
            f"{entry.name}: is not in {find_directory(entry)}: run `yolact weights get {entry.name}` first"
        )
    return find_directory(entry)


def describe(checkpoint: str) -> str:
    """Say in a line where named weights are, or what will be downloaded.

    Args:
      checkpoint: a name that is known.
    """
    entry = named_weights.find(checkpoint)
    if is_imported(entry):
        return f"{entry.name}: in the cache ({find_directory(entry)})"
    path = cache.find_file(entry)
    if os.path.isfile(path):
        return f"{entry.name}: in the cache, not imported yet ({path})"
    about = "" if entry.is_size_exact else "about "
    return (
        f"{entry.name}: is downloaded when the training begins, {about}{entry.size / 1e6:.1f} MB from"
        f" {cache.find_url(entry)}"
    )


def provide_apart(
    checkpoint: str,
    *,
    make_progress: Callable[[str], downloads.Progress] | None = None,
    note: Callable[[str], None] | None = None,
) -> None:
    """Have weights in the cache before a training; a process of its own imports the file.

    An import computes with TensorFlow, whose devices could not be set up any more.

    Args:
      checkpoint: `task.init_checkpoint`; what is no name is left alone.
      make_progress: makes the progress display of what it names.
      note: is called with lines for people.

    Raises:
      OSError: as of `cache.fetch`.
      ValueError: as of `provide`.
    """
    if not checkpoint or not named_weights.is_name(checkpoint):
        return
    entry = named_weights.find(checkpoint)
    if is_imported(entry):
        return
    progress = downloads.in_megabytes(make_progress(f"MB of {entry.name}")) if make_progress else None
    cache.fetch(entry, progress=progress, note=note)
    if note:
        note(f"{entry.name}: is imported, once")
    done = children.run_module(
        ["official_yolact", "weights", "get", entry.name],
        # The import needs no GPU, and the memory of each is the training's.
        changes={"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CONFIG": None},
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"the import ended with code {done.returncode}"]
        raise ValueError(json_text.escape_control(lines[-1].removeprefix("yolact: error: ")))
