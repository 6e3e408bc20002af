"""Files by which a folder is known: a model directory, an export, a SavedModel."""

from __future__ import annotations

import os

PARAMS_FILE = "params.yaml"
"""In a model directory: the configuration."""

EXPORT_FILE = "export.json"
"""In the folder of an export; also the archive member of a LiteRT file, and the metadata property of ONNX."""

SAVED_MODEL_FILE = "saved_model.pb"

LITERT_SUFFIX, ONNX_SUFFIX = ".tflite", ".onnx"


def is_export(path: str) -> bool:
    """Tell whether a path means an export: a file of one, its folder, or a SavedModel."""
    if os.path.isdir(path):
        return any(os.path.isfile(os.path.join(path, name)) for name in (EXPORT_FILE, SAVED_MODEL_FILE))
    return path.endswith((LITERT_SUFFIX, ONNX_SUFFIX))
