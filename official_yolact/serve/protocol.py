"""The open inference protocol, version 2: tensors in JSON, and beside it in binary form.

Source: the open inference protocol of KServe, and Triton's extension for binary tensors.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.serve import refusals
from official_yolact_runtime import values
from official_yolact_runtime.files import json_text

LENGTH_HEADER = "Inference-Header-Content-Length"
"""Bytes of the JSON before the binary part of a body."""

BYTES = "BYTES"
UINT8 = "UINT8"
_NAMES = {np.dtype(np.uint8): UINT8, np.dtype(np.int32): "INT32", np.dtype(np.float32): "FP32"}
_MOST_IN_JSON = 4_000_000

Tensor = NDArray[Any] | list[bytes]
"""An array, or the elements of a tensor of BYTES with one dimension."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client sent.

    Attributes:
      id: is given back; empty: there is none.
      parameters: of the request.
      inputs: by name.
      outputs: that are wanted, by name, and whether each is to be binary; empty: all that are usual.
      is_binary: whether outputs that are not named are to be binary.
    """

    id: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, bool]
    is_binary: bool


def parse(body: bytes, header_length: str | None) -> Request:
    """Read the body of a request.

    Args:
      body: all of it.
      header_length: the header `LENGTH_HEADER`; None: it is all JSON.

    Raises:
      RefusedError: says what is wrong, and in which tensor.
    """
    length = len(body) if header_length is None else _read_length(header_length, len(body))
    try:
        content = json_text.parse(body[:length], "the body")
    except ValueError as error:
        raise _wrong(str(error)) from None
    if not isinstance(content, dict):
        raise _wrong("the body is no JSON object")
    parameters = _read_parameters(content, "the request")
    given = content.get("id", "")
    return Request(
        id=given if isinstance(given, str) else "",
        parameters=parameters,
        inputs=_read_inputs(content.get("inputs"), memoryview(body)[length:]),
        outputs=_read_outputs(content.get("outputs"), parameters),
        is_binary=parameters.get("binary_data_output") is True,
    )


def _wrong(message: str) -> refusals.RefusedError:
    return refusals.RefusedError(400, message)


def _read_length(text: str, most: int) -> int:
    if not text.isdecimal() or len(text) > 20 or int(text) > most:
        raise _wrong(
            f"{LENGTH_HEADER} is {text[:30]!r}: expected a number up to {most}, the bytes of the body"
        )
    return int(text)


def _read_parameters(content: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    parameters = content.get("parameters", {})
    if not isinstance(parameters, dict):
        raise _wrong(f"the parameters of {where} are no JSON object")
    return parameters


def _read_inputs(listed: Any, binary: memoryview) -> dict[str, Tensor]:
    if not isinstance(listed, list) or not listed:
        raise _wrong("`inputs` is no list of tensors: send one")
    found: dict[str, Tensor] = {}
    at = 0
    for entry in listed:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name in found:
            raise _wrong("`inputs` has a tensor without a name, or two of one name")
        size = _read_parameters(entry, f"the input {name}").get("binary_data_size")
        if size is None:
            found[name] = _from_json(name, entry)
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - at:
            raise _wrong(
                f"the input {name}: binary_data_size is {size!r}, but {len(binary) - at} bytes are there"
            )
        found[name] = _from_binary(name, entry, bytes(binary[at : at + size]))
        at += size
    if at != len(binary):
        raise _wrong(f"{len(binary) - at} bytes after the tensors belong to none")
    return found


def _read_shape(name: str, entry: Mapping[str, Any]) -> tuple[int, ...]:
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(side) is int and 0 <= side < 2**31 for side in shape):
        raise _wrong(f"the input {name}: shape is {values.shorten(shape)}: expected whole numbers")
    return tuple(shape)


def _read_type(name: str, entry: Mapping[str, Any]) -> str:
    kind = entry.get("datatype")
    if kind not in (UINT8, BYTES):
        shown = values.shorten(kind)
        raise _wrong(f"the input {name}: datatype is {shown}: expected {UINT8} or {BYTES}")
    return str(kind)


def _from_json(name: str, entry: Mapping[str, Any]) -> Tensor:
    kind, shape, data = _read_type(name, entry), _read_shape(name, entry), entry.get("data")
    if not isinstance(data, list):
        raise _wrong(f"the input {name} has no `data`")
    if kind == BYTES:
        return _check_elements(name, shape, [_decode(name, one) for one in data])
    try:
        array = np.array(data)
    except ValueError:  # lists of several lengths
        array = np.array(None)
    is_right = array.dtype.kind in "iu" and array.min(initial=0) >= 0 and array.max(initial=0) <= 255
    if array.size and not is_right:
        raise _wrong(f"the input {name}: `data` are not whole numbers from 0 to 255")
    return _reshape(name, array.astype(np.uint8).reshape(-1), shape)


def _decode(name: str, element: Any) -> bytes:
    try:
        return base64.b64decode(element, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise _wrong(f"the input {name}: an element of `data` is no text in base64") from None


def _from_binary(name: str, entry: Mapping[str, Any], data: bytes) -> Tensor:
    kind, shape = _read_type(name, entry), _read_shape(name, entry)
    if kind == BYTES:
        return _check_elements(name, shape, _split(name, data))
    return _reshape(name, np.frombuffer(data, np.uint8), shape)


def _split(name: str, data: bytes) -> list[bytes]:
    """Split a binary tensor of BYTES: each element has its length before it."""
    found, at = [], 0
    while at < len(data):
        end = at + 4
        if end <= len(data):
            end += int(struct.unpack_from("<I", data, at)[0])
        if at + 4 > len(data) or end > len(data):
            raise _wrong(f"the input {name}: the length of an element is more than its bytes")
        found.append(data[at + 4 : end])
        at = end
    return found


def _check_elements(name: str, shape: Sequence[int], elements: list[bytes]) -> list[bytes]:
    if list(shape) not in ([len(elements)], [len(elements), 1]):
        raise _wrong(f"the input {name}: shape is {list(shape)}, but it has {len(elements)} elements")
    return elements


def _reshape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    count = 1
    for side in shape:
        count *= side
    if array.size != count:
        raise _wrong(f"the input {name}: shape is {list(shape)}, but it has {array.size} elements")
    return array.reshape(shape)


def _read_outputs(listed: Any, parameters: Mapping[str, Any]) -> dict[str, bool]:
    if listed is None:
        return {}
    if not isinstance(listed, list):
        raise _wrong("`outputs` is no list")
    usual = parameters.get("binary_data_output") is True
    found: dict[str, bool] = {}
    for entry in listed:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise _wrong("`outputs` has one without a name")
        found[name] = _read_parameters(entry, f"the output {name}").get("binary_data", usual) is True
    return found


def write(
    request: Request, model: str, version: str, outputs: Mapping[str, Tensor]
) -> tuple[bytes, dict[str, str]]:
    """Write the body of an answer.

    Args:
      request: that it answers.
      model: its name.
      version: of the model.
      outputs: by name; a list of bytes is a tensor of BYTES with one dimension.

    Returns:
      The body, and the headers that say how long its JSON is, if it has a binary part.

    Raises:
      RefusedError: a tensor is too large for JSON.
    """
    described, parts = [], []
    for name, value in outputs.items():
        entry: dict[str, Any] = {"name": name, **_describe(value)}
        if request.outputs.get(name, request.is_binary):
            parts.append(_join(value))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            entry["data"] = _to_json(name, value)
        described.append(entry)
    content: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": described}
    if request.id:
        content["id"] = request.id
    text = json_text.dump(content).encode()
    return b"".join([text, *parts]), {LENGTH_HEADER: str(len(text))} if parts else {}


def _describe(value: Tensor) -> dict[str, Any]:
    if isinstance(value, list):
        return {"datatype": BYTES, "shape": [len(value)]}
    return {"datatype": _NAMES[value.dtype], "shape": list(value.shape)}


def _join(value: Tensor) -> bytes:
    if isinstance(value, list):
        return b"".join(struct.pack("<I", len(one)) + one for one in value)
    return np.ascontiguousarray(value).tobytes()


def _to_json(name: str, value: Tensor) -> list[Any]:
    if isinstance(value, list):
        return [one.decode() for one in value]
    if value.size > _MOST_IN_JSON:
        raise _wrong(
            f"the output {name} has {value.size} numbers, too many for JSON: ask for it as binary_data"
        )
    listed: list[Any] = value.reshape(-1).tolist()
    return listed
