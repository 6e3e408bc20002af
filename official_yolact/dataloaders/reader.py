"""TFRecord shards: which there are, how many records they hold, and in which order they come."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

_CURE = "`yolact data convert` writes DIR/train-*.tfrecord; give that glob"
_HEADER_BYTES = 12
_FOOTER_BYTES = 4
_GRAPH_SEED = 87654321


@dataclasses.dataclass(frozen=True)
class Shards:
    """Files and the number of records in each, in the order of their names."""

    files: tuple[str, ...]
    records: tuple[int, ...]

    @property
    def num_records(self) -> int:
        """Number of records in all files."""
        return sum(self.records)


def _patterns(input_path: str | Sequence[str]) -> list[str]:
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
    patterns = _patterns(input_path)
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
    return sorted(files)


def count_records(file: str) -> int:
    """Count the records of a TFRecord file by its framing; nothing but the lengths is read.

    Raises:
      OSError: the file ends within a record, or a length does not fit into it.
    """
    size = tf.io.gfile.stat(file).length
    count = offset = 0
    with tf.io.gfile.GFile(file, "rb") as stream:
        while offset < size:
            stream.seek(offset)
            header = stream.read(_HEADER_BYTES)
            length = struct.unpack("<Q", header[:8])[0] if len(header) == _HEADER_BYTES else size
            end = offset + _HEADER_BYTES + length + _FOOTER_BYTES
            if end > size:
                raise OSError(
                    f"{file}: the record at byte {offset} does not fit into the file's {size} bytes: "
                    "it was cut short or is no TFRecord file; convert it again"
                )
            offset = end
            count += 1
    return count


def read_manifests(files: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read every `manifest-*.json` in the folders of the files: its path and its content."""
    for folder in sorted({os.path.dirname(file) for file in files}):
        for path in sorted(tf.io.gfile.glob(os.path.join(folder, "manifest-*.json"))):
            with tf.io.gfile.GFile(path) as stream:
                try:
                    content = json.load(stream)
                except ValueError as error:
                    raise ValueError(f"{path}: not JSON: {error}; convert the data again") from error
            yield path, content


def _check_classes(path: str, manifest: dict[str, Any], num_classes: int) -> None:
    categories = manifest.get("categories", [])
    if len(categories) != num_classes - 1:
        raise ValueError(
            f"task.model.num_classes={num_classes}, the background included, but {path} lists "
            f"{len(categories)} categories: set it to {len(categories) + 1}"
        )


def find_shards(input_path: str | Sequence[str], num_classes: int | None = None) -> Shards:
    """Find the shards and count their records.

    Counts come from the `manifest-NAME.json` beside a shard that lists it with its present size;
    without one they come from the file itself.

    Args:
      input_path: see `list_files`.
      num_classes: C; compared with the categories of the manifests that list one of the shards.

    Returns:
      The shards.

    Raises:
      ValueError: no records at all, or another number of classes.
      OSError: no such file, or one that is cut short.
    """
    files = list_files(input_path)
    known: dict[str, int] = {}
    for path, manifest in read_manifests(files):
        folder = os.path.dirname(path)
        entries = {os.path.join(folder, entry["file"]): entry for entry in manifest.get("shards", [])}
        listed = [file for file in files if file in entries]
        if listed and num_classes is not None:
            _check_classes(path, manifest, num_classes)
        for file in listed:
            size, expected = tf.io.gfile.stat(file).length, entries[file].get("bytes")
            if size == expected:
                known[file] = int(entries[file]["records"])
            elif expected is not None:
                raise OSError(f"{file}: {size} bytes, but {path} says {expected}: convert the data again")
    records = tuple(known[file] if file in known else count_records(file) for file in files)
    if not sum(records):
        raise ValueError(f"input_path={input_path!r}: {len(files)} files without a record; {_CURE}")
    return Shards(tuple(files), records)


def _interleave(files: Any, cycle_length: int, block_length: int) -> Any:
    return files.interleave(
        tf.data.TFRecordDataset,
        cycle_length=cycle_length,
        block_length=block_length,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def read_in_order(shards: Shards) -> Any:
    """Read every record once, file after file: a dataset of (position int64, record string)."""
    dataset = tf.data.Dataset.from_tensor_slices(list(shards.files)).flat_map(tf.data.TFRecordDataset)
    return dataset.enumerate()


def read_shuffled(
    shards: Shards,
    seed: int,
    shuffle_buffer_size: int,
    start_position: int = 0,
    cycle_length: int = 8,
    block_length: int = 1,
) -> Any:
    """Read without end, every epoch in an order of its own.

    Position p is the (p mod n)-th record of epoch p // n, n being the number of records. The order
    is a function of the seed and the epoch alone: files are shuffled, read in turn, and pass a
    shuffle buffer. Whole epochs before the start are skipped by arithmetic, the rest of them by
    reading past records, before anything is decoded.

    Args:
      shards: files and their counts.
      seed: of the order.
      shuffle_buffer_size: records held while shuffling; 1 keeps the order of reading.
      start_position: the first position wanted.
      cycle_length: files read in turn.
      block_length: records of a file before it is the next one's turn.

    Returns:
      A dataset of (position int64, record string).
    """
    epoch, rest = divmod(start_position, shards.num_records)

    def read_epoch(number: Any) -> Any:
        # The global seed would otherwise be mixed in; this reaches only the function being traced.
        tf.compat.v1.get_default_graph().seed = _GRAPH_SEED
        key = tf.stack([tf.constant(seed, tf.int64), number])
        files = tf.random.experimental.stateless_shuffle(tf.constant(shards.files), seed=key)
        records = _interleave(
            tf.data.Dataset.from_tensor_slices(files), min(cycle_length, len(shards.files)), block_length
        )
        if shuffle_buffer_size <= 1:
            return records
        drawn = tf.random.stateless_uniform([], key, 0, 2**62, tf.int64)
        return records.shuffle(shuffle_buffer_size, seed=drawn, reshuffle_each_iteration=False)

    epochs = tf.data.Dataset.range(epoch, 2**62)
    return epochs.flat_map(read_epoch).skip(rest).enumerate(start=start_position)
