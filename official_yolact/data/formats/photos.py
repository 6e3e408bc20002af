"""Photos that an export of an annotation tool names, in a folder."""

from __future__ import annotations

from collections.abc import Sequence

from official_yolact.images import image_folders
from official_yolact_runtime.files import json_text


def find(where: str, names: Sequence[str], images_dir: str) -> str:
    """Find the photo that an export means.

    Args:
      where: begins each message: the file, the entry and its field.
      names: that the photo may have, the likeliest first.
      images_dir: folder of the photos.

    Returns:
      Its path relative to the folder; empty where there is none.

    Raises:
      OSError: there is no such folder.
      ValueError: a name fits several files.
    """
    folder = image_folders.open_folder(images_dir)
    for name in names:
        match = folder.find(name)
        if match.reason:
            raise ValueError(f"{where} is {json_text.shorten(name)}, which {match.reason}")
        if match.name:
            return match.name
    return ""


def describe_missing(where: str, name: str, images_dir: str) -> str:
    """Write the message of a photo that is not there."""
    return (
        f"{where} is {json_text.shorten(name)}, but there is no such file in {images_dir}: put the image"
        " there, or name the folder of the images with --images"
    )
