"""Names and sizes of image files; no pixel is decoded."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator

import PIL.Image

from official_yolact.data import image_files

Size = tuple[int, int]
"""(height, width) in pixels."""

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_ORIENTATION_TAG = 0x0112
_ON_THEIR_SIDE = range(5, 9)

FAULTS = (OSError, ValueError, SyntaxError, EOFError, struct.error, PIL.Image.DecompressionBombError)
"""What Pillow raises on a damaged file."""


def read_sizes(path: str) -> tuple[Size, Size]:
    """Read the size of an image as its file stores it, and upright by its EXIF orientation.

    Args:
      path: the image.

    Returns:
      The two sizes; they are equal unless the orientation lays the image on its side.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no image, or larger than is ever decoded.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such image: put it there, or remove its annotations")
    try:
        with warnings.catch_warnings():
            # Large images are refused below.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            picture = PIL.Image.open(path)
        with picture:
            stored = picture.height, picture.width
            orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
    except FAULTS as error:
        reason = str(error).replace("\n", " ")
        raise ValueError(
            f"{path}: cannot be read as an image ({reason}): replace the file or remove it"
        ) from error
    if stored[0] * stored[1] > image_files.MAX_PIXELS:
        raise ValueError(
            f"{path}: {stored[0]}x{stored[1]} pixels (height x width) are more than"
            f" {image_files.MAX_PIXELS}: make the image smaller"
        )
    return stored, stored[::-1] if orientation in _ON_THEIR_SIDE else stored


def find_files(folder: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """List files below a folder by suffix, in any case of letters.

    Args:
      folder: is searched with all its folders, save hidden ones; links to folders are not followed.
      suffixes: in lower case, with the dot.

    Returns:
      Paths relative to the folder, with forward slashes, sorted.

    Raises:
      NotADirectoryError: there is no such folder.
      ValueError: a file is a link that leads out of the folder.
    """
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"{folder}: no such folder")
    found = sorted(name for name in _walk(folder) if name.lower().endswith(suffixes))
    for name in found:
        refuse_outside(os.path.join(folder, name), folder)
    return found


def refuse_outside(path: str, folder: str) -> None:
    """Refuse a link to a file elsewhere.

    Raises:
      ValueError: the path is a link that leads out of the folder.
    """
    if os.path.islink(path) and not is_inside(path, folder):
        raise ValueError(f"{path}: a link that leads out of {folder}: put the file itself there")


def is_inside(path: str, folder: str) -> bool:
    """Tell whether a path lies in a folder once links are followed."""
    root = os.path.realpath(folder)
    return os.path.commonpath([root, os.path.realpath(path)]) == root


def _walk(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
