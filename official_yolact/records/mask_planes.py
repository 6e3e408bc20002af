"""The masks of an image as planes: eight of them in one byte a pixel, which training shows at once."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from official_yolact.images import formats

MASKS = 8
"""Of a plane."""

MAX_BYTES = 3 * formats.MAX_PIXELS
"""Of all planes of an image: what the largest picture holds when it is decoded."""

MAX_ROWS = 1_000_000
"""Of all planes of an image: libpng decodes no more."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ROW_DIFFERENCES = 2


def stack_planes(masks: Sequence[bytes], height: int, width: int) -> bytes:
    """Stack the planes of an image's masks, the first on top.

    Args:
      masks: PNG of each mask: one channel, 0 where the instance is not, as large as the image.
      height: of the image in pixels.
      width: of the image in pixels.

    Returns:
      PNG, one channel of 8 bits: mask 8 p + b is bit b in rows p height to (p + 1) height. Empty if
      there are no masks, or too many for so large an image.
    """
    rows = -(-len(masks) // MASKS) * height
    if not masks or rows > MAX_ROWS or rows * width > MAX_BYTES:
        return b""
    header = struct.pack(">IIBBBBB", width, rows, 8, 0, 0, 0, 0)
    content = b"".join(_compress(masks, height, width))
    chunks = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _compress(masks: Sequence[bytes], height: int, width: int) -> Iterator[bytes]:
    """Compress one plane after the other, each row as its difference to the row above.

    The differences are nearly all zero, and decoding them takes two thirds of the time of OpenCV's choice.
    """
    compressor = zlib.compressobj(9)
    above = np.zeros((1, width), np.uint8)
    for first in range(0, len(masks), MASKS):
        plane = _make_plane(masks[first : first + MASKS], height, width)
        rows = np.full((height, width + 1), _ROW_DIFFERENCES, np.uint8)
        rows[:, 1:] = np.diff(plane, axis=0, prepend=above)
        above = plane[-1:]
        yield compressor.compress(rows.data)
    yield compressor.flush()


def _make_plane(masks: Sequence[bytes], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Set bit b of each byte, uint8 [height, width], where mask b of at most eight is."""
    plane = np.zeros((height, width), np.uint8)
    for bit, mask in enumerate(masks):
        content = np.asarray(cv2.imdecode(np.frombuffer(mask, np.uint8), cv2.IMREAD_GRAYSCALE))
        plane |= np.where(content > 0, np.uint8(1 << bit), np.uint8(0))
    return plane
