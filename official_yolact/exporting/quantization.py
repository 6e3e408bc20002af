"""Weights and activations of a LiteRT file in fewer bits, operation by operation.

Only the network loses bits. Boxes are decoded, scores compared and masks assembled in float32: int8 would
move boxes by half an image. Deformable convolutions stay in float32 too: eight bits are too few for what
they look at. Operations are found by the name scopes of `modeling.detector` and of the layers, which
converters keep in the names of tensors.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.modeling import detector as detector_lib
from official_yolact.modeling.layers import deformable_conv
from official_yolact_runtime import export_info

_BITS = 8
_SIGNATURE = "serving_default"
_LAST_OF_HEAD = "/head/(box_conv|Reshape|concat|Tanh)"
"""Where a head joins what it finds on all levels: eight bits for boxes of every size are too few."""


def quantize(converted: bytes, precision: str, calibration: Sequence[NDArray[np.float32]]) -> bytes:
    """Give a float32 LiteRT file another precision.

    Args:
      converted: the file, its tensors named by `name_tensors`.
      precision: `float16` (weights only), `dynamic` (weights in int8, activations when they are computed) or
        `int8` (both, ranges of activations by calibration).
      calibration: inputs of the network's size, float32 [1, H, W, 3] from 0 to 255; of `int8` only.

    Raises:
      ValueError: `int8` without calibration.
    """
    from ai_edge_quantizer import quantizer  # noqa: PLC0415  of an extra

    if precision == "int8" and not calibration:
        raise ValueError("int8 needs the ranges of activations: give photos for the calibration")
    writer = quantizer.Quantizer(bytearray(converted))
    _choose(writer, precision)
    ranges = None
    if precision == "int8":
        # A list: the quantizer reads it twice.
        inputs = [{export_info.INPUT: image} for image in calibration]
        with _quiet():
            ranges = writer.calibrate({_SIGNATURE: inputs})
    with _quiet():
        result = writer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def name_tensors(converted: bytes) -> bytes:
    """Give the input and the outputs of a LiteRT file their names as tensors too.

    A signature has the names already. Programs that read tensors alone, such as LiteRT.js, see what the
    converter called them.
    """
    from tensorflow.lite.tools import flatbuffer_utils  # noqa: PLC0415  of exports alone

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(converted))
    (signature,) = model.signatureDefs
    tensors = model.subgraphs[signature.subgraphIndex].tensors
    for entry in (*signature.inputs, *signature.outputs):
        tensors[entry.tensorIndex].name = entry.name
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _quiet() -> contextlib.AbstractContextManager[Any]:
    """Keep the quantizer's own progress bars off the terminal."""
    return contextlib.redirect_stderr(io.StringIO())


def _choose(writer: Any, precision: str) -> None:
    """Say which operations get the precision; a later rule goes before an earlier one."""
    from ai_edge_quantizer import qtyping  # noqa: PLC0415
    from ai_edge_quantizer import quantizer  # noqa: PLC0415

    everything = qtyping.TFLOperationName.ALL_SUPPORTED
    network = f"{detector_lib.NETWORK_SCOPE}/"
    if precision == "int8":
        writer.add_static_config(network, everything, _BITS, _BITS)
    elif precision == "dynamic":
        writer.add_dynamic_config(network, everything, _BITS)
    else:
        weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=weights,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        casting = quantizer.AlgorithmName.FLOAT_CASTING
        for operation in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "CONV_2D_TRANSPOSE"):
            writer.update_quantization_recipe(".*", qtyping.TFLOperationName(operation), config, casting)
        return
    never = quantizer.AlgorithmName.NO_QUANTIZE
    for scope in (f"{detector_lib.DECODE_SCOPE}/", f"{deformable_conv.SCOPE}/", _LAST_OF_HEAD):
        writer.update_quantization_recipe(scope, everything, algorithm_key=never)
    # LiteRT has no product of matrices whose first factor alone has fewer bits. The constant weights of
    # `ops.interpolations` are such factors.
    for operation in ("INPUT", "OUTPUT", *(["BATCH_MATMUL"] if precision == "dynamic" else [])):
        writer.update_quantization_recipe(".*", qtyping.TFLOperationName(operation), algorithm_key=never)
