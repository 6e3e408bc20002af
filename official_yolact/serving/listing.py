"""From what the user types to sources: files, folders, patterns, lists, standard input, streams, cameras."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any

from official_yolact.evaluation import groundtruth
from official_yolact.images import image_folders
from official_yolact.serving import shots
from official_yolact.serving import sources as sources_lib
from official_yolact.video import kinds
from official_yolact.video import reading as video_reading
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text
from official_yolact_runtime.images import finding
from official_yolact_runtime.images import formats
from official_yolact_runtime.images import reading as picture_reading

STANDARD_INPUT = "-"

_LIST = ".json"
_UNSAFE = re.compile(r"[^\w.-]+")


def find_sources(
    words: Sequence[str], images_dir: str | None = None, standard_input: IO[bytes] | None = None
) -> list[shots.Source]:
    """Find the photos and videos that the user means.

    Args:
      words: files, folders (the photos and videos in them, not in folders below), patterns, JSON lists of
        paths, COCO files, `-`, `camera:0`, and addresses of streams.
      images_dir: folder that the names in JSON lists are relative to; None: that of each list.
      standard_input: is read for `-`: the bytes of one photo, or paths, one a line.

    Returns:
      Sources, in the order of the words, each file once; those of a folder or pattern sorted by name.

    Raises:
      OSError: a word is nothing that exists.
      ValueError: a folder, a pattern or a list has no photo and no video, or an address is of a kind that
        is not read.
    """
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        for one in _expand(word, images_dir, standard_input):
            name = one.get("address", one["name"])
            found.setdefault(name if _has_no_file(one) else os.path.realpath(name), one)
    _refuse_ids_twice(found.values())
    stems = name_stems([one["name"] for one in found.values()])
    return [shots.Source(stem=stem, **one) for stem, one in zip(stems, found.values(), strict=True)]


def describe_unread(words: Iterable[str]) -> list[str]:
    """Say of each folder among the words which picture files in it are not read."""
    return sources_lib.describe_unread(words)


def list_files(sources: Iterable[shots.Source]) -> list[str]:
    """List the files among the sources, which nothing may overwrite."""
    return [one.name for one in sources if one.data is None and not _is_address(one.name)]


def name_stems(names: Sequence[str]) -> list[str]:
    """Give each source the begin of a file name of its own: `photo`, and `photo-2` for the next `photo`."""
    return [os.path.splitext(name)[0] for name in finding.name_outputs([_to_file(name) for name in names])]


def _to_file(name: str) -> str:
    """Give a source that is no file a name that a file could have, with any suffix."""
    if name == STANDARD_INPUT:
        return "stdin.jpg"
    if not _is_address(name):
        return name
    host, *folders = re.sub(r"^[^:]*://(?:[^/@]*@)?", "", name).partition("?")[0].rstrip("/").split("/")
    plain = os.path.splitext(folders[-1])[0] if folders else host
    return f"{_UNSAFE.sub('-', plain).strip('-.') or 'stream'}.jpg"


def _is_address(name: str) -> bool:
    return kinds.find_camera(name) is not None or bool(kinds.find_scheme(name))


def _has_no_file(one: dict[str, Any]) -> bool:
    return one.get("data") is not None or _is_address(one["name"])


def _expand(word: str, images_dir: str | None, standard_input: IO[bytes] | None) -> list[dict[str, Any]]:
    if word == STANDARD_INPUT:
        return _read_standard_input(standard_input)
    if _is_address(word) and not os.path.lexists(word):
        _check_address(word)
        return [{"name": kinds.hide_password(word), "address": word, "is_video": True}]
    if os.path.isdir(word):
        return [_describe(path) for path in _list_folder(word)]
    if word.lower().endswith(_LIST) and os.path.isfile(word):
        return _read_list(word, images_dir)
    return [_describe(path) for path in sources_lib.find_pictures([word])]


def _describe(path: str) -> dict[str, Any]:
    is_video = path.lower().endswith(kinds.EXTENSIONS) or video_reading.is_video(path)
    return {"name": path, "is_video": is_video}


def _list_folder(folder: str) -> list[str]:
    suffixes = (*formats.EXTENSIONS, *kinds.EXTENSIONS)
    names = sorted(name for name in os.listdir(folder) if name.lower().endswith(suffixes))
    if not names:
        unread = image_folders.describe_unread(folder, below=False)
        more = f"; {unread}" if unread else ""
        raise ValueError(
            f"{folder}: holds no picture ({', '.join(formats.EXTENSIONS)}) and no video"
            f" ({', '.join(kinds.EXTENSIONS)}){more}"
        )
    return [os.path.join(folder, name) for name in names]


def _check_address(word: str) -> None:
    scheme = kinds.find_scheme(word)
    if scheme and scheme not in kinds.SCHEMES:
        allowed = ", ".join(f"{known}://" for known in kinds.SCHEMES)
        raise ValueError(f"{word}: {scheme}:// is not read: name a file, camera:0, or a stream of {allowed}")


def _read_list(path: str, images_dir: str | None) -> list[dict[str, Any]]:
    folder = images_dir or os.path.dirname(path) or "."
    content = json_text.load(path, finite=False)
    if isinstance(content, list) and all(isinstance(name, str) for name in content) and content:
        return _describe_named(content, path, lambda name: os.path.join(folder, name))
    if not isinstance(content, dict) or not isinstance(content.get("images"), list) or not content["images"]:
        raise ValueError(
            f"{path}: is no list of pictures: expected a list of paths, or a COCO file with a list of images"
        )
    listed = sources_lib.list_annotated(groundtruth.load_images(path), folder, path)
    return [{"name": one.path, "image_id": one.image_id, "size": one.size} for one in listed]


def _describe_named(names: Iterable[str], where: str, locate: Callable[[str], str]) -> list[dict[str, Any]]:
    found = []
    for at, name in enumerate(names, start=1):
        path = locate(name)
        if not name or "\0" in name or not os.path.isfile(path):
            raise ValueError(f"{where}: name {at} is {name!r}: there is no such file{inputs.hint(path)}")
        found.append(_describe(path))
    return found


def _read_standard_input(standard_input: IO[bytes] | None) -> list[dict[str, Any]]:
    data = standard_input.read(formats.MAX_FILE_BYTES + 1) if standard_input else b""
    if len(data) > formats.MAX_FILE_BYTES:
        raise ValueError(f"-: standard input has more than {formats.MAX_FILE_BYTES} bytes: name a file")
    if kinds.is_video(data):
        raise ValueError("-: standard input is a video, which is read from a file alone: name the file")
    if _is_picture(data):
        return [{"name": STANDARD_INPUT, "data": data}]
    names = [line for line in inputs.decode(data, "-", "paths or a picture").splitlines() if line.strip()]
    if not names:
        raise ValueError(
            "-: standard input is empty: write paths to it, one a line, or the bytes of a picture"
        )
    return _describe_named(names, "-: standard input", lambda name: name)


def _is_picture(data: bytes) -> bool:
    try:
        picture_reading.open_picture(data)
    except ValueError:
        return False
    return True


def _refuse_ids_twice(found: Iterable[dict[str, Any]]) -> None:
    """Refuse COCO files of which two have a picture with the same id."""
    owner: dict[int, str] = {}
    for one in found:
        image_id = one.get("image_id")
        if image_id is None:
            continue
        if image_id in owner:
            raise ValueError(
                f"{one['name']}: has image id {image_id}, as {owner[image_id]} has by another list: predict"
                " one list after the other"
            )
        owner[image_id] = one["name"]
