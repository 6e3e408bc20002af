"""The masks of an image as planes: eight of them in one byte a pixel, which training shows at once."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from official_yolact.records import mask_cuts

MASKS = 8
"""Of a plane."""

MAX_PIXELS = 2**25
"""Of all planes of an image: more would cost training more memory than the planes save time."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ROW_DIFFERENCES = 2


def stack_planes(cuts: Sequence[mask_cuts.MaskCut], height: int, width: int) -> bytes:
    """Stack the planes of an image's masks, the first on top.

    Args:
      cuts: of all masks of the image.
      height: of the image in pixels.
      width: of the image in pixels.

    Returns:
      PNG, one channel of 8 bits: mask 8 p + b is bit b in rows p height to (p + 1) height. Empty if
      there are no masks, or too many for so large an image.
    """
    count = -(-len(cuts) // MASKS)
    if not 0 < count * height * width <= MAX_PIXELS:
        return b""
    planes = np.zeros((count, height, width), np.uint8)
    for index, cut in enumerate(cuts):
        content = np.asarray(cv2.imdecode(np.frombuffer(cut.png, np.uint8), cv2.IMREAD_GRAYSCALE))
        rows, columns = content.shape
        place = planes[index // MASKS, cut.top : cut.top + rows, cut.left : cut.left + columns]
        place |= np.where(content > 0, np.uint8(1 << index % MASKS), np.uint8(0))
    return _encode(planes.reshape(-1, width))


def _encode(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode a PNG whose rows are stored as differences to the row above.

    They are nearly all zero, and decoding them takes two thirds of the time of OpenCV's choice.
    """
    height, width = pixels.shape
    rows = np.full((height, width + 1), _ROW_DIFFERENCES, np.uint8)
    rows[:, 1:] = np.diff(pixels, axis=0, prepend=np.zeros((1, width), np.uint8))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
