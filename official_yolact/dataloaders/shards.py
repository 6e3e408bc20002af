"""TFRecord shards: which there are, how many records they hold, and whether they are the right ones."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from absl import logging

from official_yolact.configs import yolact as configs
from official_yolact.files import storage
from official_yolact.records import framing
from official_yolact.records import manifest as manifest_lib
from official_yolact_runtime.files import inputs

_AGAIN = "convert the data again"
_CURE = "`yolact data convert` writes DIR/train-*.tfrecord; give that glob"
_THREADS = 16

_Listed = tuple[str, manifest_lib.Shard]
"""The path of a manifest, and what it says of a shard."""


@dataclasses.dataclass(frozen=True, eq=False)
class Shards:
    """Files and the number of records in each, in the order of their names.

    Attributes:
      files: names.
      records: number of records of each file.
      offsets: int64 [num_records], where each record begins in its file; `framing.UNREADABLE` where
        it is damaged or nobody looked.
    """

    files: tuple[str, ...]
    records: tuple[int, ...]
    offsets: npt.NDArray[np.int64]

    @property
    def num_records(self) -> int:
        """Number of records in all files."""
        return sum(self.records)

    def locate(self, number: int) -> tuple[str, int]:
        """Give file and index, from 0, of a record by its number over all files."""
        ends = np.cumsum(self.records)
        shard = int(np.searchsorted(ends, number, side="right"))
        return self.files[shard], number - int(ends[shard]) + self.records[shard]


def split_patterns(input_path: str | Sequence[str]) -> list[str]:
    """Split what names shards into paths and globs."""
    listed = [input_path] if isinstance(input_path, str) else list(input_path)
    return [part.strip() for entry in listed for part in entry.split(",") if part.strip()]


def list_files(input_path: str | Sequence[str]) -> list[str]:
    """List the files that a path, a glob, several of these with commas, or a list of them name.

    Returns:
      File names, sorted, each once.

    Raises:
      ValueError: nothing given, or a folder.
      OSError: a path or glob without a file.
    """
    patterns = split_patterns(input_path)
    if not patterns:
        raise ValueError(f"input_path is empty: {_CURE}")
    files: set[str] = set()
    for pattern in patterns:
        found = tf.io.gfile.glob(pattern)
        if not found:
            raise FileNotFoundError(f"input_path={pattern!r}: no such file; {_CURE}")
        files.update(found)
    for file in files:
        if tf.io.gfile.isdir(file):
            raise ValueError(f"input_path={file!r} is a folder: {_CURE}, such as {file}/train-*.tfrecord")
        inputs.check(file)
    return sorted(files)


def _check_classes(path: str, manifest: manifest_lib.Manifest, num_classes: int) -> None:
    if len(manifest.categories) != num_classes - 1:
        raise ValueError(
            f"task.model.num_classes={num_classes}, the background included, but {path} lists "
            f"{len(manifest.categories)} categories: set it to {len(manifest.categories) + 1}"
        )


def _match(files: Sequence[str], num_classes: int | None) -> dict[str, _Listed]:
    """Find the manifest and the entry of each file, and say which shards are on one side only."""
    known: dict[str, _Listed] = {}
    empty = set()
    for path, manifest in manifest_lib.find(files).items():
        entries = manifest.list_shards(path)
        if not entries.keys() & set(files):
            continue
        if num_classes is not None:
            _check_classes(path, manifest, num_classes)
        if manifest.num_instances == 0:
            empty.add(path)
        known.update({file: (path, entry) for file, entry in entries.items() if file in files})
        _check_others(path, [file for file in entries if file not in files])
    _check_beside(files, known)
    if empty and len(known) == len(files) and {path for path, _ in known.values()} <= empty:
        raise ValueError(
            f"{min(empty)}: none of the records has an instance: there is nothing to learn or measure"
        )
    return known


def _check_others(path: str, others: list[str]) -> None:
    """Refuse shards that are listed and missing; say which are there and left out."""
    for file in others:
        if not tf.io.gfile.exists(file):
            raise FileNotFoundError(f"{file}: no such file, though {path} lists it; {_AGAIN}")
    if others:
        logging.warning("%s lists %d shards that input_path leaves out: %s", path, len(others), others[0])


def _check_beside(files: Sequence[str], known: dict[str, _Listed]) -> None:
    """Refuse a file that no manifest lists beside files that one does."""
    folders = {os.path.dirname(file) for file in known}
    for file in files:
        if file not in known and os.path.dirname(file) in folders:
            raise ValueError(
                f"{file}: no manifest lists it, though one lists the files beside it: it is the rest of "
                "another conversion; remove it, or name the shards more exactly in input_path"
            )
    if len(known) < len(files):
        unlisted = [file for file in files if file not in known]
        logging.warning(
            "%d files have no manifest beside them, such as %s: whether they are complete cannot be told",
            len(unlisted),
            unlisted[0],
        )


def _check_size(file: str, path: str, entry: manifest_lib.Shard) -> None:
    size = tf.io.gfile.stat(file).length
    if size != entry.bytes:
        raise OSError(f"{file}: {size} bytes, but {path} says {entry.bytes}: {_AGAIN}")


def _list_damaged(file: str, offsets: npt.NDArray[np.int64]) -> str:
    """Name the records of a file whose checksums are wrong."""
    numbers = [index for index, offset in enumerate(offsets) if not framing.read_at(file, offset).numpy()]
    if not numbers:
        return "its records are whole, so it is another file"
    return f"damaged records (from 0): {', '.join(map(str, numbers[:20]))}{', ...' if numbers[20:] else ''}"


def _check_digest(file: str, path: str, entry: manifest_lib.Shard, offsets: npt.NDArray[np.int64]) -> None:
    _, found = storage.measure(file)
    if found != entry.sha256:
        raise OSError(
            f"{file}: sha256 {found}, but {path} says {entry.sha256}: "
            f"{_list_damaged(file, offsets)}; {_AGAIN}, or set verify: records to train without what is "
            "damaged"
        )


def _index_file(file: str, listed: _Listed | None, verify: str) -> npt.NDArray[np.int64]:
    """Check a file as far as asked and give the offsets of its records."""
    if listed is None:
        return framing.index_records(file)
    path, entry = listed
    if verify != "none":
        _check_size(file, path, entry)
    if verify in ("none", "sizes"):
        return np.full(entry.records, framing.UNREADABLE, np.int64)
    offsets = framing.index_records(file)
    if len(offsets) != entry.records:
        raise OSError(f"{file}: {len(offsets)} records, but {path} says {entry.records}: {_AGAIN}")
    if verify == "sha256":
        _check_digest(file, path, entry, offsets)
    return offsets


def find_shards(
    input_path: str | Sequence[str], num_classes: int | None = None, verify: str = "records"
) -> Shards:
    """Find the shards, count their records and compare them with the manifests beside them.

    Args:
      input_path: see `list_files`.
      num_classes: C; compared with the categories of the manifests that list one of the shards.
      verify: what of a listed shard is looked at: `none`, `sizes`, also the length of each of its
        `records`, or also its `sha256`. Of a shard without a manifest the lengths are, always.

    Returns:
      The shards.

    Raises:
      ValueError: no records at all, another number of classes, or a file that no manifest lists
        beside files that one does.
      OSError: a file is not there, cut short, damaged in its framing, or not what its manifest says.
    """
    if verify not in configs.VERIFY_LEVELS:
        raise ValueError(f"verify={verify!r}: one of {', '.join(configs.VERIFY_LEVELS)}")
    files = list_files(input_path)
    known = _match(files, num_classes)
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        indexes = list(pool.map(lambda file: _index_file(file, known.get(file), verify), files))
    if not any(len(index) for index in indexes):
        raise ValueError(f"input_path={input_path!r}: {len(files)} files without a record; {_CURE}")
    return Shards(tuple(files), tuple(len(index) for index in indexes), np.concatenate(indexes))
