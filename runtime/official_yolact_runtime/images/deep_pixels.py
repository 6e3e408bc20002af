"""Pictures of 16 bits a channel, of which cameras often use 10 to 14: what they hold, and in 8 bits."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from official_yolact_runtime.images import formats
from official_yolact_runtime.images import reading

_PNG_DEPTH_AT = 24
_PNG_GREY_ALPHA = 4
_BITS_OF_TIFF = 258
_SINGLE = ("I;16", "I;16B", "I;16L")
_OTHER = "B" if sys.byteorder == "little" else "L"
_LOWER = {
    f"{channels};16{order}": f"{channels};16{lower}"
    for channels in ("RGB", "RGBA", "RGBX")
    for order, lower in (("L", "B"), ("B", "L"), ("N", _OTHER))
}
"""Pillow's raw modes of 16 bits a channel, and those that read the lower byte of each value instead."""
_UNDECODED = "its 16 bits a channel cannot be decoded: save it with 8 bits a channel"


def is_deep(picture: PIL.Image.Image, data: bytes) -> bool:
    """Check whether a picture has 16 bits a channel.

    Args:
      picture: as `reading.open_picture` returns it.
      data: all bytes of its file.
    """
    if picture.format == "PNG":
        return data[_PNG_DEPTH_AT : _PNG_DEPTH_AT + 1] == b"\x10"
    if picture.format != "TIFF" or picture.mode == "F":
        return False
    try:
        bits = getattr(picture, "tag_v2", {}).get(_BITS_OF_TIFF)
    except Exception:  # a tag is read when it is asked for, and may be damaged in any way
        return False
    return isinstance(bits, tuple) and set(bits) == {16}


def read(picture: PIL.Image.Image, data: bytes) -> npt.NDArray[np.uint16]:
    """Read the values of a picture for which `is_deep` holds, and which was judged and decoded.

    Returns:
      uint16 [H, W] grey or [H, W, 3] RGB, not turned upright; without alpha.

    Raises:
      ValueError: it cannot be decoded.
    """
    if picture.mode in _SINGLE:
        return np.asarray(picture).astype(np.uint16)
    if picture.format == "PNG" and data[_PNG_DEPTH_AT + 1] == _PNG_GREY_ALPHA:
        four = np.asarray(_decode_again(_as_bytes(data), "PNG"), np.uint16)  # [H, W, 4]
        return np.repeat((four[..., :1] << 8 | four[..., 1:2]).astype(np.uint16), 3, axis=2)
    high = np.asarray(picture, np.uint16)[..., :3]
    low = np.asarray(_decode_again(data, picture.format, _LOWER), np.uint16)[..., :3]
    return (high << 8 | low).astype(np.uint16)


def _decode_again(data: bytes, kind: str | None, order: Mapping[str, str] | None = None) -> Any:
    """Decode a file with its two bytes of a value in another order: Pillow keeps the first of two."""
    try:
        again: Any = reading.open_picture(data, (kind or "",))
        if order is not None:
            again.tile = [_change_order(tile, order) for tile in again.tile]
        again.load()
    except Exception as error:  # plug-ins raise whatever their format meets
        raise ValueError(_UNDECODED) from error
    return again


def _change_order(tile: Any, order: Mapping[str, str]) -> Any:
    args = tile.args
    if isinstance(args, tuple):
        return tile._replace(args=(order[args[0]], *args[1:]))
    return tile._replace(args=order[args])


def _as_bytes(data: bytes) -> bytes:
    """Make a PNG of grey and alpha of 16 bits one of four channels of 8: another header, the same bytes."""
    header = data[12:24] + b"\x08\x06" + data[26:29]
    return data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]


def find_bits(pixels: npt.NDArray[np.uint16]) -> int:
    """Find the smallest of `formats.DEPTHS` that holds all values."""
    most = int(pixels.max(initial=0))
    return next(bits for bits in formats.DEPTHS if most < 1 << bits)


def to_8_bits(pixels: npt.NDArray[np.uint16], bits: int) -> npt.NDArray[np.uint8]:
    """Keep the upper 8 of so many bits, which hold all values."""
    return (pixels >> (bits - 8)).astype(np.uint8)
