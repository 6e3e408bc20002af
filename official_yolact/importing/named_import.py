"""Weights by name: their file is imported once, into a directory of the cache."""

from __future__ import annotations

import os
from collections.abc import Callable

from official_yolact.configs import loading
from official_yolact.files import downloads
from official_yolact.files import storage
from official_yolact.importing import import_account
from official_yolact.importing import mobilenet_v2
from official_yolact.importing import torch_import
from official_yolact.modeling import factory
from official_yolact.weights import cache
from official_yolact.weights import imported
from official_yolact.weights import named_weights


def provide(
    entry: named_weights.NamedWeights,
    *,
    mirror: str | None = None,
    progress: downloads.Progress | None = None,
    note: Callable[[str], None] | None = None,
) -> str:
    """Have weights in the cache: download and import what is not there.

    Args:
      entry: the weights.
      mirror: as for `cache.fetch`.
      progress: as for `cache.fetch`.
      note: as for `cache.fetch`.

    Returns:
      The directory.

    Raises:
      OSError: as of `cache.fetch`.
      ValueError: as of `cache.fetch`; or the file is not what its name says.
    """
    if imported.is_imported(entry):
        return imported.find_directory(entry)
    path = cache.fetch(entry, mirror=mirror, progress=progress, note=note)
    folder = imported.find_directory(entry)
    with cache.hold(folder, note):
        if not imported.is_imported(entry):
            done = import_file(entry, path, folder, force=True)
            mark = {"name": entry.name, "url": entry.url, "sha256": done.sha256}
            storage.store_json(os.path.join(folder, imported.MARK), mark)
    return folder


def import_file(
    entry: named_weights.NamedWeights, path: str, output: str, *, force: bool = False
) -> import_account.ImportAccount:
    """Import a file that is said to have such weights.

    Args:
      entry: the weights.
      path: of the file.
      output: directory to write.
      force: replace files that this program did not write.

    Returns:
      The account.

    Raises:
      OSError: the file cannot be read or the directory not written.
      ValueError: the file has other weights, or the directory something else.
    """
    try:
        if entry.backbone == "mobilenet":
            model = loading.load_experiment(entry.experiments[0]).task.model
            width = entry.settings["filter_size_scale"]
            assert isinstance(width, float)
            return mobilenet_v2.import_mobilenet_v2(path, model, output, width=width, force=force)
        return torch_import.import_torch(
            path,
            output,
            factory.build_model,
            entry.experiments[0],
            modules=entry.modules,
            inputs=[path],
            force=force,
        )
    except ValueError as error:
        cure = f": remove the file, and get {entry.name} anew" if path == cache.find_file(entry) else ""
        raise ValueError(f"{error}{cure}") from error
