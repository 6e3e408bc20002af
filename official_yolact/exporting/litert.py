"""LiteRT files: the whole detector of built-in operations."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from official_yolact.exporting import graph
from official_yolact.exporting import quantization
from official_yolact.modeling import detector as detector_lib
from official_yolact_runtime import export_info


def convert(detector: detector_lib.Detector) -> bytes:
    """Convert the detector to a LiteRT file of float32, without the part about the model.

    Raises:
      ValueError: an operation of the model is none of LiteRT's own; names it.
    """
    function, module = graph.trace(detector)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        converted = converter.convert()
    except Exception as error:
        if type(error).__name__ != "ConverterError":
            raise
        raise ValueError(f"LiteRT cannot hold this model: {_first_line(error)}") from error
    return bytes(quantization.name_tensors(converted))


def quantize(converted: bytes, precision: str, calibration: Sequence[NDArray[np.float32]]) -> bytes:
    """Give a file of `convert` another precision; float32 stays as it is.

    Args:
      converted: of `convert`.
      precision: one of `export_info.PRECISIONS`.
      calibration: inputs, float32 [1, H, W, 3], for int8.
    """
    if precision == export_info.FLOAT32:
        return converted
    return quantization.quantize(converted, precision, calibration)


def attach(converted: bytes, info: export_info.ModelInfo) -> bytes:
    """Append what a file says of its model, as a zip archive: what LiteRT calls an associated file."""
    stream = io.BytesIO(converted)
    with zipfile.ZipFile(stream, "a") as archive:
        # A date of its own: equal models have equal files.
        member = zipfile.ZipInfo(export_info.FILE_NAME, date_time=(1980, 1, 1, 0, 0, 0))
        archive.writestr(member, json.dumps(info.as_dict(), indent=1))
    return stream.getvalue()


def _first_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    named = [line for line in lines if "op is" in line or "ops:" in line]
    return (named or [line for line in lines if line] or [type(error).__name__])[0]
