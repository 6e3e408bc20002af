"""The framing of TFRecord files: where each record begins, and which cannot be trusted.

A record is 8 bytes of length, 4 of the length's checksum, the payload, and 4 of its checksum; all
numbers are little-endian. TensorFlow takes memory for whatever length it finds, and after the first
damaged record it gives up the rest of a file. So lengths are looked at here first.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from official_yolact.records import crc32c
from official_yolact.records.record_file import FOOTER_BYTES
from official_yolact.records.record_file import HEADER_BYTES
from official_yolact_runtime.files import inputs

UNREADABLE = -1
"""Stands for the offset of a record that cannot be read."""

_CURE = "it was cut short, is damaged or is no TFRecord file; convert the data again"


def _mend_length(header: bytes) -> int | None:
    """Give the length of a header in which one bit has flipped; None if it was more."""
    length, stored = struct.unpack("<QI", header)
    if (crc32c.masked_crc32c(header[:8]) ^ stored).bit_count() == 1:
        return int(length)
    for bit in range(64):
        candidate = length ^ 1 << bit
        if crc32c.masked_crc32c(struct.pack("<Q", candidate)) == stored:
            return int(candidate)
    return None


def _walk(stream: Any, file: str, size: int) -> list[int]:
    offsets: list[int] = []
    offset = 0
    while offset < size:
        stream.seek(offset)
        header = stream.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            raise OSError(
                f"{file}: the record at byte {offset} does not fit into the file's {size} bytes: {_CURE}"
            )
        length, stored = struct.unpack("<QI", header)
        sound = crc32c.masked_crc32c(header[:8]) == stored
        mended = length if sound else _mend_length(header)
        if mended is None:
            raise OSError(f"{file}: no record begins at byte {offset}, where one should: {_CURE}")
        end = offset + HEADER_BYTES + mended + FOOTER_BYTES
        if end > size:
            raise OSError(
                f"{file}: the record at byte {offset} does not fit into the file's {size} bytes "
                f"(by its length it has {mended}): {_CURE}"
            )
        offsets.append(offset if sound else UNREADABLE)
        offset = end
    return offsets


@functools.lru_cache(maxsize=65536)
def _index(file: str, size: int, modified: int) -> npt.NDArray[np.int64]:
    del modified  # A file that was written anew is looked at anew.
    if "://" in file:
        with tf.io.gfile.GFile(file, "rb") as stream:
            return np.asarray(_walk(stream, file, size), np.int64)
    with open(file, "rb", buffering=0) as stream:
        return np.asarray(_walk(stream, file, size), np.int64)


def index_records(file: str) -> npt.NDArray[np.int64]:
    """Find where the records of a file begin. Nothing but their lengths is read.

    One flipped bit in a length or its checksum is seen and mended: it costs that record only.

    Args:
      file: a TFRecord file without compression.

    Returns:
      int64 [records], byte offsets; `UNREADABLE` for a record whose header is damaged.

    Raises:
      OSError: the file ends within a record, a length does not fit into it, or a header is damaged
        beyond mending; names file and byte.
    """
    inputs.check(file)
    status = tf.io.gfile.stat(file)
    return _index(file, int(status.length), int(status.mtime_nsec))


def read_from(file: Any, offset: Any, buffer_size: int = 256 << 10) -> Any:
    """Read a file from one of its records on; in a graph or eagerly.

    Args:
      file: string scalar.
      offset: int64 scalar, of the record.
      buffer_size: bytes that are read at a time; 0: as the records need them.

    Returns:
      A dataset of string scalars, which fails at the first damaged record.
    """
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=tf.reshape(file, [1]),
        compression_type="",
        buffer_size=tf.constant(buffer_size, tf.int64),
        byte_offsets=tf.reshape(offset, [1]),
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))


def read_at(file: Any, offset: Any) -> Any:
    """Read one record; in a graph or eagerly.

    Args:
      file: string scalar.
      offset: int64 scalar, of the record, or `UNREADABLE`.

    Returns:
      string scalar, empty if the record is damaged.
    """

    def read(offset: Any) -> Any:
        records = read_from(file, tf.maximum(offset, 0), buffer_size=0)
        return records.take(tf.cast(tf.not_equal(offset, UNREADABLE), tf.int64)).take(1).get_single_element()

    # The error must come out of a map: a file that cannot be opened is an error for ever of the
    # dataset that reads it, and whoever ignores that waits for ever.
    one = tf.data.Dataset.from_tensors(tf.cast(offset, tf.int64))
    one = one.map(tf.autograph.experimental.do_not_convert(read)).ignore_errors()
    return one.concatenate(tf.data.Dataset.from_tensors(tf.constant(b""))).take(1).get_single_element()
