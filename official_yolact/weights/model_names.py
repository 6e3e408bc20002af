"""MODEL by name: published weights that are a whole model stand for the directory that their import wrote."""

from __future__ import annotations

from collections.abc import Callable

from official_yolact.files import downloads
from official_yolact.weights import hub
from official_yolact.weights import imported
from official_yolact.weights import named_weights

MODELS = tuple(entry.name for entry in named_weights.ENTRIES.values() if entry.modules == "all")
"""Names of whole models."""


def find_model(
    model: str,
    *,
    make_progress: Callable[[str], downloads.Progress] | None = None,
    note: Callable[[str], None] | None = None,
) -> str:
    """Give the path of a model; of a name, the directory in the cache, downloaded and imported if need be.

    A process of its own imports the weights, so that TensorFlow can still be set up in this one.

    Args:
      model: a name such as `yolact/resnet50`, an address `hf://OWNER/NAME`, or any path, which is given back.
      make_progress: makes the progress display of what it names.
      note: is called with lines for people.

    Returns:
      The path.

    Raises:
      OSError: as of `cache.fetch` and `hub.fetch`.
      ValueError: as of `hub.fetch`; nothing has this name, it is that of a backbone, or the file has other
        weights.
    """
    if hub.is_address(model):
        return hub.fetch(model, note=note)
    if not named_weights.is_name(model):
        return model
    entry = named_weights.find(model)
    if entry.modules != "all":
        raise ValueError(
            f"{model}: is a backbone, which finds nothing by itself: name one of {', '.join(MODELS)}, or"
            f" start a training with task.init_checkpoint={model}"
        )
    imported.provide_apart(entry.name, make_progress=make_progress, note=note)
    return imported.find_directory(entry)
