"""The guarded opener of pictures: no special file, no foreign decoder, no size without data."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import reprlib
import warnings
import zlib
from typing import IO

import numpy as np
import PIL.Image

from official_yolact_runtime.files import inputs
from official_yolact_runtime.images import formats

UNREADABLE = "unreadable"
TRUNCATED = "truncated"
TOO_LARGE = "too_large"

_ORIENTATION_TAG = 0x0112
_TILE_TAGS = (322, 323)
_MOST_OF_DEFLATE = 1032
"""Source: zlib's technical notes, the highest ratio of compression."""
_SLACK = 1 << 16
# A block of 64 pixels takes at least a bit; at most 4 blocks share one by sampling.
_MOST_OF_HUFFMAN = 8 * 64 * 4
_HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_NO_LENGTH = (0x01, 0xD8)
_SCAN, _END = 0xDA, 0xD9


class PictureError(ValueError):
    """A file that is no usable picture; the message says why, without the file's name.

    Attributes:
      state: `unreadable`, `truncated` or `too_large`.
    """

    def __init__(self, state: str, message: str) -> None:
        super().__init__(message)
        self.state = state

    def __reduce__(self) -> tuple[type[PictureError], tuple[str, str]]:
        # Pickle would call the class with the message alone.
        return type(self), (self.state, str(self))


@dataclasses.dataclass(frozen=True)
class Header:
    """What a picture's header says.

    Attributes:
      stored: (height, width) in pixels as stored.
      orientation: EXIF's, 1 to 8; 1 is upright.
    """

    stored: tuple[int, int]
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) after turning by the orientation."""
        return self.stored[::-1] if self.orientation >= 5 else self.stored

    def turns(self, stated: tuple[int, int] | None) -> bool:
        """Check whether the picture has to be turned upright.

        Args:
          stated: the (height, width) that annotations state. Where it fits the picture as stored alone, they
            were made without the orientation.
        """
        return self.orientation != 1 and (stated in (None, self.upright) or stated != self.stored)


def open_file(path: str) -> IO[bytes]:
    """Open a file for reading, as `inputs.open_input` does.

    Args:
      path: the file, or a link to it.

    Raises:
      OSError: it does not exist, may not be read, or is a folder, pipe, socket or device; named.
      PictureError: it is too large.
    """
    file = inputs.open_input(path)
    if os.fstat(file.fileno()).st_size > formats.MAX_FILE_BYTES:
        file.close()
        raise PictureError(TOO_LARGE, f"more than {formats.MAX_FILE_BYTES} bytes")
    return file


def read_bytes(path: str) -> bytes:
    """Read a whole file: as `open_file`."""
    with open_file(path) as file:
        # Python reserves at once what it is told to read at most.
        return file.read(min(os.fstat(file.fileno()).st_size, formats.MAX_FILE_BYTES))


def open_picture(source: bytes | IO[bytes], accepted: tuple[str, ...] = formats.FORMATS) -> PIL.Image.Image:
    """Open a picture without decoding it or judging its size.

    Args:
      source: all bytes of a file, or an open one.
      accepted: formats.

    Raises:
      PictureError: it is none, or its header is damaged.
    """
    try:
        return PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=accepted)
    except PIL.UnidentifiedImageError:
        raise PictureError(UNREADABLE, _describe_unknown(source, accepted)) from None
    except PIL.Image.DecompressionBombError as error:
        raise PictureError(TOO_LARGE, _one_line(error)) from error
    except Exception as error:  # Pillow's plug-ins raise whatever their format meets
        raise PictureError(UNREADABLE, _one_line(error)) from error


def check_size(
    picture: PIL.Image.Image, data: bytes | None = None, max_pixels: int = formats.MAX_PIXELS
) -> None:
    """Refuse a picture that would take too much memory or time to decode.

    Args:
      picture: as `open_picture` returns it.
      data: all bytes of its file; without them only the size is judged.
      max_pixels: larger ones are refused.

    Raises:
      PictureError: too large, more scans than any use has, or a size that the data cannot fill.
    """
    width, height = picture.size
    pixels = width * height
    if pixels > max_pixels:
        raise PictureError(TOO_LARGE, f"{width}x{height} pixels are more than {max_pixels}")
    _check_tiles(picture)
    if data is None:
        return
    claim = f"its header claims {width}x{height} pixels, which {len(data)} bytes cannot hold"
    if picture.format == "PNG" and pixels // 8 > _MOST_OF_DEFLATE * len(data) + _SLACK:
        raise PictureError(TRUNCATED, claim)
    if picture.format in formats.JPEGS:
        scans, is_huffman = _survey_jpeg(data)
        if is_huffman and pixels > _MOST_OF_HUFFMAN * len(data) + _SLACK:
            raise PictureError(TRUNCATED, claim)
        if scans > 1 and scans * pixels > formats.MAX_SCAN_PIXELS:
            raise PictureError(
                UNREADABLE,
                f"its {width}x{height} pixels come in {scans} scans, and scans times pixels are more than"
                f" {formats.MAX_SCAN_PIXELS}: save it anew",
            )


def load(picture: PIL.Image.Image) -> None:
    """Decode the pixels.

    Raises:
      PictureError: the data are damaged or cut off.
    """
    try:
        picture.load()
    except Exception as error:  # decoders raise errors of many kinds for damaged files
        cut = "truncated" in str(error) or isinstance(error, EOFError)
        raise PictureError(TRUNCATED if cut else UNREADABLE, _one_line(error)) from error


def find_orientation(picture: PIL.Image.Image) -> int:
    """Find the EXIF orientation, 1 to 8; 1, upright, where the EXIF data are damaged.

    Args:
      picture: as `open_picture` returns it; it is not decoded.
    """
    try:
        found = _read_exif(picture).get(_ORIENTATION_TAG, 1)
    except Exception:  # as in `load`
        return 1
    return found if isinstance(found, int) and found in range(1, 9) else 1


def _read_exif(picture: PIL.Image.Image) -> PIL.Image.Exif:
    """Read EXIF data; of a PNG, which Pillow would decode for that, from its chunks alone."""
    file = getattr(picture, "fp", None)
    if picture.format != "PNG" or "exif" in picture.info or not getattr(picture, "tile", ()) or file is None:
        return picture.getexif()
    at = file.tell()
    try:
        chunks = _gather_chunks(file)
    finally:
        file.seek(at)
    with PIL.Image.open(io.BytesIO(_ONE_PIXEL + chunks), formats=("PNG",)) as small:
        return small.getexif()


def _gather_chunks(file: IO[bytes]) -> bytes:
    """Copy the chunks of a PNG that may hold EXIF data, which may come after the pixels."""
    found, position = [], file.seek(len(_PNG_START))
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        size = int.from_bytes(head[:4], "big") + 4  # with the checksum
        if head[4:] in _PNG_WORDS:
            found.append(head + file.read(size))
        position = file.seek(position + 8 + size)
    return b"".join([*found, _make_chunk(b"IEND", b"")])


def _make_chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_WORDS = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")
"""Chunks with EXIF data, or with text that may be EXIF data or XMP."""

_ONE_PIXEL = (
    _PNG_START
    + _make_chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")
    + _make_chunk(b"IDAT", zlib.compress(b"\0\0"))
)


def to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Give a decoded picture 8 bits a channel, grey or RGB.

    Raises:
      ValueError: its pixels are floating-point numbers.
    """
    if picture.mode == "F":
        raise ValueError("floating-point pixels: save it with 8 bits a channel")
    if picture.mode.startswith("I"):
        # `convert` would saturate; TensorFlow takes the high byte of 16.
        return PIL.Image.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")


