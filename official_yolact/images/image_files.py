"""Image files into what a record holds: upright JPEG or PNG of 8 bits that TensorFlow decodes."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Mapping

import PIL.Image
import PIL.ImageOps

from official_yolact.coco import annotations as coco_annotations
from official_yolact.images import image_folders
from official_yolact.images import jpeg_warnings
from official_yolact_runtime.images import deep_pixels
from official_yolact_runtime.images import formats
from official_yolact_runtime.images import reading

MAX_PIXELS = formats.MAX_PIXELS

JPEG_QUALITY = 95

_KEPT_FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}
_KEPT_MODES = ("L", "LA", "RGB", "RGBA", "1")
_DEEP = 16
_ORIENTATION_TAG = 0x0112


class BadImageError(ValueError):
    """An image that cannot be used; the message names it, `reason` is a word such as `image_missing`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadImageError], tuple[str, str]]:
        # Pickle would call the class with the message alone.
        return type(self), (self.reason, str(self))


@dataclasses.dataclass(frozen=True)
class EncodedImage:
    """An image as it goes into a record.

    Attributes:
      data: the file's bytes, or a new encoding.
      format: `jpeg` or `png`, what the bytes are.
      height: in pixels, of the decoded bytes.
      width: in pixels, of the decoded bytes.
      changes: what was done or left undone, as names to count.
    """

    data: bytes
    format: str
    height: int
    width: int
    changes: tuple[str, ...] = ()


def locate(image: coco_annotations.Image, images_dir: str, where: str) -> str:
    """Find an image's file inside the image folder, by the rule of `image_folders`.

    Args:
      image: names the file, relative to the folder.
      images_dir: the folder.
      where: begins each error message.

    Returns:
      The path.

    Raises:
      BadImageError: the name leads out of the folder, or there is no such file.
    """
    match = image_folders.open_folder(images_dir).find(image.file_name)
    if match.name:
        return os.path.join(images_dir, match.name)
    if match.is_outside:
        raise BadImageError(
            "image_outside_folder",
            f"{where}: file_name is {image.file_name!r}, which leads out of {images_dir}:"
            " name files relative to the image folder",
        )
    more = f" ({match.reason})" if match.reason else ""
    raise BadImageError(
        "image_missing",
        f"{where}: file_name is {image.file_name!r}, but there is no file"
        f" {os.path.join(images_dir, image.file_name)}{more}: check the image folder and the name",
    )


def read(
    path: str,
    height: int | None,
    width: int | None,
    where: str,
    max_pixels: int = MAX_PIXELS,
    bit_depth: int = 16,
) -> EncodedImage:
    """Read an image file, turned upright by its EXIF orientation.

    The size that the annotations state decides: when it fits the file as it is stored and not as it
    is to be shown, the annotations were made without the orientation, and the pixels stay as stored.

    Args:
      path: the file.
      height: that the annotations state, or None.
      width: that the annotations state, or None.
      where: begins each error message.
      max_pixels: larger images are refused.
      bit_depth: of a picture of 16 bits a channel, so many are used, of which the upper 8 are kept.

    Returns:
      The bytes as they are when they are an upright JPEG or PNG of 8 bits without palette and ink
      colours, otherwise encoded anew.

    Raises:
      BadImageError: the file is no readable image, is damaged or too large, or its size is not the
        stated one.
    """
    data, picture = _decode(path, where, max_pixels)
    header = reading.describe(picture)
    upright = header.upright
    stated = (height or upright[0], width or upright[1])
    if stated not in (upright, header.stored):
        raise BadImageError(
            "image_of_another_size",
            f"{where}: height and width are {stated[0]} and {stated[1]}, but {path} has"
            f" {upright[0]} and {upright[1]}: annotations and images do not belong together",
        )
    turn = header.turns(stated)
    changes: tuple[str, ...] = () if stated == upright else ("orientation_ignored",)
    name = _KEPT_FORMATS.get(picture.format or "", "")
    keep = is_kept(picture, data)
    if keep and not turn:
        return EncodedImage(data, name, *header.stored, changes)
    changes += ("images_turned",) if turn else ()
    changes += () if keep else ("images_transcoded",)
    try:
        picture, bits = _find_used_bits(picture, data, bit_depth, header.orientation)
        if bits > bit_depth:
            raise ValueError(f"its values fill {bits} bits, more than --bit-depth {bit_depth}: choose {bits}")
        changes += (f"images_of_{bits}_bits_in_16",) if 0 < bits < bit_depth == _DEEP else ()
        changes += ("images_scaled_to_the_bit_depth",) if bits and bit_depth < _DEEP else ()
        upright_picture = PIL.ImageOps.exif_transpose(picture) if turn else picture
        return _encode(upright_picture, name or "png", changes)
    except Exception as error:  # as decoders, whatever the format meets
        raise BadImageError(
            "image_unreadable",
            f"{where}: {path} cannot be converted ({error}): save it as JPEG or PNG with 8 bits a channel",
        ) from error


