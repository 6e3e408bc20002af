"""Pictures from outside: files of the accepted formats, upright, RGB, within a size limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from official_yolact_runtime.files import inputs
from official_yolact_runtime.images import deep_pixels
from official_yolact_runtime.images import formats
from official_yolact_runtime.images import reading

_DEEP = 16

Decoder = Callable[[bytes], NDArray[np.uint8]]
"""Makes uint8 RGB [H, W, 3] of the bytes of a JPEG or PNG file, not turned upright."""


def read_image(
    source: str | os.PathLike[str] | bytes | NDArray[Any],
    decode: Decoder,
    size: tuple[int, int] | None = None,
    bit_depth: int = 16,
    on_dark: Callable[[str, int], None] | None = None,
) -> NDArray[np.uint8]:
    """Give a picture as an array.

    JPEG and PNG pass through a given decoder, for decoders differ in their last bits; other
    formats through Pillow. Files are turned upright by their EXIF orientation.

    Args:
      source: path, the bytes of a file, or a uint8 RGB array [H, W, 3], which is given back.
      decode: of JPEG and PNG; what it raises means that the file is damaged.
      size: (height, width) that annotations state; a file that has it as stored and not upright is
        left as stored, for its annotations were made without the orientation.
      bit_depth: bits that the values of a picture of 16 bits a channel fill, of which the upper 8 are kept.
      on_dark: is called with the name and the bits of a picture whose values fill fewer than 16, the depth.

    Returns:
      uint8 RGB [H, W, 3].

    Raises:
      OSError: the file cannot be opened.
      ValueError: no picture that can be read, or too large a one.
    """
    if isinstance(source, np.ndarray):
        return _check_array(source)
    if isinstance(source, bytes):
        return _read(source, f"{len(source)} bytes", decode, size, bit_depth, on_dark)
    name = os.fspath(source)
    try:
        encoded = reading.read_bytes(name)
    except FileNotFoundError:
        raise FileNotFoundError(f"{name}: no such picture{inputs.hint(name)}") from None
    except ValueError as error:
        raise ValueError(f"{name}: not a picture that can be read: {error}") from error
    return _read(encoded, name, decode, size, bit_depth, on_dark)


def _check_array(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"image array is {image.dtype} {list(image.shape)}: expected uint8 RGB [H, W, 3]")
    if image.shape[0] * image.shape[1] > formats.MAX_PIXELS:
        raise ValueError(
            f"image array is {list(image.shape)}: make it smaller,"
            f" at most {formats.MAX_PIXELS} pixels are taken"
        )
    return image


def _read(
    encoded: bytes,
    name: str,
    decode: Decoder,
    size: tuple[int, int] | None,
    bit_depth: int,
    on_dark: Callable[[str, int], None] | None,
) -> NDArray[np.uint8]:
    try:
        picture = reading.open_picture(encoded)
        reading.check_size(picture, encoded)
    except reading.PictureError as error:
        raise ValueError(f"{name}: not a picture that can be read: {error}") from error
    try:
        if picture.format not in formats.JPEGS:
            reading.load(picture)
        # Of a PNG, Pillow decodes all pixels to find EXIF behind them: only after the checks.
        header = reading.describe(picture)
        pixels, bits = _give_pixels(encoded, picture, decode, bit_depth)
    except Exception as error:  # decoders raise errors of many kinds for damaged files
        raise ValueError(f"{name}: damaged {picture.format} file: {_first_line(error)}") from error
    if on_dark and 0 < bits < bit_depth == _DEEP:
        on_dark(name, bits)
    return _turn_upright(pixels, header.orientation) if header.turns(size) else pixels


def _give_pixels(
    encoded: bytes, picture: Image.Image, decode: Decoder, bit_depth: int
) -> tuple[NDArray[np.uint8], int]:
    """Give RGB [H, W, 3], and the bits that a picture of 16 a channel fills, 0 of others."""
    bits = 0
    if deep_pixels.is_deep(picture, encoded):
        reading.load(picture)
        deep = deep_pixels.read(picture, encoded)
        bits = deep_pixels.find_bits(deep)
        if bits > bit_depth:
            raise ValueError(f"its values fill {bits} bits, more than --bit-depth {bit_depth}")
        if bit_depth < _DEEP:
            scaled = Image.fromarray(deep_pixels.to_8_bits(deep, bit_depth))
            return np.asarray(scaled.convert("RGB"), np.uint8), bits
    if picture.format in (*formats.JPEGS, "PNG"):
        return decode(encoded), bits
    return np.asarray(reading.to_8_bits(picture).convert("RGB"), np.uint8), bits


def _turn_upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation 2..8: 5 to 8 exchange rows and columns, then each axis may run back."""
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
