"""Load any model: a directory of a training or an import, or an export. TensorFlow only where it computes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from official_yolact_runtime import arguments
from official_yolact_runtime import model_files
from official_yolact_runtime import predictor
from official_yolact_runtime import runtime as runtime_lib

TENSORFLOW = "tensorflow"
EXPORT_FOLDER = "export"
"""In a model directory: where an export of it is looked for."""

_FLOAT32 = "float32"
RUNTIMES = (runtime_lib.AUTO, TENSORFLOW, *runtime_lib.GRAPHS)


def load(
    path: str | os.PathLike[str],
    batch_size: int = 1,
    detection_generator: Mapping[str, Any] | None = None,
    precision: str = _FLOAT32,
    threads: int | None = None,
    runtime: str = runtime_lib.AUTO,
) -> predictor.Predictor:
    """Load a model that training, `import-weights` or `export` wrote.

    Args:
      path: its directory (the best checkpoint is taken, else the last), or one checkpoint in it; or the
        folder of an export, of which the float32 file is taken that an installed library reads; or a
        `.tflite` or `.onnx` file, or a SavedModel; or a name of `yolact weights list`, as yolact/resnet50.
      batch_size: pictures that pass the network at once, at most; those of an export pass one by one.
      detection_generator: fields of `configs.yolact.DetectionGenerator` to change, as in
        {"nms": "cross_class", "max_detections": 300}; the others stay as params.yaml has them. An export has
        them inside, where nothing changes them.
      precision: of a model directory, as in `serving.loading`: `float32`, in which a model gives the same on
        every machine; `bfloat16`, which moves boxes and scores a little; or `auto`, the faster one on this
        machine. Of an export each file has its own.
      threads: that compute, at most; None: as many as the machine has processors.
      runtime: what computes, one of `RUNTIMES`. `auto` is the fastest for a model directory: TensorFlow, or
        the export in its folder `export`, as `choosing.choose_export` has it; for a SavedModel TensorFlow,
        and for the other files of an export the first library that is installed and reads them.

    Returns:
      The predictor.

    Raises:
      TypeError: `batch_size` is no whole number.
      OSError: there is no such model, or a part of it is missing; or a named one cannot be downloaded.
      ValueError: a part of it is malformed, or they do not fit one another; params.yaml states another
        architecture than the record of the checkpoint; a field to change does not exist, or its value
        is out of range; `batch_size` is below 1, or more than the machine's memory can hold; the runtime is
        not installed, or does not run this kind of model.
    """
    batch_size = arguments.check_count("batch_size", batch_size)
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is {runtime!r}: expected one of {', '.join(RUNTIMES)}")
    name = os.fspath(path)
    if not os.path.lexists(name):
        from official_yolact.weights import model_names

        name = model_names.find_model(name)
    if model_files.is_export(name):
        if precision not in (_FLOAT32, runtime_lib.AUTO):
            raise ValueError(
                f"{name}: precision cannot be {precision!r} in an export, whose files have their own"
            )
        return _load_export(name, detection_generator or {}, runtime, threads)
    folder = os.path.join(name, EXPORT_FOLDER)
    if runtime != TENSORFLOW and os.path.isfile(os.path.join(folder, model_files.EXPORT_FILE)):
        from official_yolact.serving import choosing

        chosen = choosing.choose_export(name, folder, runtime, precision, detection_generator or {})
        if chosen is not None:
            return _describe(_load_export(chosen.file, {}, chosen.runtime, threads), chosen.reason)
    if runtime not in (runtime_lib.AUTO, TENSORFLOW):
        raise ValueError(
            f"{name}: is not run by {runtime}, which runs exports: export it (yolact export), to {folder}"
        )
    from official_yolact.serving import loading

    return loading.load(name, batch_size, detection_generator, precision, threads)


def _describe(loaded: predictor.Predictor, reason: str) -> predictor.Predictor:
    opened: Any = loaded.runtime
    opened.description = f"{opened.name}, {_FLOAT32} ({reason})"
    return loaded


def _load_export(
    path: str, changes: Mapping[str, Any], runtime: str, threads: int | None
) -> predictor.Predictor:
    from official_yolact_runtime import loading as exports

    saved_model = _find_saved_model(path, runtime)
    if saved_model:
        from official_yolact.serving import saved_model_runtime

        loaded = saved_model_runtime.load(saved_model)
    else:
        loaded = exports.load(path, runtime, threads)
    opened: Any = loaded.runtime
    _refuse_changes(path, opened.info, changes)
    return loaded


def _find_saved_model(path: str, runtime: str) -> str:
    """Find the SavedModel that is to be run; empty: a file of another format is."""
    from official_yolact_runtime import export_info
    from official_yolact_runtime import loading as exports

    if os.path.isfile(os.path.join(path, model_files.SAVED_MODEL_FILE)):
        if runtime not in (runtime_lib.AUTO, TENSORFLOW):
            raise ValueError(f"{path}: is a SavedModel, which {runtime} does not read, but {TENSORFLOW}")
        return path
    if os.path.isdir(path):
        files = export_info.ExportInfo.load(path).files
        names = [name for name, file in files.items() if file.format == export_info.SAVED_MODEL]
        is_auto = runtime == runtime_lib.AUTO
        if names and (runtime == TENSORFLOW or (is_auto and not exports.choose_file(path))):
            return os.path.join(path, names[0])
    if runtime == TENSORFLOW:
        raise ValueError(f"{path}: holds no SavedModel, which alone of the exports {TENSORFLOW} runs")
    return ""


def _refuse_changes(path: str, info: Any, changes: Mapping[str, Any]) -> None:
    """Refuse to change what an export has inside; raises ValueError. Fewer detections are chosen outside."""
    for field, value in changes.items():
        stored = info.read_setting(field)
        if value != stored and not (field == "max_detections" and value <= info.max_detections):
            raise ValueError(
                f"{path}: {field} cannot be {value!r} in an export, which was made with {stored!r}: run the"
                " model itself, or change params.yaml and export it again"
            )
