"""The masks of an image as planes: eight of them in one byte a pixel, which training shows at once."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from official_yolact_runtime.images import formats

MASKS = 8
"""Of a plane."""

MAX_BYTES = 3 * formats.MAX_PIXELS
"""Of all planes of an image: what the largest picture holds when it is decoded."""

MAX_ROWS = 1_000_000
"""Of all planes of an image: libpng decodes no more."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ROW_DIFFERENCES = 2


class Planes:
    """Collects the masks of an image, in the order of its instances."""

    def __init__(self, height: int, width: int) -> None:
        """Begin without masks, for an image of this size in pixels."""
        self._height, self._width = height, width
        self._planes: list[npt.NDArray[np.uint8]] = []
        self._count = 0

    def add(self, mask: npt.NDArray[np.uint8]) -> None:
        """Add a mask, uint8 [height, width] of 0 and 1."""
        plane, bit = divmod(self._count, MASKS)
        self._count += 1
        if not self._fits():
            self._planes.clear()
        elif bit:
            self._planes[plane] |= mask << bit
        else:
            self._planes.append(mask.copy())

    def encode(self) -> bytes:
        """Encode all planes, the first on top.

        Returns:
          PNG, one channel of 8 bits: mask 8 p + b is bit b in rows p height to (p + 1) height. Empty if
          there are no masks, or too many for so large an image.
        """
        if not self._planes:
            return b""
        rows = len(self._planes) * self._height
        header = struct.pack(">IIBBBBB", self._width, rows, 8, 0, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", b"".join(self._compress())), (b"IEND", b""))
        return _SIGNATURE + b"".join(
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in chunks
        )

    def _fits(self) -> bool:
        rows = -(-self._count // MASKS) * self._height
        return rows <= MAX_ROWS and rows * self._width <= MAX_BYTES

    def _compress(self) -> Iterator[bytes]:
        """Compress one plane after the other, each row as its difference to the row above.

        The differences are nearly all zero. Decoding them takes two thirds of the time of OpenCV's choice.
        """
        compressor = zlib.compressobj(9)
        above = np.zeros((1, self._width), np.uint8)
        for plane in self._planes:
            rows = np.full((self._height, self._width + 1), _ROW_DIFFERENCES, np.uint8)
            rows[:, 1:] = np.diff(plane, axis=0, prepend=above)
            above = plane[-1:]
            yield compressor.compress(rows.data)
        yield compressor.flush()
