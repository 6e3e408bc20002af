"""Pictures of 16 bits a channel, of which cameras often use 10 to 14: what they hold, and in 8 bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import PIL.Image

from official_yolact.images import formats

_PNG_DEPTH_AT = 24
_BITS_OF_TIFF = 258
_SINGLE = ("I;16", "I;16B", "I;16L")


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
    import cv2  # noqa: PLC0415  Pillow keeps 8 bits of colours

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("its 16 bits a channel cannot be decoded: save it with 8 bits a channel")
    return np.ascontiguousarray(pixels[..., 2::-1]) if pixels.ndim == 3 else pixels


def find_bits(pixels: npt.NDArray[np.uint16]) -> int:
    """Find the smallest of `formats.DEPTHS` that holds all values."""
    most = int(pixels.max(initial=0))
    return next(bits for bits in formats.DEPTHS if most < 1 << bits)


def to_8_bits(pixels: npt.NDArray[np.uint16], bits: int) -> npt.NDArray[np.uint8]:
    """Keep the upper 8 of so many bits, which hold all values."""
    return (pixels >> (bits - 8)).astype(np.uint8)
