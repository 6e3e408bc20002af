"""Requests that TensorFlow Serving sends a model before it serves it, so that no visitor waits for tracing.

They are a TFRecord file of the messages `PredictionLog`, whose few fields are written here: the package of
TensorFlow Serving is not needed.

Source: tensorflow_serving/apis/prediction_log.proto, predict.proto and model.proto.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from official_yolact.records import record_file
from official_yolact_runtime import export_info
from official_yolact_runtime import model_files

FILE_NAME = os.path.join("assets.extra", "tf_serving_warmup_requests")
"""In the folder of a version."""

_PREDICT_LOG, _REQUEST = 6, 1
_MODEL_SPEC, _INPUTS = 1, 2
_NAME, _SIGNATURE_NAME = 1, 3
_KEY, _VALUE = 1, 2


def make_requests(saved_model: str, info: export_info.ModelInfo, name: str) -> bytes:
    """Make a request for each signature that takes photos, as the content of the file.

    Args:
      saved_model: folder of the SavedModel.
      info: of the model.
      name: that it is served by.
    """
    height, width = info.input_size
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG")
    values = {export_info.INPUT: photo[np.newaxis], "image_bytes": np.array([buffer.getvalue()], object)}
    signatures = read_signatures(saved_model)
    return b"".join(
        record_file.frame(serialize_request(name, signature, {key: values[key] for key in inputs}))
        for signature, inputs in signatures.items()
        if inputs and set(inputs) <= set(values)
    )


def read_signatures(saved_model: str) -> dict[str, list[str]]:
    """List the signatures of a SavedModel and the names of their inputs, without loading it."""
    # A part of TensorFlow that every installation has, and no module of its interface shows.
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415

    message = saved_model_pb2.SavedModel()
    with open(os.path.join(saved_model, model_files.SAVED_MODEL_FILE), "rb") as file:
        message.ParseFromString(file.read())
    found = message.meta_graphs[0].signature_def
    return {name: sorted(found[name].inputs) for name in sorted(found) if not name.startswith("__")}


def serialize_request(name: str, signature: str, inputs: Mapping[str, Any]) -> bytes:
    """Serialize a `PredictionLog` of a request.

    Args:
      name: of the model.
      signature: that is called.
      inputs: arrays by name; those of bytes have the type object.
    """
    spec = _field(_NAME, name.encode()) + _field(_SIGNATURE_NAME, signature.encode())
    request = _field(_MODEL_SPEC, spec)
    for key, value in sorted(inputs.items()):
        tensor = tf.make_tensor_proto(value).SerializeToString(deterministic=True)
        request += _field(_INPUTS, _field(_KEY, key.encode()) + _field(_VALUE, tensor))
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """Write a field with a length, as protocol buffers have it."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Write a number in groups of seven bits, the lowest first."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