def _decode(path: str, where: str, max_pixels: int) -> tuple[bytes, PIL.Image.Image]:
    reason = "image_unreadable"
    try:
        data = reading.read_bytes(path)
        picture = reading.decode(data, max_pixels)
        fault = jpeg_warnings.find(data) if picture.format in formats.JPEGS else ""
        if fault:
            reason = "image_damaged"
            raise ValueError(fault)
    except FileNotFoundError as error:
        raise BadImageError(
            "image_missing", f"{where}: there is no file {path}: check the image folder and the name"
        ) from error
    except (OSError, ValueError) as error:
        if isinstance(error, reading.PictureError) and error.state == reading.TOO_LARGE:
            reason = "image_too_large"
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadImageError(
            reason,
            f"{where}: {path} cannot be read as an image ({text}): replace the file, remove the image, or"
            " choose --bad-images skip",
        ) from error
    return data, picture


def _find_used_bits(
    picture: PIL.Image.Image, data: bytes, bit_depth: int, orientation: int
) -> tuple[PIL.Image.Image, int]:
    """Find how many bits a picture of 16 uses, 0 for others, and scale it where the bit depth is less."""
    if not deep_pixels.is_deep(picture, data):
        return picture, 0
    pixels = deep_pixels.read(picture, data)
    bits = deep_pixels.find_bits(pixels)
    if bit_depth == _DEEP or bits > bit_depth:
        return picture, bits
    scaled = PIL.Image.fromarray(deep_pixels.to_8_bits(pixels, bit_depth))
    scaled.getexif()[_ORIENTATION_TAG] = orientation
    return scaled, bits


def is_kept(picture: PIL.Image.Image, data: bytes) -> bool:
    """Check whether a record can hold the bytes of an upright picture as they are."""
    is_usual = picture.format in _KEPT_FORMATS and picture.mode in _KEPT_MODES
    return is_usual and not deep_pixels.is_deep(picture, data)


def describe_depth(changed: Mapping[str, int], bit_depth: int, doing: str) -> list[str]:
    """Say with which bit depth images of 16 bits are stored, or with which they would not be dark.

    Args:
      changed: number of images by the `changes` of `EncodedImage`.
      bit_depth: with which they were read.
      doing: what the command does with the images, such as `convert`.
    """
    if scaled := changed.get("images_scaled_to_the_bit_depth"):
        return [
            f"{scaled} images of 16 bits a channel are stored with --bit-depth {bit_depth}: predict and"
            " evaluate with it too"
        ]
    counts = {bits: changed.get(f"images_of_{bits}_bits_in_16", 0) for bits in formats.DEPTHS}
    most = max((bits for bits, count in counts.items() if count), default=0)
    if not most:
        return []
    return [
        f"{sum(counts.values())} images of 16 bits a channel fill at most {most} of them and are stored as"
        f" dark as that: {doing} with --bit-depth {most}, and predict and evaluate with it too"
    ]


def encode(picture: PIL.Image.Image, name: str) -> bytes:
    """Encode a picture of 8 bits as `jpeg`, of high quality and with all of its colours, or as `png`."""
    buffer = io.BytesIO()
    if name == "jpeg":
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    else:
        picture.save(buffer, "PNG")
    return buffer.getvalue()


def _encode(picture: PIL.Image.Image, name: str, changes: tuple[str, ...]) -> EncodedImage:
    picture = reading.to_8_bits(picture)
    return EncodedImage(encode(picture, name), name, picture.height, picture.width, changes)
