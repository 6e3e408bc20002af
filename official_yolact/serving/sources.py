"""What `yolact predict` and `yolact eval` read: files, folders, globs, lists of images."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any

from official_yolact.images import image_folders
from official_yolact_runtime.files import inputs
from official_yolact_runtime.images import finding


@dataclasses.dataclass(frozen=True)
class ListedImage:
    """A picture with the id that its annotation file gives it.

    Attributes:
      image_id: the id.
      path: the file.
      size: (height, width) in pixels that the annotation file states, if it does.
    """

    image_id: int
    path: str
    size: tuple[int, int] | None = None


def find_pictures(sources: Iterable[str]) -> list[str]:
    """Find the picture files that sources mean.

    Args:
      sources: files, folders (the pictures in them, not in folders below) and glob patterns.

    Returns:
      Paths, in the order of the sources, each once; those of a folder or pattern sorted by name.

    Raises:
      OSError: a source is nothing that exists.
      ValueError: a folder or a pattern holds no picture.
    """
    return finding.find_pictures(sources, _explain)


def describe_unread(sources: Iterable[str]) -> list[str]:
    """Say of each folder among the sources which picture files in it are not read."""
    folders = (source for source in sources if os.path.isdir(source))
    return list(filter(None, (image_folders.describe_unread(folder, below=False) for folder in folders)))


def list_annotated(images: dict[int, dict[str, Any]], folder: str, path: str) -> list[ListedImage]:
    """Find the files of an annotation file's images.

    Args:
      images: image id -> entry with `file_name`.
      folder: where the files are.
      path: the annotation file, for messages.

    Raises:
      OSError: the folder or a file does not exist.
      ValueError: a file name is missing or leads out of the folder.
    """
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{folder}: no such folder of images{inputs.hint(folder)}")
    listed = [
        ListedImage(image_id, _locate(image_id, image, folder, path), _stated_size(image))
        for image_id, image in images.items()
    ]
    missing = [one for one in listed if not os.path.isfile(one.path)]
    if missing:
        names = [str(image["file_name"]) for image in images.values()]
        gone = {one.image_id for one in missing}
        hint = image_folders.suggest(
            folder,
            names,
            [
                ("", "") if image_id in gone else (name, "")
                for image_id, name in zip(images, names, strict=True)
            ],
        )
        others = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise FileNotFoundError(
            f"{missing[0].path}: no such file, but {path} lists it as image {missing[0].image_id}{others}: "
            + (hint or "name the folder that the file names are relative to")
        )
    return listed


def count_shared(listed: Sequence[ListedImage]) -> int:
    """Count the images whose file is that of another one, too."""
    counts = collections.Counter(os.path.normpath(one.path) for one in listed)
    return sum(count for count in counts.values() if count > 1)


def _explain(folder: str) -> str:
    return image_folders.describe_unread(folder, below=False)


def _locate(image_id: int, image: dict[str, Any], folder: str, path: str) -> str:
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{path}: image {image_id} has file_name {name!r}: expected the name of a file")
    match = image_folders.open_folder(folder).find(name)
    if match.is_outside:
        raise ValueError(
            f"{path}: image {image_id} has file_name {name!r}, which leads out of {folder}: "
            "name files relative to the folder of images"
        )
    if match.reason:
        raise ValueError(f"{path}: image {image_id} has file_name {name!r}, which {match.reason}")
    return os.path.join(folder, match.name or name)


def _stated_size(image: dict[str, Any]) -> tuple[int, int] | None:
    height, width = image.get("height"), image.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
