"""Image files into what a record holds: upright JPEG or PNG that TensorFlow decodes."""

from __future__ import annotations

import dataclasses
import io
import os
import struct

import numpy as np
import PIL.Image
import PIL.ImageOps

from official_yolact.data import coco_json

MAX_PIXELS = 50_000_000
"""Larger images are refused before they are decoded: a few kilobytes can claim gigabytes."""

JPEG_QUALITY = 95

_ORIENTATION_TAG = 0x0112
_KEPT_FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}


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


def locate(image: coco_json.Image, images_dir: str, where: str) -> str:
    """Find an image's file inside the image folder.

    Args:
      image: names the file, relative to the folder.
      images_dir: the folder.
      where: begins each error message.

    Returns:
      The path.

    Raises:
      ValueError: the name leads out of the folder, or there is no such file.
    """
    path = os.path.join(images_dir, image.file_name)
    root = os.path.realpath(images_dir)
    if os.path.isabs(image.file_name) or os.path.commonpath([root, os.path.realpath(path)]) != root:
        raise ValueError(
            f"{where}: file_name is {image.file_name!r}, which leads out of {images_dir}:"
            " name files relative to the image folder"
        )
    if not os.path.isfile(path):
        raise ValueError(
            f"{where}: file_name is {image.file_name!r}, but there is no file {path}:"
            " check the image folder and the name"
        )
    return path


def read(path: str, height: int | None, width: int | None, where: str) -> EncodedImage:
    """Read an image file, turned upright by its EXIF orientation.

    The size that the annotations state decides: when it fits the file as it is stored and not as it
    is to be shown, the annotations were made without the orientation, and the pixels stay as stored.

    Args:
      path: the file.
      height: that the annotations state, or None.
      width: that the annotations state, or None.
      where: begins each error message.

    Returns:
      The bytes as they are when they are an upright JPEG or PNG, otherwise encoded anew.

    Raises:
      ValueError: the file is no readable image, is too large, or its size is not the stated one.
    """
    with open(path, "rb") as file:
        data = file.read()
    picture = _decode(data, path, where)
    stored = (picture.height, picture.width)
    orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
    turn = orientation in range(2, 9)
    upright = stored[::-1] if orientation in range(5, 9) else stored
    stated = (height or upright[0], width or upright[1])
    changes: tuple[str, ...] = ()
    if stated != upright:
        if stated != stored:
            raise ValueError(
                f"{where}: height and width are {stated[0]} and {stated[1]}, but {path} has"
                f" {upright[0]} and {upright[1]}: annotations and images do not belong together"
            )
        turn, changes = False, ("orientation_ignored",)
    name = _KEPT_FORMATS.get(picture.format or "")
    if name and not turn:
        return EncodedImage(data, name, *stored, changes)
    changes += ("images_turned",) if turn else ()
    changes += () if name else ("images_transcoded",)
    if turn:
        picture = PIL.ImageOps.exif_transpose(picture)
    return _encode(picture, name or "png", changes, where)


def _decode(data: bytes, path: str, where: str) -> PIL.Image.Image:
    try:
        picture = PIL.Image.open(io.BytesIO(data))
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"{picture.width}x{picture.height} pixels are more than {MAX_PIXELS}")
        picture.load()
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        PIL.Image.DecompressionBombError,
    ) as error:
        reason = "empty file" if not data else str(error).replace("\n", " ")
        if isinstance(error, PIL.UnidentifiedImageError):
            reason = reason if not data else f"no known image format; it begins with {data[:8]!r}"
        raise ValueError(
            f"{where}: {path} cannot be read as an image ({reason}): replace the file or remove the image"
        ) from error
    return picture


def _encode(picture: PIL.Image.Image, name: str, changes: tuple[str, ...], where: str) -> EncodedImage:
    if picture.mode == "F":
        raise ValueError(f"{where}: the image has floating-point pixels: save it with 8 bits a channel")
    if picture.mode.startswith("I"):
        # `convert` would saturate; TensorFlow takes the high byte of 16.
        picture = PIL.Image.fromarray(
            (np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        )
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    buffer = io.BytesIO()
    if name == "jpeg":
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    else:
        picture.save(buffer, "PNG")
    return EncodedImage(buffer.getvalue(), name, picture.height, picture.width, changes)
