"""Which files an export has, and what is needed to write and to run them."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence

from official_yolact_runtime import export_info

_PACKAGES = {
    export_info.SAVED_MODEL: {},
    export_info.LITERT: {"ai_edge_litert": "ai-edge-litert", "ai_edge_quantizer": "ai-edge-quantizer"},
    export_info.ONNX: {"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
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
        return {export_info.SAVED_MODEL: "saved_model", export_info.ONNX: "model.onnx"}[self.format]


def plan(formats: Sequence[str], precisions: Sequence[str]) -> list[Target]:
    """List the files of an export, in the order in which they are made.

    Args:
      formats: of `export_info.FORMATS`, each once.
      precisions: of `export_info.PRECISIONS`, each once; only LiteRT has others than float32.

    Raises:
      ValueError: a format or precision is unknown or occurs twice, or nothing has the precision.
    """
    for kind, chosen, known in (
        ("format", formats, tuple(_PACKAGES)),
        ("precision", precisions, export_info.PRECISIONS),
    ):
        _check(kind, chosen, known)
    if export_info.LITERT not in formats and export_info.FLOAT32 not in precisions:
        raise ValueError(
            f"{', '.join(formats)} has float32 alone, but the precisions are {', '.join(precisions)}:"
            " add the format litert, or the precision none"
        )
    targets = []
    for name in formats:
        own = precisions if name == export_info.LITERT else [export_info.FLOAT32]
        targets += [Target(name, precision) for precision in own]
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
    inside = (export_info.FILE_NAME, "saved_model.pb")
    is_file = path.endswith((".tflite", ".onnx")) and os.path.isfile(path)
    if is_file or any(os.path.isfile(os.path.join(path, name)) for name in inside):
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
