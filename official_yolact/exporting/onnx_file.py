"""ONNX files: what ONNX Runtime and OpenVINO read."""

from __future__ import annotations

import json
from typing import Any

from official_yolact.exporting import graph
from official_yolact.modeling import detector as detector_lib
from official_yolact.ops import nms
from official_yolact_runtime import export_info

_OPSET = 18


def convert(detector: detector_lib.Detector, info: export_info.ModelInfo) -> bytes:
    """Convert the detector to an ONNX file, with the part about the model as a metadata property.

    Raises:
      ValueError: the converter does not know an operation of the model; or the result has other inputs and
        outputs than a file has to have.
    """
    import onnx  # noqa: PLC0415  of an extra
    import tf2onnx  # noqa: PLC0415

    function, module = graph.trace(detector)
    with nms.without_branches():  # in a branch inside another one the converter loses shapes
        model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=_OPSET)
    del module  # until here the variables are needed
    _check_names(model)
    onnx.helper.set_model_props(model, {export_info.FILE_NAME: json.dumps(info.as_dict(), indent=1)})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _check_names(model: Any) -> None:
    """Refuse a graph that cannot be fed: a tensor that it captured is an input, and the checker is silent."""
    inputs = [value.name for value in model.graph.input]
    outputs = sorted(value.name for value in model.graph.output)
    if inputs != [export_info.INPUT] or outputs != sorted(export_info.OUTPUTS):
        raise ValueError(
            f"the ONNX graph has the inputs {inputs} and the outputs {outputs}: expected"
            f" {export_info.INPUT} alone, and {', '.join(export_info.OUTPUTS)}"
        )
    unknown = sorted({node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")})
    if unknown:
        raise ValueError(f"ONNX cannot hold this model: no operation of it is {', '.join(unknown)}")
