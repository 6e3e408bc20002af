"""The files that a model needs somewhere else: what `load` reads, and what tells people of the model."""

from __future__ import annotations

import os

from official_yolact.checkpoints import model_dir
from official_yolact_runtime import categories
from official_yolact_runtime import export_info
from official_yolact_runtime import model_files

CARD = "README.md"

_BESIDE = (CARD, "metrics.json", "report.json", "import.json")
_GRAPHS = (model_files.LITERT_SUFFIX, model_files.ONNX_SUFFIX)


def list_files(model: str) -> dict[str, str]:
    """List the files of a model: of a directory the checkpoint that `load` takes, of an export its graphs.

    A SavedModel and a page are left out: they hold programs, which nothing here runs from a download.

    Args:
      model: a model directory, or the folder of an export.

    Returns:
      The path of each file, by its name in the folder.

    Raises:
      OSError: there is no such model, or a file of it is missing.
      ValueError: its checkpoints are damaged, or the export has no graph in one file.
    """
    if not os.path.isdir(model):
        raise NotADirectoryError(f"{model}: is no folder: name a model directory, or the folder of an export")
    if os.path.isfile(os.path.join(model, model_files.EXPORT_FILE)):
        names = [name for name in export_info.ExportInfo.load(model).files if name.endswith(_GRAPHS)]
        if not names:
            raise ValueError(f"{model}: has neither a .tflite nor an .onnx file: export one")
        needed = [*names, model_files.EXPORT_FILE]
    else:
        needed = [model_files.PARAMS_FILE, categories.FILE_NAME, *_list_checkpoint(model)]
    missing = [name for name in needed if not os.path.isfile(os.path.join(model, name))]
    if missing:
        raise FileNotFoundError(f"{os.path.join(model, missing[0])}: no such file: the model is not whole")
    beside = [name for name in _BESIDE if os.path.isfile(os.path.join(model, name))]
    return {name: os.path.join(model, name) for name in (*needed, *beside)}


def _list_checkpoint(model: str) -> list[str]:
    """List the files of the checkpoint that `load` takes, by their names in the folder."""
    prefix = model_dir.find_checkpoint(model)
    folder, start = os.path.split(prefix)
    inside = os.path.relpath(folder, model)
    names = [name for name in os.listdir(folder) if name.startswith(f"{start}.")]
    return sorted(os.path.normpath(os.path.join(inside, name)) for name in names)
