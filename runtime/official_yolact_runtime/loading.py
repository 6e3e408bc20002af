"""Load an exported model."""

from __future__ import annotations

import os

from official_yolact_runtime import arguments
from official_yolact_runtime import embedded
from official_yolact_runtime import export_info
from official_yolact_runtime import graphs
from official_yolact_runtime import model_files
from official_yolact_runtime import predictor
from official_yolact_runtime import runtime as runtime_lib
from official_yolact_runtime.files import inputs

RUNTIMES = (runtime_lib.AUTO, *runtime_lib.GRAPHS)

_SUFFIXES = {export_info.LITERT: model_files.LITERT_SUFFIX, export_info.ONNX: model_files.ONNX_SUFFIX}
_RUNTIMES_OF = {
    export_info.LITERT: (runtime_lib.LITERT,),
    export_info.ONNX: (runtime_lib.ONNX, runtime_lib.OPENVINO),
}


def load(
    path: str | os.PathLike[str], runtime: str = runtime_lib.AUTO, threads: int | None = None
) -> predictor.Predictor:
    """Load a model that `yolact export` wrote.

    Args:
      path: a `.tflite` or `.onnx` file, or the folder of an export; of a folder, the float32 file that an
        installed library reads is taken, LiteRT first.
      runtime: the library that computes, one of `RUNTIMES`; `auto` takes the first that is installed of those
        that read the file.
      threads: that compute, at most; None: as many as the machine has processors.

    Returns:
      The predictor.

    Raises:
      TypeError: `threads` is no whole number.
      OSError: there is nothing at the path, or it cannot be read.
      ValueError: it is no export, damaged, or newer than this program; the library is not installed.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is {runtime!r}: expected one of {', '.join(RUNTIMES)}")
    if threads is not None:
        threads = arguments.check_count("threads", threads)
    name = os.fspath(path)
    if not os.path.lexists(name):
        raise FileNotFoundError(f"{name}: no such export{inputs.hint(name)}")
    file, kind = _find_file(name, runtime) if os.path.isdir(name) else (name, _find_kind(name))
    info = embedded.read_litert(file) if kind == export_info.LITERT else embedded.read_onnx(file)
    _check_sum(file)
    library = _choose_runtime(file, kind, runtime)
    compute = graphs.open_graph(file, library, threads)
    opened = graphs.GraphRuntime(library, info, compute)
    return predictor.Predictor(opened, info.categories, info.loaded_weights)


def _find_kind(path: str) -> str:
    for kind, suffix in _SUFFIXES.items():
        if path.endswith(suffix):
            return kind
    raise ValueError(
        f"{path}: is no file of an export: name one that ends with {' or '.join(_SUFFIXES.values())}, or the"
        " folder that yolact export wrote"
    )


def choose_file(folder: str, runtime: str = runtime_lib.AUTO) -> tuple[str, str] | None:
    """Choose a file of an export, float32 before smaller ones, LiteRT before ONNX.

    Args:
      folder: of the export.
      runtime: as of `load`.

    Returns:
      Its path and its format; None: no library that is installed reads one.

    Raises:
      OSError: the folder has no `export.json`.
      ValueError: its `export.json` is malformed, or newer than this program.
    """
    fitting = []
    for name, file in export_info.ExportInfo.load(folder).files.items():
        # A page has a LiteRT file.
        is_page = file.format == export_info.WEB
        path = (name, export_info.PAGE_MODEL) if is_page else (name,)
        kind = export_info.LITERT if is_page else file.format
        if kind in _SUFFIXES and _fits(kind, runtime):
            precision = export_info.PRECISIONS.index(file.precision)
            fitting.append((precision, list(_SUFFIXES).index(kind), path, kind))
    if not fitting:
        return None
    *_, path, kind = min(fitting)
    return os.path.join(folder, *path), kind


def _find_file(folder: str, runtime: str) -> tuple[str, str]:
    """Choose a file of a folder, or say why there is none; raises ValueError."""
    if not os.path.isfile(os.path.join(folder, export_info.FILE_NAME)):
        if os.path.isfile(os.path.join(folder, model_files.PARAMS_FILE)):
            cure = "it is a model directory: export it (yolact export), or load it with official_yolact.load"
        elif os.path.isfile(os.path.join(folder, model_files.SAVED_MODEL_FILE)):
            cure = "it is a SavedModel, which needs TensorFlow: load it with official_yolact.load"
        else:
            cure = "name the folder that yolact export wrote, or a file in it"
        raise ValueError(f"{folder}: is no export, for it has no {export_info.FILE_NAME}: {cure}")
    chosen = choose_file(folder, runtime)
    if chosen is None:
        files = ", ".join(export_info.ExportInfo.load(folder).files) or "none"
        extra = runtime_lib.LITERT if runtime == runtime_lib.AUTO else runtime
        raise ValueError(
            f"{folder}: has no file that an installed library reads: it has {files}:"
            f" pip install 'official-yolact-runtime[{extra}]', or export the format"
        )
    return chosen


def _fits(kind: str, runtime: str) -> bool:
    return any(
        runtime in (runtime_lib.AUTO, name) and graphs.is_installed(name) for name in _RUNTIMES_OF[kind]
    )


def _choose_runtime(file: str, kind: str, runtime: str) -> str:
    readers = _RUNTIMES_OF[kind]
    if runtime == runtime_lib.AUTO:
        return next(filter(graphs.is_installed, readers), readers[0])
    if runtime not in readers:
        raise ValueError(f"{file}: is not read by {runtime}, but by {' and '.join(readers)}")
    return runtime


def _check_sum(file: str) -> None:
    """Compare a file with the sum that `export.json` beside it states, if it does; raises ValueError."""
    folder, name = os.path.split(file)
    if not os.path.isfile(os.path.join(folder, export_info.FILE_NAME)):
        return
    stated = export_info.ExportInfo.load(folder or os.curdir).files.get(name)
    if stated is not None and export_info.sum_path(file)[1] != stated.sha256:
        raise ValueError(
            f"{file}: is not the file that was exported, for its sha256 is not that of"
            f" {export_info.FILE_NAME} beside it: copy it again, or export the model again"
        )
