"""Damage in the compressed part of a JPEG, which decoders only mention on standard error.

Pillow and TensorFlow decode such a file without a word. OpenCV lets libjpeg's own warning through, so it
is caught there. Damage that happens to be a valid code gives no warning; of that, stretches of zeros, which
lost blocks of a disk or a download leave, are found by what they would mean.
"""

from __future__ import annotations

import contextlib
import re

import cv2
import numpy as np

from official_yolact.files import standard_error

_WARNING = re.compile(r"[^\n]*(?:JPEG|SOS|Huffman|DCT|marker)[^\n]*", re.IGNORECASE)
_FLAGS = cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION
"""Every code is read, and few pixels are made."""
_ZEROS = 48
_CODE_LENGTHS = 16


def find(data: bytes) -> str:
    """Look for damage in a JPEG.

    Args:
      data: a whole JPEG file that Pillow has decoded.

    Returns:
      One line, libjpeg's first warning where it has one; empty where no damage shows.
    """
    picture = None
    with standard_error.hear() as listen:
        with contextlib.suppress(cv2.error):
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
        said = listen()
    found = _WARNING.search(said)
    # The rest is from another thread, meanwhile.
    standard_error.write("" if found else said)
    if found:
        return found.group().strip()
    if picture is None:
        return "the compressed data cannot be decoded"
    return _find_zeros(data)


def _find_zeros(data: bytes) -> str:
    """Find a stretch of zeros that cannot be a flat region, in a file of sequential JPEG.

    Zero bits can go on and on only where they say `end of block` to every table; otherwise they are
    dozens of equal coefficients in block after block.
    """
    position, flat, sequential = 2, True, False
    while data[position : position + 1] == b"\xff" and position + 4 <= len(data):
        marker, size = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xFF:
            position += 1
            continue
        sequential |= marker in (0xC0, 0xC1)
        if marker == 0xC4:
            flat &= _means_flat(data[position + 4 : position + 2 + size])
        position += 2 + size
        if marker == 0xDA:
            end = data.find(b"\xff\xd9", position)
            at = data.find(bytes(_ZEROS), position, end if end > 0 else len(data))
            return f"zeros in the compressed data at byte {at}" if sequential and not flat and at > 0 else ""
    return ""


def _means_flat(tables: bytes) -> bool:
    """Check whether in every AC table of a segment the code of zeros is `end of block`."""
    while len(tables) > _CODE_LENGTHS:
        is_ac, counts = tables[0] >> 4, tables[1 : 1 + _CODE_LENGTHS]
        symbols = tables[1 + _CODE_LENGTHS : 1 + _CODE_LENGTHS + sum(counts)]
        if is_ac and symbols[:1] != b"\0":
            return False
        tables = tables[1 + _CODE_LENGTHS + sum(counts) :]
    return True
