"""Which library computes a model, in which precision, and why."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from official_yolact.environment import precision as precision_lib
from official_yolact_runtime import export_info
from official_yolact_runtime import loading as exports
from official_yolact_runtime import model_files
from official_yolact_runtime import runtime as runtime_lib

PRECISIONS = ("auto", "float32", "bfloat16")

_BEST = "best_ckpt"
_INDEX = re.compile(r"((?:best_)?ckpt-(\d+))\.index")


class Precision(NamedTuple):
    """In which numbers a network computes.

    Attributes:
      name: `float32` or `bfloat16`.
      reason: why, as a clause; empty where somebody has asked for it.
    """

    name: str
    reason: str = ""


def choose_precision(asked: str) -> Precision:
    """Choose the precision of a network in TensorFlow.

    Args:
      asked: one of `PRECISIONS`. `auto` is bfloat16 where a processor multiplies it in hardware: the network
        then needs half the time.

    Raises:
      ValueError: it is none of them.
    """
    if asked not in PRECISIONS:
        raise ValueError(f"precision is {asked!r}: expected one of {', '.join(PRECISIONS)}")
    if asked != "auto":
        return Precision(asked)
    if os.path.exists("/dev/nvidiactl"):
        return Precision("float32", "a GPU computes")
    name = precision_lib.find_bfloat16_instructions()
    if name:
        return Precision("bfloat16", f"this processor has {name}")
    return Precision("float32", "this processor would emulate bfloat16")


class ChosenExport(NamedTuple):
    """A file of an export that computes what its model does.

    Attributes:
      file: its path.
      runtime: the library that reads it.
      reason: why it was chosen, as a clause.
    """

    file: str
    runtime: str
    reason: str


def choose_export(
    model: str, folder: str, runtime: str, precision: str, changes: Mapping[str, Any]
) -> ChosenExport | None:
    """Choose the float32 file of a model's export that is faster than the model in TensorFlow.

    An export is faithful if its comparison with the model is in its `export.json`, if it has the weights that
    the model directory would be loaded with, and if nothing was changed since.

    Args:
      model: the model directory.
      folder: of its export.
      runtime: the library that was asked for; `auto`: the fastest that is installed, OpenVINO before ONNX
        Runtime before LiteRT.
      precision: as of `choose_precision`; TensorFlow is faster where it gives bfloat16.
      changes: of the detection generator, which an export has inside.

    Returns:
      The file; None: TensorFlow is faster, or alone can do it.

    Raises:
      ValueError: `export.json` is malformed, or newer than this program.
    """
    if choose_precision(precision).name != "float32":
        return None
    info = export_info.ExportInfo.load(folder)
    if not _is_of(model, folder, info) or any(
        info.model.read_setting(field) != value for field, value in changes.items()
    ):
        return None
    asked = (runtime_lib.OPENVINO, runtime_lib.ONNX, runtime_lib.LITERT)
    for name in asked if runtime == runtime_lib.AUTO else (runtime,):
        found = exports.choose_file(folder, name)
        file = info.files.get(os.path.basename(found[0])) if found else None
        if (
            found
            and file
            and file.precision == export_info.FLOAT32
            and os.path.basename(found[0]) in info.parity
        ):
            why = "the fastest that is installed" if runtime == runtime_lib.AUTO else "asked for"
            return ChosenExport(found[0], name, f"{found[0]}: {why}")
    return None


def _is_of(model: str, folder: str, info: export_info.ExportInfo) -> bool:
    """Tell whether an export has the weights and the settings that a model directory has now."""
    newest = _find_newest(os.path.join(model, _BEST)) or _find_newest(model)
    stated = str((info.model.weights or {}).get("checkpoint", ""))
    if not newest or os.path.abspath(stated) != os.path.abspath(newest):
        return False
    made = os.path.getmtime(os.path.join(folder, model_files.EXPORT_FILE))
    sources = (f"{newest}.index", os.path.join(model, model_files.PARAMS_FILE))
    return all(os.path.isfile(path) and os.path.getmtime(path) <= made for path in sources)


def _find_newest(folder: str) -> str:
    """Find the checkpoint with the highest number; empty: there is none."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    numbered = [(int(match[2]), match[1]) for name in names if (match := _INDEX.fullmatch(name))]
    return os.path.join(folder, max(numbered)[1]) if numbered else ""
