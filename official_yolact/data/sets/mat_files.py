"""Numeric fields of a structure in a MATLAB file, read without trusting it.

SciPy's reader follows nested cells on the C stack: five megabytes of them end the process. This one
looks at the fields that are asked for, never deeper, and bounds what compressed data may grow to.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from official_yolact_runtime.files import inputs

MAX_BYTES = 1 << 26
"""A file and what it holds uncompressed may be so large; a photo with its instances has a megabyte."""

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _FIRST_NUMERIC, _LAST_NUMERIC = 2, 6, 15
_COMPLEX_FLAG = 0x800
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip


def read_struct(path: str, variable: str, fields: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Read numeric fields of a variable that is one structure.

    Args:
      path: MAT-file of version 5 (MATLAB's `-v6` and `-v7`).
      variable: name of the structure.
      fields: names of fields; others are passed over.

    Returns:
      The fields as numeric arrays in the shape and the type of number that the file has.

    Raises:
      OSError: the file cannot be read.
      ValueError: names the file and says why it cannot be used.
    """
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise ValueError(f"{path}: {size} bytes are more than {MAX_BYTES}")
    with inputs.open_input(path) as file:
        data = file.read()
    try:
        order = _byte_order(data)
        for body in _variables(data[_HEADER_BYTES:], order):
            matrix = _Matrix(body, order)
            if matrix.name == variable:
                return _read_fields(matrix, fields, order)
    except (struct.error, zlib.error, OverflowError) as error:
        raise ValueError(f"{path}: the file is damaged ({error}): unpack the archive again") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    raise ValueError(f"{path}: there is no variable {variable} in the file")


class _Matrix:
    """A matrix element: its class, shape and name, and the elements that follow these."""

    def __init__(self, body: bytes, order: str) -> None:
        self.rest = _elements(body, order)
        (flags,) = struct.unpack_from(f"{order}I", self.next(), 0)
        self.kind, self.is_complex = flags & 0xFF, bool(flags & _COMPLEX_FLAG)
        dimensions = self.next()
        self.shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
        self.name = self.next().decode("latin-1")

    def next(self, kind: int | None = None) -> bytes:
        """Return the next element's content, which has to be of `kind` unless that is None."""
        found, content = next(self.rest, (None, b""))
        if found is None or kind not in (None, found):
            raise ValueError("an array is incomplete: unpack the archive again")
        return content


def _byte_order(data: bytes) -> str:
    if data[:4] == b"\x89HDF" or data.startswith(b"MATLAB 7.3"):
        raise ValueError("a MAT-file of version 7.3 (HDF5): save it with MATLAB's option -v7")
    order = {b"IM": "<", b"MI": ">"}.get(data[_HEADER_BYTES - 2 : _HEADER_BYTES])
    if order is None:
        raise ValueError(f"not a MAT-file of version 5: it begins with {data[:16]!r}")
    return order


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the content of each element."""
    position = 0
    while position < len(data):
        (kind,) = struct.unpack_from(f"{order}I", data, position)
        size, start = kind >> 16, position + 4
        if size:
            # Up to four bytes of content share eight with the tag.
            kind, position = kind & 0xFFFF, position + 8
        else:
            (size,) = struct.unpack_from(f"{order}I", data, start)
            start += 4
            position = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > min(position, len(data)):
            raise ValueError("the file ends within an array: unpack the archive again")
        yield kind, data[start : start + size]


def _variables(data: bytes, order: str) -> Iterator[bytes]:
    left = MAX_BYTES
    for outer, content in _elements(data, order):
        kind, body = outer, content
        if outer == _COMPRESSED:
            inflater = zlib.decompressobj()
            inflated = inflater.decompress(content, left + 1)
            left -= len(inflated)
            if left < 0:
                raise ValueError(f"its content is larger than {MAX_BYTES} bytes")
            if not inflater.eof:
                raise ValueError("compressed data end early: unpack the archive again")
            kind, body = next(_elements(inflated, order), (0, b""))
        if kind == _MATRIX:
            yield body


def _read_fields(matrix: _Matrix, fields: Collection[str], order: str) -> dict[str, npt.NDArray[Any]]:
    if matrix.kind != _STRUCT or math.prod(matrix.shape) != 1:
        raise ValueError(f"{matrix.name} is not one structure")
    (length,) = struct.unpack(f"{order}i", matrix.next())
    packed = matrix.next()
    if length < 1 or len(packed) % length:
        raise ValueError(f"{matrix.name} has unreadable field names: unpack the archive again")
    starts = range(0, len(packed), length)
    names = [packed[at : at + length].split(b"\0")[0].decode("latin-1") for at in starts]
    missing = sorted(set(fields) - set(names))
    if missing:
        raise ValueError(f"{matrix.name} has no field {missing[0]}, only {', '.join(names) or 'none'}")
    bodies = {name: matrix.next(_MATRIX) for name in names}
    return {name: _read_numbers(name, bodies[name], order) for name in fields}


def _read_numbers(name: str, body: bytes, order: str) -> npt.NDArray[Any]:
    matrix = _Matrix(body, order)
    if not _FIRST_NUMERIC <= matrix.kind <= _LAST_NUMERIC or matrix.is_complex:
        raise ValueError(f"the field {name} does not hold real numbers")
    kind, content = next(matrix.rest, (0, b""))
    dtype = _TYPES.get(kind)
    if dtype is None or min(matrix.shape, default=-1) < 0:
        raise ValueError(f"the field {name} is incomplete: unpack the archive again")
    width = np.dtype(dtype).itemsize
    if math.prod(matrix.shape) * width != len(content):
        raise ValueError(
            f"the field {name} has {len(content)} bytes, but {matrix.shape} numbers of {width} bytes"
        )
    return np.frombuffer(content, f"{order}{dtype}").reshape(matrix.shape, order="F")
