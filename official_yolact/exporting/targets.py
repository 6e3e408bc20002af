"""Which files an export has, and what is needed to write and to run them."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence

from official_yolact.exporting import web
from official_yolact_runtime import export_info
from official_yolact_runtime import model_files

_LITERT = {"ai_edge_litert": "ai-edge-litert", "ai_edge_quantizer": "ai-edge-quantizer"}
_PACKAGES = {
    export_info.SAVED_MODEL: {},
    export_info.LITERT: _LITERT,
    export_info.ONNX: {"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
    export_info.WEB: _LITERT,
}
"""By format: what is imported, and the package that has it."""


@dataclasses.dataclass(frozen=True)
class Target:
    """One file of an export.

    Attributes:
      format: one of `export_info.FORMATS`.
      precision: one of `export_info.PRECISIONS`.
    """

    format: str
    precision: str = export_info.FLOAT32

    @property
    def name(self) -> str:
        """Name of the file, or of the folder, in the export's folder."""
        if self.format == export_info.LITERT:
            suffix = "" if self.precision == export_info.FLOAT32 else f"_{self.precision}"
            return f"model{suffix}.tflite"
        names = {export_info.SAVED_MODEL: "saved_model", export_info.ONNX: "model.onnx"}
        return names.get(self.format, web.FOLDER)

    @property
    def model(self) -> str:
        """What of it is loaded as a model, by its path in the export's folder."""
        return f"{self.name}/{export_info.PAGE_MODEL}" if self.format == export_info.WEB else self.name


def plan(formats: Sequence[str], precisions: Sequence[str]) -> list[Target]:
    """List the files of an export, in the order in which they are made.

    Args:
      formats: of `export_info.FORMATS`, each once.
      precisions: of `export_info.PRECISIONS`, each once; only LiteRT has others than float32. A page has the
        first of them.

    Raises:
      ValueError: a format or precision is unknown or occurs twice, or nothing has the precision.
    """
    for kind, chosen, known in (
        ("format", formats, tuple(_PACKAGES)),
        ("precision", precisions, export_info.PRECISIONS),
    ):
        _check(kind, chosen, known)
    targets = []
    for name in formats:
        own = {export_info.LITERT: precisions, export_info.WEB: precisions[:1]}
        targets += [Target(name, precision) for precision in own.get(name, [export_info.FLOAT32])]
    unused = sorted({*precisions} - {target.precision for target in targets})
    if unused:
        only = "has one" if export_info.WEB in formats else "has float32 alone"
        raise ValueError(
            f"{', '.join(formats)} {only}, but the precisions are {', '.join(precisions)}: add the format"
            f" litert, or leave out {', '.join(unused)}"
        )
    return targets


def check_packages(targets: Sequence[Target]) -> None:
    """Refuse an export that lacks a package, before work is spent on it; raises ValueError."""
    needed = {key: name for target in targets for key, name in _PACKAGES[target.format].items()}
    missing = [name for key, name in needed.items() if importlib.util.find_spec(key) is None]
    if missing:
        raise ValueError(
            f"this export needs {', '.join(missing)}, which is not installed: pip install"
            " 'official-yolact[export]'"
        )


def refuse_export(path: str) -> None:
    """Refuse a model that is an export itself; raises ValueError."""
    if model_files.is_export(path) and os.path.lexists(path):
        raise ValueError(f"{path}: is an export itself: export the model directory that it was made from")


def list_versions(targets: Sequence[Target]) -> dict[str, str]:
    """List the versions of the packages that write the files, by name."""
    names = {"official-yolact", "tensorflow"}
    names |= {name for target in targets for name in _PACKAGES[target.format].values()}
    found = {}
    for name in sorted(names):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
            continue
    return found


def _check(kind: str, chosen: Sequence[str], known: Sequence[str]) -> None:
    if not chosen:
        raise ValueError(f"no {kind} is named: choose from {', '.join(known)}")
    for name in chosen:
        if name not in known:
            raise ValueError(f"{kind} {name!r} does not exist: choose from {', '.join(known)}")
        if chosen.count(name) > 1:
            raise ValueError(f"{kind} {name} is named twice: name it once")
