"""Records that an epoch holds several times: which classes they have, and how many copies there are."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import reader
from official_yolact.dataloaders import shards as shards_lib
from official_yolact.records import repeat_factors

_BATCH = 256
_LABELS, _CROWDS = "image/object/class/label", "image/object/is_crowd"
_FEATURES = {
    key: tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True) for key in (_LABELS, _CROWDS)
}


def find_repeats(
    config: configs.DataConfig, shards: shards_lib.Shards, num_classes: int
) -> repeat_factors.Repeats | None:
    """Find how often an epoch shows each record.

    All records are read once to see their classes, unless this process has already done so.

    Args:
      config: section of the data.
      shards: of its records.
      num_classes: C, with the background.

    Returns:
      The repeats; None where every record comes once.
    """
    if not (config.is_training and config.repeat_threshold):
        return None
    status = [tf.io.gfile.stat(file) for file in shards.files]
    stamp = tuple((int(each.length), int(each.mtime_nsec)) for each in status)
    records, classes = _read_classes(shards.files, shards.records, shards.offsets.tobytes(), stamp)
    known = (classes >= 1) & (classes < num_classes)
    found = repeat_factors.Repeats.of(
        shards.num_records, records[known], classes[known], num_classes - 1, config.repeat_threshold
    )
    return found if found.epoch_length > shards.num_records else None


@functools.lru_cache(maxsize=8)
def _read_classes(
    files: tuple[str, ...], counts: tuple[int, ...], offsets: bytes, stamp: tuple[tuple[int, int], ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """List record and class of every object, int64 [K] each; crowds and what cannot be read have none."""
    del stamp  # A file that was written anew is read anew.
    shards = shards_lib.Shards(files, counts, np.frombuffer(offsets, np.int64))
    parsed = reader.read_in_order(shards).map(
        tf.autograph.experimental.do_not_convert(_parse_classes), num_parallel_calls=tf.data.AUTOTUNE
    )
    batches = parsed.ignore_errors().padded_batch(_BATCH).prefetch(tf.data.AUTOTUNE)
    records, classes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for numbers, padded in batches.as_numpy_iterator():  # [B] and [B, N], 0 where there is no object
        rows, columns = np.nonzero(padded)
        records.append(numbers[rows])
        classes.append(padded[rows, columns])
    return np.concatenate(records), np.concatenate(classes)


def _parse_classes(_: Any, number: Any, serialized: Any) -> tuple[Any, Any]:
    """Read the number of a record and the classes of its instances, 0 for a crowd; nothing is decoded."""
    fields = tf.io.parse_single_example(serialized, _FEATURES)
    labels, crowds = fields[_LABELS], fields[_CROWDS]
    crowds = tf.pad(crowds, [[0, tf.maximum(tf.size(labels) - tf.size(crowds), 0)]])[: tf.size(labels)]
    return number, tf.where(crowds > 0, tf.zeros_like(labels), labels)
