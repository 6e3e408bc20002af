"""COCO 2017: downloaded and unpacked, or found in a folder, and converted for the COCO recipes."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence

from official_yolact.data.sets import archives
from official_yolact.files import downloads
from official_yolact.files import storage
from official_yolact.records import manifest as manifest_lib
from official_yolact_runtime.files import json_text

BASE_URL = "http://images.cocodataset.org"

SPLITS = ("train", "val")

SUMS_FILE = "checksums.json"
"""Beside the archives: what was downloaded, from where, with its sha256."""

Progress = Callable[[int, int], None]
MakeProgress = Callable[[str], Progress]
"""Makes the progress display of what it names: `MB of train2017.zip`."""

_ANNOTATIONS = "annotations"
_FOLDERS = ("", "images")
_ROOM_FOR_RECORDS = 1.2


@dataclasses.dataclass(frozen=True)
class Archive:
    """A published file.

    Attributes:
      path: below the base address.
      sha256: in hexadecimal.
      folder: in the archive, whose files are wanted.
    """

    path: str
    sha256: str
    folder: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]


# Source: the sums are those of TensorFlow Datasets, url_checksums/coco.txt.
ARCHIVES = {
    "train": Archive(
        "zips/train2017.zip", "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929", "train2017"
    ),
    "val": Archive(
        "zips/val2017.zip", "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05", "val2017"
    ),
    _ANNOTATIONS: Archive(
        "annotations/annotations_trainval2017.zip",
        "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        _ANNOTATIONS,
    ),
}


@dataclasses.dataclass(frozen=True)
class Split:
    """Where a split lies: its annotation file and its folder of images."""

    annotations: str
    images: str


def find(folder: str, splits: Sequence[str]) -> dict[str, Split]:
    """Find the splits in a folder that has `annotations` and `train2017` or `images/train2017`.

    Raises:
      FileNotFoundError: names what is missing and where it was looked for.
    """
    result = {}
    for split in splits:
        annotations = os.path.join(folder, _ANNOTATIONS, f"instances_{split}2017.json")
        if not os.path.isfile(annotations):
            raise FileNotFoundError(f"{annotations}: no such file: unpack annotations_trainval2017.zip there")
        tried = [os.path.join(folder, parent, f"{split}2017") for parent in _FOLDERS]
        there = [path for path in tried if os.path.isdir(path) and any(os.scandir(path))]
        if not there:
            raise FileNotFoundError(
                f"{tried[0]}: no such folder with images, nor {tried[1]}: unpack {split}2017.zip there"
            )
        result[split] = Split(annotations, there[0])
    return result


def fetch(
    output_dir: str,
    splits: Sequence[str],
    *,
    base_url: str = BASE_URL,
    sums: Mapping[str, str] | None = None,
    keep_archives: bool = False,
    with_records: bool = True,
    pause: float = 1.0,
    make_progress: MakeProgress | None = None,
    note: Callable[[str], None] | None = None,
) -> dict[str, Split]:
    """Download and unpack what is not there yet.

    Args:
      output_dir: gets `annotations`, `train2017` and `val2017`, and meanwhile `archives`.
      splits: of `SPLITS`.
      base_url: of the server or of a mirror with the same paths.
      sums: sha256 by archive name; without one the published sum counts, save from a mirror.
      keep_archives: whether archives stay after they are unpacked.
      with_records: whether there must be room for records too.
      pause: seconds before the second attempt of a download.
      make_progress: makes the progress display of a download or of unpacking.
      note: is called with lines for people.

    Returns:
      Where the splits lie.

    Raises:
      OSError: the server cannot be reached or refuses, or the disk is full.
      ValueError: an archive is not the one that was meant, or is damaged.
    """
    _check(splits, sums or {})
    missing = [ARCHIVES[key] for key in _list_missing(output_dir, splits)]
    base_url = base_url.rstrip("/")
    folder = os.path.join(output_dir, "archives")
    os.makedirs(folder, exist_ok=True)
    copies = 1 + (_ROOM_FOR_RECORDS - (not keep_archives)) * with_records
    _check_room(folder, base_url, missing, copies, pause, note)
    for archive in missing:
        path = os.path.join(folder, archive.name)
        expected = (sums or {}).get(archive.name, archive.sha256 if base_url == BASE_URL else None)
        url = f"{base_url}/{archive.path}"
        if os.path.isfile(path):
            found = storage.measure(path)[1]
            if expected and found != expected.lower():
                raise ValueError(f"{path}: its sha256 is {found}, expected is {expected}: remove it")
        else:
            progress = (
                downloads.in_megabytes(make_progress(f"MB of {archive.name}")) if make_progress else None
            )
            found = downloads.download(url, path, sha256=expected, pause=pause, progress=progress, note=note)
        _record(folder, archive, url, os.path.getsize(path), found)
        if note and found != archive.sha256:
            note(f"{archive.name}: its sha256 {found} is not the published one")
        # Annotations of the other split are not needed.
        wanted = (
            rf"instances_({'|'.join(splits)})2017\.json" if archive.folder == _ANNOTATIONS else r"[0-9]+\.jpg"
        )
        unpacking = make_progress(f"files of {archive.name}") if make_progress else None
        archives.unpack(path, output_dir, archive.folder, wanted, unpacking, note)
        if not keep_archives:
            os.remove(path)
    return find(output_dir, splits)


def is_converted(output_dir: str, split: str, annotations: str) -> bool:
    """Check whether the folder has finished records of this annotation file."""
    try:
        manifest = manifest_lib.Manifest.load(os.path.join(output_dir, manifest_lib.file_name(split)))
        sizes = [os.path.getsize(os.path.join(output_dir, shard.file)) for shard in manifest.shards]
    except (OSError, ValueError):
        return False
    if not os.path.isfile(os.path.join(output_dir, manifest.annotations)):
        return False
    return (
        sizes == [shard.bytes for shard in manifest.shards]
        and manifest.source.get("sha256") == storage.measure(annotations)[1]
    )


def _check(splits: Sequence[str], sums: Mapping[str, str]) -> None:
    for split in splits:
        if split not in SPLITS:
            raise ValueError(f"split {split!r}: known are {', '.join(SPLITS)}")
    names = [archive.name for archive in ARCHIVES.values()]
    for name, value in sums.items():
        if name not in names:
            raise ValueError(f"sha256 of {name!r}: known are {', '.join(names)}")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
            raise ValueError(f"sha256 of {name} is {value!r}: give 64 hexadecimal digits")


def _list_missing(output_dir: str, splits: Sequence[str]) -> list[str]:
    # A folder by its final name is complete.
    missing = [split for split in splits if not os.path.isdir(os.path.join(output_dir, f"{split}2017"))]
    files = [os.path.join(output_dir, _ANNOTATIONS, f"instances_{split}2017.json") for split in splits]
    return ([] if all(map(os.path.isfile, files)) else [_ANNOTATIONS]) + missing


def _check_room(
    folder: str,
    base_url: str,
    missing: Sequence[Archive],
    copies: float,
    pause: float,
    note: Callable[[str], None] | None,
) -> None:
    """Refuse to begin where the archives and so many copies of their content do not fit."""
    needed = 0.0
    for archive in missing:
        path = os.path.join(folder, archive.name)
        here = next((os.path.getsize(p) for p in (path, f"{path}.part") if os.path.isfile(p)), 0)
        complete = os.path.isfile(path)
        size = here if complete else downloads.find_size(f"{base_url}/{archive.path}", pause, note)
        # Photos do not shrink in an archive.
        needed += max(size - here, 0) + size * copies
    downloads.check_space(folder, int(needed), "COCO 2017")


def _record(folder: str, archive: Archive, url: str, size: int, found: str) -> None:
    path = os.path.join(folder, SUMS_FILE)
    content = {}
    if os.path.isfile(path):
        try:
            content = json_text.load(path)
        except ValueError:
            content = {}
    content[archive.name] = {"url": url, "bytes": size, "sha256": found}
    storage.store_json(path, content, indent=1)
