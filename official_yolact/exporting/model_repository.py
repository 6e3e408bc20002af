"""Folders from which TensorFlow Serving and Triton serve an export; a version appears whole or not at all."""

from __future__ import annotations

import os
import re
import shutil

from official_yolact.exporting import output_folder
from official_yolact_runtime import export_info
from official_yolact_runtime import model_files
from official_yolact_runtime.files import outputs

TF_SERVING, TRITON = "tf-serving", "triton"
SERVERS = (TF_SERVING, TRITON)

CONFIG_FILE = "config.pbtxt"
MODEL_FILE = "model.onnx"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def write(
    export: str, server: str, output: str, name: str, version: int, *, force: bool = False
) -> list[str]:
    """Write a version of a model into the folder of a server.

    Args:
      export: folder of an export, with a SavedModel for TensorFlow Serving, an .onnx file for Triton.
      server: one of `SERVERS`.
      output: folder of all models of the server.
      name: of the model.
      version: number of the version, 1 or more; it must not be there.
      force: replace a `config.pbtxt` that this program did not write.

    Returns:
      What was written.

    Raises:
      OSError: the export is missing or cannot be read, or the folder not be written.
      ValueError: it has no file that this server reads, or the name or the place does not do.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"--name is {name!r}: give letters, digits, '_', '.' and '-'")
    if not os.path.isfile(os.path.join(export, model_files.EXPORT_FILE)):
        raise FileNotFoundError(f"{export}: is no folder of an export: run `yolact export` first")
    info = export_info.ExportInfo.load(export)
    folder = os.path.join(output, name, str(version))
    if os.path.lexists(folder):
        raise ValueError(f"{folder}: is there: give another --version; servers take the highest")
    if server == TF_SERVING:
        return _write_tf_serving(export, info, folder, name)
    return _write_triton(export, info, folder, name, force=force)


def _write_tf_serving(export: str, info: export_info.ExportInfo, folder: str, name: str) -> list[str]:
    from official_yolact.exporting import warm_up  # noqa: PLC0415  Triton needs no TensorFlow

    source = _find_file(export, info, export_info.SAVED_MODEL)
    requests = warm_up.make_requests(source, info.model, name)
    with output_folder.stage(folder) as staged:
        shutil.copytree(source, staged, dirs_exist_ok=True)
        path = os.path.join(staged, warm_up.FILE_NAME)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(requests)
        output_folder.publish(staged, folder)
    return [folder]


def _write_triton(
    export: str, info: export_info.ExportInfo, folder: str, name: str, *, force: bool
) -> list[str]:
    source = _find_file(export, info, export_info.ONNX)
    config = os.path.join(os.path.dirname(folder), CONFIG_FILE)
    outputs.write(config, format_config(info.model, name), inputs=[source], force=force)
    with output_folder.stage(folder) as staged:
        shutil.copy(source, os.path.join(staged, MODEL_FILE))
        output_folder.publish(staged, folder)
    return [config, folder]


def _find_file(export: str, info: export_info.ExportInfo, format: str) -> str:
    """Find the file of a format, in float32 where there are several; raises ValueError, OSError."""
    names = [name for name, file in info.files.items() if file.format == format]
    if not names:
        raise ValueError(
            f"{export}: holds no {format}, but {', '.join(info.files)}: export it, with --format {format}"
        )
    path = os.path.join(export, names[0])
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file: the export is not whole")
    return path


def format_config(info: export_info.ModelInfo, name: str) -> str:
    """Write what Triton has to know of an ONNX file, its `config.pbtxt`.

    One photo passes the graph at a time, so that there is no batching: `max_batch_size` is 0, and each shape
    begins with 1.
    """
    number = info.max_detections
    images = ("TYPE_FP32", (1, *info.input_size, 3))
    shapes = {
        "detection_boxes": ("TYPE_FP32", (1, number, 4)),
        "detection_scores": ("TYPE_FP32", (1, number)),
        "detection_mask_scores": ("TYPE_FP32", (1, number)),
        "detection_classes": ("TYPE_INT32", (1, number)),
        "num_detections": ("TYPE_INT32", (1,)),
        "detection_masks": ("TYPE_FP32", (1, number, *info.grid)),
    }
    lines = [
        f'name: "{name}"',
        'backend: "onnxruntime"',
        f'default_model_filename: "{MODEL_FILE}"',
        "max_batch_size: 0",
        _format_tensor("input", export_info.INPUT, *images),
        *(_format_tensor("output", output, *shapes[output]) for output in export_info.OUTPUTS),
        "version_policy { latest { num_versions: 1 } }",
        "model_warmup {",
        '  name: "an empty photo"',
        "  batch_size: 1",
        "  inputs {",
        f'    key: "{export_info.INPUT}"',
        f"    value {{ data_type: {images[0]} dims: {_format_dims(images[1])} zero_data: true }}",
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _format_tensor(kind: str, name: str, data_type: str, dims: tuple[int, ...]) -> str:
    return f'{kind} {{ name: "{name}" data_type: {data_type} dims: {_format_dims(dims)} }}'


def _format_dims(dims: tuple[int, ...]) -> str:
    return f"[ {', '.join(map(str, dims))} ]"
