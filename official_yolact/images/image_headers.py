"""Names and sizes of image files; no pixel is decoded."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import PIL.Image

from official_yolact.images import image_folders
from official_yolact.images import reading

Size = tuple[int, int]
"""(height, width) in pixels."""

SUFFIXES = image_folders.EXTENSIONS

FAULTS = (OSError, ValueError)
"""What a damaged file, or one that may not be read, raises."""


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
            header = reading.read_header(path)
    except FAULTS as error:
        raise ValueError(
            f"{path}: cannot be read as an image ({error}): replace the file or remove it"
        ) from error
    return header.stored, header.upright


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
