"""What a file of an export says of itself: `export.json` inside a LiteRT or ONNX file, or a SavedModel.

A LiteRT file ends with a zip archive, which holds it. In an ONNX file it is a metadata property, read here
without a library: the messages around it are walked through, and the graph is skipped.
"""

from __future__ import annotations

import io
import os
import zipfile
from typing import IO

from official_yolact_runtime import export_info
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

EXTRA_FOLDER = "assets.extra"
"""Folder of a SavedModel for files that TensorFlow does not read itself."""

_MOST_BYTES = 1 << 24
_BYTES_OF_KINDS = {1: 8, 5: 4}
"""Wire types of Protocol Buffers of a fixed size; 0 is a number, 2 a length and what follows."""
_METADATA, _KEY, _VALUE = 14, 1, 2
_NOT_OURS = "is not what `yolact export` writes, or was cut off: export the model again"


def read_litert(path: str) -> export_info.ModelInfo:
    """Read what a LiteRT file says of its model.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it is damaged, of another program, or newer than this one.
    """
    with inputs.open_input(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                member = archive.getinfo(export_info.FILE_NAME)
                if member.file_size > _MOST_BYTES:
                    raise ValueError(f"{member.file_size} bytes of {export_info.FILE_NAME}")
                content = archive.read(member)
        except Exception as error:  # zipfile and zlib raise errors of many kinds for damaged archives
            raise ValueError(f"{path}: {_NOT_OURS} (it has no {export_info.FILE_NAME} inside)") from error
    return export_info.ModelInfo.parse(json_text.parse(content, path), path)


def read_saved_model(folder: str) -> export_info.ModelInfo:
    """Read what a SavedModel says of its model; raises as `read_litert`."""
    path = os.path.join(folder, EXTRA_FOLDER, export_info.FILE_NAME)
    if not os.path.isfile(path):
        raise ValueError(f"{folder}: {_NOT_OURS} (it has no {EXTRA_FOLDER}/{export_info.FILE_NAME} inside)")
    return export_info.ModelInfo.parse(json_text.load(path), path)


def read_onnx(path: str) -> export_info.ModelInfo:
    """Read what an ONNX file says of its model; raises as `read_litert`."""
    with inputs.open_input(path) as file:
        try:
            content = _find_property(file, file.seek(0, io.SEEK_END), export_info.FILE_NAME.encode())
        except (EOFError, IndexError) as error:
            raise ValueError(f"{path}: {_NOT_OURS}") from error
    if content is None:
        raise ValueError(f"{path}: {_NOT_OURS} (it has no {export_info.FILE_NAME} inside)")
    return export_info.ModelInfo.parse(json_text.parse(content, path), path)


def _find_property(file: IO[bytes], size: int, name: bytes) -> bytes | None:
    """Find a metadata property of an ONNX model; raises EOFError where the file is no such message."""
    file.seek(0)
    while file.tell() < size:
        field, kind = divmod(_read_number(file), 8)
        length = _read_length(file, kind)
        end = file.tell() + length
        if end > size or not field:
            raise EOFError
        if field == _METADATA and kind == 2:
            if length > _MOST_BYTES:
                raise EOFError
            entry = _read_entry(file.read(length))
            if entry.get(_KEY) == name:
                return entry.get(_VALUE, b"")
        file.seek(end)
    return None


def _read_entry(message: bytes) -> dict[int, bytes]:
    """Read the texts of a small message, by the numbers of their fields."""
    file, fields = io.BytesIO(message), {}
    while file.tell() < len(message):
        field, kind = divmod(_read_number(file), 8)
        text = file.read(_read_length(file, kind))
        if kind == 2:
            fields[field] = text
    return fields


def _read_length(file: IO[bytes], kind: int) -> int:
    """Give the bytes that a field has from here on; a number is read."""
    if kind == 2:
        return _read_number(file)
    if kind == 0:
        _read_number(file)
        return 0
    if kind not in _BYTES_OF_KINDS:
        raise EOFError
    return _BYTES_OF_KINDS[kind]


def _read_number(file: IO[bytes]) -> int:
    number = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)[0]
        number |= (byte & 127) << shift
        if byte < 128:
            return number
    raise EOFError
