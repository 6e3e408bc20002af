"""Brush masks of Label Studio, whose run lengths are packed bit by bit.

The bits are: the number of values (32), their width - 1 (5), four widths - 1 of lengths (4 each), and blocks.
A block has: whether it is a run (1), which of the four widths (2), its length - 1 (in that width), and one
value for a run, or as many as its length.
The values are those of an RGBA picture, row by row; alpha is the mask.

Source: the package rle-pack of https://github.com/thi-ng/umbrella, which Label Studio uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from official_yolact_runtime import values

_CHANNELS = 4
_ALPHA = 3
_VALUE_BITS = 8
_HEAD_BITS = 32 + 5 + 4 * 4
_WINDOW_BYTES = 8
_MOST = 255


def decode(codes: Any, height: int, width: int, where: str) -> npt.NDArray[np.bool_]:
    """Decode a brush mask.

    Args:
      codes: list of bytes, as the export has it under `rle`.
      height: of the image in pixels.
      width: of the image in pixels.
      where: begins each message: file and result.

    Returns:
      bool [height, width]: where alpha is not 0.

    Raises:
      ValueError: it is no such list, is cut off or damaged, or is of an image of another size.
    """
    try:
        data = bytes(codes) if isinstance(codes, list) else b""
    except (TypeError, ValueError):
        data = b""
    if len(data) * 8 < _HEAD_BITS:
        raise ValueError(f"{where}: rle is {values.shorten(codes)}: give a list of bytes, 0 to 255")
    total = _read(data, 0, 32)
    if total != _CHANNELS * height * width:
        raise ValueError(
            f"{where}: rle holds {total} values, but an image of {height}x{width} pixels (height x width) has"
            f" {_CHANNELS * height * width}: export the annotations again"
        )
    if _read(data, 32, 5) + 1 != _VALUE_BITS:
        bits = _read(data, 32, 5) + 1
        raise ValueError(f"{where}: rle has values of {bits} bits, expected are {_VALUE_BITS}")
    lengths = [_read(data, 37 + 4 * at, 4) + 1 for at in range(4)]
    alpha = bytearray(height * width)
    if _fill(alpha, data, lengths, total) != total:
        raise ValueError(f"{where}: rle is damaged or cut off: export the annotations again")
    return np.asarray(np.frombuffer(alpha, np.uint8).reshape(height, width) != 0)


def _fill(alpha: bytearray, data: bytes, lengths: list[int], total: int) -> int:
    """Fill in alpha [height * width], block by block; returns the number of values that could be read."""
    at, done, end = _HEAD_BITS, 0, len(data) * 8
    data += bytes(_WINDOW_BYTES)
    packed = np.frombuffer(data, np.uint8)
    while done < total and at + 3 <= end:
        # One window holds whether it is a run, the width of the length, the length and the first value.
        window = int.from_bytes(data[at >> 3 : (at >> 3) + _WINDOW_BYTES], "big")
        left = 8 * _WINDOW_BYTES - (at & 7) - 3
        bits = lengths[window >> left & 3]
        left -= bits
        count = (window >> left & (1 << bits) - 1) + 1
        is_run = window >> (left + bits + 2) & 1
        stored = _VALUE_BITS if is_run else count * _VALUE_BITS
        at += 3 + bits
        if done + count > total or at + stored > end:
            break
        # Of the values done ... done + count - 1, every fourth is alpha: of these pixels.
        first, last = done // _CHANNELS, (done + count) // _CHANNELS
        if is_run or count == 1:
            value = window >> (left - _VALUE_BITS) & _MOST
            if value and last > first:
                alpha[first:last] = bytes((value,)) * (last - first)
        else:
            alpha[first:last] = _read_many(packed, at, count)[
                (_ALPHA - done) % _CHANNELS :: _CHANNELS
            ].tobytes()
        at += stored
        done += count
    return done


def _read(data: bytes, at: int, bits: int) -> int:
    """Read a number of at most 32 bits; what lies behind the end is 0."""
    window = data[at // 8 : at // 8 + _WINDOW_BYTES].ljust(_WINDOW_BYTES, b"\0")
    return int.from_bytes(window, "big") >> (8 * _WINDOW_BYTES - at % 8 - bits) & (1 << bits) - 1


def _read_many(packed: npt.NDArray[np.uint8], at: int, count: int) -> npt.NDArray[np.uint8]:
    """Read bytes [count] that begin at any bit."""
    first, shift = divmod(at, 8)
    high = packed[first : first + count]
    if not shift:
        return high
    low = packed[first + 1 : first + 1 + count]
    return ((high << shift) | (low >> (8 - shift))).astype(np.uint8)
