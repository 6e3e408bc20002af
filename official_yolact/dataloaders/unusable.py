"""Records that came out blank: which they are, and what is wrong with them."""

from __future__ import annotations

import collections
import dataclasses
import functools
import threading
from typing import Any

import tensorflow as tf

from official_yolact.dataloaders import decoder
from official_yolact.dataloaders import shards as shards_lib
from official_yolact.ops import preprocess
from official_yolact.records import framing

_MAX_DETAIL = 160


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is wrong with a record.

    Attributes:
      file: the shard.
      index: of the record in it, from 0.
      image_id: `image/source_id`; empty where it cannot be read.
      reason: the kind of fault, to count by.
      detail: the values.
    """

    file: str
    index: int
    image_id: str
    reason: str
    detail: str

    def __str__(self) -> str:
        """Say it in a line."""
        image = f", image {self.image_id}" if self.image_id else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.file}: record {self.index}{image}: {self.reason}{detail}"


class UnusableRecords:
    """Collects the records that an input pipeline of this process could not use.

    The pipeline runs ahead of the training, so a record may be here a little before its example
    is trained on.
    """

    def __init__(self) -> None:
        self.num_records = 0
        self.epoch_length = 0
        self._shards: shards_lib.Shards | None = None
        self._counts: collections.Counter[int] = collections.Counter()
        self._lock = threading.Lock()

    def watch(self, shards: shards_lib.Shards, epoch_length: int | None = None) -> None:
        """Take the shards whose records are numbered, and forget what was found in others.

        Args:
          shards: of the pipeline.
          epoch_length: examples of an epoch; None: the number of records.
        """
        with self._lock:
            if self._shards is None or self._shards.files != shards.files:
                self._counts.clear()
            self._shards = shards
            self.num_records = shards.num_records
            self.epoch_length = epoch_length or shards.num_records

    def add(self, number: Any) -> Any:
        """Count a record by its number over all files; called by the pipeline. Gives the number."""
        with self._lock:
            self._counts[int(number)] += 1
        return number

    @property
    def count(self) -> int:
        """Different records found since they were last taken."""
        return len(self._counts)

    def take(self, num_classes: int, max_count: int = 200) -> list[Fault]:
        """Say what is wrong with the records found since the last call; each comes once.

        Args:
          num_classes: C.
          max_count: records looked at; there may be more.

        Returns:
          Their faults, in the order of files and records.
        """
        with self._lock:
            numbers, shards = sorted(self._counts), self._shards
            self._counts.clear()
        if shards is None:
            return []
        return [find_fault(shards, number, num_classes) for number in numbers[:max_count]]


def find_fault(shards: shards_lib.Shards, number: int, num_classes: int) -> Fault:
    """Read a record once more and find what is wrong with it.

    Args:
      shards: files.
      number: of the record over all files.
      num_classes: C.

    Returns:
      The fault; if there is none now, the reason says so.
    """
    file, index = shards.locate(number)
    try:
        offset = framing.index_records(file)[index]
        serialized = framing.read_at(file, offset)
    except (OSError, IndexError, tf.errors.OpError) as error:
        return Fault(file, index, "", "file unreadable", _shorten(error))
    if not serialized.numpy():
        where = f"at byte {offset}" if offset != framing.UNREADABLE else "in its length"
        return Fault(file, index, "", "record damaged", f"wrong checksum {where}")
    try:
        example = tf.train.Example.FromString(serialized.numpy())
    except Exception as error:  # protobuf's own class differs from version to version
        return Fault(file, index, "", "no tf.train.Example", _shorten(error))
    reason, detail = _find_in_example(example, serialized, num_classes)
    return Fault(file, index, _image_id(example), reason, detail)


def _find_in_example(example: Any, serialized: Any, num_classes: int) -> tuple[str, str]:
    features = example.features.feature
    classes = list(features["image/object/class/label"].int64_list.value)
    outside = sorted({value for value in classes if not 1 <= value < num_classes})
    if outside:
        return "class id out of range", f"{outside[:5]}; the model has 1..{num_classes - 1}"
    encoded = list(features["image/encoded"].bytes_list.value)
    if len(encoded) == 1:
        error = _try(_compile_image_decoder(), encoded[0])
        if error:
            return "image undecodable", error
    error = _try(_compile_record_decoder(num_classes), serialized)
    if error:
        return "fields do not fit", error
    size = tf.shape(preprocess.decode_image(tf.constant(encoded[0])))[:2]
    for place, mask in enumerate(features["image/object/mask"].bytes_list.value):
        error = _try(_compile_mask_decoder(), mask, size)
        if error:
            return "mask undecodable", f"instance {place}: {error}"
    return "not repeatable", "it can be read now: the storage or the memory failed for a moment"


# In graphs, as in use: eagerly, TensorFlow fails to make some messages from the bytes.
@functools.cache
def _compile_image_decoder() -> Any:
    return tf.function(preprocess.decode_image, autograph=False)


@functools.cache
def _compile_mask_decoder() -> Any:
    return tf.function(decoder.decode_mask, autograph=False)


@functools.cache
def _compile_record_decoder(num_classes: int) -> Any:
    return tf.function(lambda value: decoder.decode_record(value, num_classes), autograph=False)


def _try(decode: Any, value: Any, *others: Any) -> str:
    """Run a decoder; gives its error or nothing."""
    try:
        decode(tf.constant(value), *others)
    except (tf.errors.OpError, UnicodeDecodeError, ValueError) as error:
        return _shorten(error)
    return ""


def _image_id(example: Any) -> str:
    values = list(example.features.feature["image/source_id"].bytes_list.value)
    return values[0].decode(errors="replace")[:40] if values else ""


def _shorten(error: Exception) -> str:
    """Give the line of TensorFlow's message that says what happened."""
    text = str(getattr(error, "message", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [
        line for line in lines if not line.startswith(("Graph execution error", "Detected at node", "File "))
    ]
    return (told or lines or [type(error).__name__])[0][:_MAX_DETAIL]
