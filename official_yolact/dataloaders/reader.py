"""The records of TFRecord shards in a stated order; a damaged one keeps its place."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from official_yolact.dataloaders import framing
from official_yolact.dataloaders import shards as shards_lib

_GRAPH_SEED = 87654321


def _make_file_reader(shards: shards_lib.Shards) -> Any:
    """Make a function from the index of a file to its records: a dataset of (number, record).

    At its first damaged record TensorFlow gives up a file. From there on the records are empty strings.
    """
    files = tf.constant(shards.files)
    counts = tf.constant(shards.records, tf.int64)
    firsts = tf.cumsum(counts, exclusive=True)

    def read(index: Any) -> Any:
        # A file that cannot be opened would be an error for ever, and ignoring it a wait for ever.
        opened = tf.data.Dataset.from_tensors(files[index]).filter(
            lambda file: tf.strings.length(framing.read_at(file, 0)) > 0
        )
        sound = opened.flat_map(tf.data.TFRecordDataset).ignore_errors(log_warning=True)
        missing = tf.data.Dataset.from_tensors(tf.constant(b"")).repeat()
        numbers = tf.data.Dataset.range(firsts[index], firsts[index] + counts[index])
        return tf.data.Dataset.zip((numbers, sound.concatenate(missing)))

    return tf.autograph.experimental.do_not_convert(read)


def _make_mender(shards: shards_lib.Shards) -> Any:
    """Make a function from (position, (number, record)) to (position, number, record).

    Records that are empty, and never others, are read by themselves: those after a damaged one.
    """
    files = tf.constant(shards.files)
    ends = tf.cumsum(tf.constant(shards.records, tf.int64))
    offsets = tf.constant(shards.offsets, tf.int64)

    def read(number: Any) -> Any:
        file = tf.searchsorted(ends, number[tf.newaxis], side="right")[0]
        return framing.read_at(files[file], offsets[number])

    def mend(position: Any, found: Any) -> Any:
        number, record = found
        is_read = tf.strings.length(record) > 0
        return position, number, tf.cond(is_read, lambda: record, lambda: read(number))

    return tf.autograph.experimental.do_not_convert(mend)


def read_in_order(shards: shards_lib.Shards) -> Any:
    """Read every record once, file after file.

    Returns:
      A dataset of (position int64, number int64, record string): here the number of a record, over
      all files, is its position; a damaged record is an empty string.
    """
    records = tf.data.Dataset.range(len(shards.files)).flat_map(_make_file_reader(shards))
    return records.enumerate().map(_make_mender(shards))


def read_shuffled(
    shards: shards_lib.Shards,
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
      A dataset of (position int64, number int64, record string): the number counts records over all
      files in the order of their names; a damaged record is an empty string.
    """
    epoch, rest = divmod(start_position, shards.num_records)
    read_file = _make_file_reader(shards)

    def read_epoch(number: Any) -> Any:
        # The global seed would otherwise be mixed in; this reaches only the function being traced.
        tf.compat.v1.get_default_graph().seed = _GRAPH_SEED
        key = tf.stack([tf.constant(seed, tf.int64), number])
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(shards.files), dtype=tf.int64), seed=key
        )
        records = tf.data.Dataset.from_tensor_slices(order).interleave(
            read_file,
            cycle_length=min(cycle_length, len(shards.files)),
            block_length=block_length,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if shuffle_buffer_size > 1:
            drawn = tf.random.stateless_uniform([], key, 0, 2**62, tf.int64)
            records = records.shuffle(shuffle_buffer_size, seed=drawn, reshuffle_each_iteration=False)
        # Counted within the epoch: a worker of tf.data service may be given any of them.
        return records.enumerate(start=number * shards.num_records)

    epochs = tf.data.Dataset.range(epoch, 2**62)
    records = epochs.flat_map(tf.autograph.experimental.do_not_convert(read_epoch))
    return records.skip(rest).map(_make_mender(shards))
