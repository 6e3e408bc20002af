"""Damage in the compressed part of a JPEG, which decoders only mention on standard error.

Pillow and TensorFlow decode such a file without a word. OpenCV lets libjpeg's own warning through, so it
is caught there. Damage that happens to be a valid code gives no warning; of that, stretches of zeros, which
lost blocks of a disk or a download leave, are found by what they would mean.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading

import cv2
import numpy as np

_WARNING = re.compile(r"[^\n]*(?:JPEG|SOS|Huffman|DCT|marker)[^\n]*", re.IGNORECASE)
_FLAGS = cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION
"""Every code is read, and few pixels are made."""
_STDERR = 2
_MOST_BYTES = 1 << 16
_ZEROS = 48
_CODE_LENGTHS = 16

_lock = threading.Lock()


def find(data: bytes) -> str:
    """Look for damage in a JPEG.

    Args:
      data: a whole JPEG file that Pillow has decoded.

    Returns:
      One line, libjpeg's first warning where it has one; empty where no damage shows.
    """
    with _lock:
        picture, said = _decode_and_listen(np.frombuffer(data, np.uint8))
    found = _WARNING.search(said)
    other = "" if found else said
    if other:
        # From another thread, meanwhile.
        os.write(_STDERR, other.encode())
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


def _decode_and_listen(data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> tuple[object, str]:
    """Decode while standard error leads into memory."""
    if sys.stderr is not None:
        sys.stderr.flush()
    memory, picture = os.memfd_create("libjpeg"), None
    try:
        kept = os.dup(_STDERR)
    except OSError:
        # There is no standard error.
        kept = -1
    try:
        os.dup2(memory, _STDERR)
        with contextlib.suppress(cv2.error):
            picture = cv2.imdecode(data, _FLAGS)
        said = os.pread(memory, _MOST_BYTES, 0)
    finally:
        if kept >= 0:
            os.dup2(kept, _STDERR)
            os.close(kept)
        else:
            os.close(_STDERR)
        os.close(memory)
    return picture, said.decode("utf-8", "replace")