def decode(data: bytes, max_pixels: int = formats.MAX_PIXELS) -> PIL.Image.Image:
    """Open, judge and decode a picture.

    Args:
      data: all bytes of a file.
      max_pixels: larger ones are refused.

    Returns:
      The picture, decoded.

    Raises:
      PictureError: it cannot be used.
    """
    picture = open_picture(data)
    check_size(picture, data, max_pixels)
    load(picture)
    return picture


def describe(picture: PIL.Image.Image) -> Header:
    """Read the size and the orientation of a picture as `open_picture` returns it."""
    return Header((picture.height, picture.width), find_orientation(picture))


def read_header(path: str, cure: str = "replace the file or remove the image", where: str = "") -> Header:
    """Read the size of a picture; its pixels are not decoded.

    Args:
      path: the file.
      cure: ends each message.
      where: begins each message, such as `annotations.json: image 7: `.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no picture, too large, or cannot be opened.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{where}{path}: no such image: {cure}")
    try:
        with warnings.catch_warnings():
            # Large pictures are refused below.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with open_file(path) as file, open_picture(file) as picture:
                check_size(picture)
                return describe(picture)
    except (OSError, ValueError) as error:
        raise ValueError(f"{where}{path}: cannot be read as an image ({error}): {cure}") from error


def _describe_unknown(source: bytes | IO[bytes], accepted: tuple[str, ...]) -> str:
    if isinstance(source, bytes):
        first = source[:8]
    else:
        source.seek(0)
        first = source.read(8)
    if not first:
        return "empty file"
    if first[4:] == b"ftyp":
        return "no known image format, but HEIC or AVIF, which are not read: save it as JPEG or PNG"
    return f"no known image format, which are {', '.join(accepted)}; it begins with {first!r}"


def _check_tiles(picture: PIL.Image.Image) -> None:
    """Refuse a TIFF whose tiles are larger than any picture, or of no size: one is decoded as a whole."""
    tags = getattr(picture, "tag_v2", None)
    if tags is None:
        return
    try:
        width, height = (tags.get(tag, 1) for tag in _TILE_TAGS)
    except Exception as error:  # a tag is read when it is asked for, and may be damaged in any way
        raise PictureError(UNREADABLE, f"the size of its tiles cannot be read: {_one_line(error)}") from error
    if not all(type(side) is int and side >= 1 for side in (width, height)):
        shown = " x ".join(reprlib.repr(side) for side in (width, height))
        raise PictureError(UNREADABLE, f"the size of its tiles is {shown}, which are no pixels")
    if width * height > formats.MAX_PIXELS:
        raise PictureError(
            TOO_LARGE, f"its tiles of {width}x{height} pixels are more than {formats.MAX_PIXELS}"
        )


def _survey_jpeg(data: bytes) -> tuple[int, bool]:
    """Count the scans of a JPEG by its markers; check whether its codes are Huffman's."""
    scans, is_huffman, position = 0, False, 2
    while (found := _MARKER.search(data, position)) is not None:
        marker, position = data[found.end() - 1], found.end()
        if marker == _END:
            break
        if marker in _NO_LENGTH:
            continue
        scans += marker == _SCAN
        is_huffman |= marker in _HUFFMAN_FRAMES
        position += int.from_bytes(data[position : position + 2], "big")
    return scans, is_huffman


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
