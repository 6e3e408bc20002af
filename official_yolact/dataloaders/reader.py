"""The records of TFRecord shards in a stated order; a damaged one keeps its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from official_yolact.dataloaders import shards as shards_lib
from official_yolact.records import framing
from official_yolact.records import repeat_factors

_GRAPH_SEED = 87654321
_GOLDEN = 2_654_435_769
"""2^32 over the golden ratio: modulo 2^32, its multiples divide the circle ever more evenly."""


def _make_file_reader(shards: shards_lib.Shards) -> Any:
    """Make a function from the index of a file to its records: a dataset of (number, record).

    At its first damaged record TensorFlow gives up a file. From there on the records are empty strings,
    as are those before the first that is wanted, which are not read as far as it is known where they end.
    """
    files = tf.constant(shards.files)
    offsets = tf.constant(np.maximum(shards.offsets, 0))
    ends = tf.cumsum(tf.constant(shards.records, tf.int64))
    begins = tf.constant(_find_begins(shards))

    def read(index: Any, wanted: Any) -> Any:
        first, end = _get_range(ends, index)
        wanted = tf.maximum(first, wanted)
        is_wanted = wanted < end
        begin = tf.where(is_wanted, begins[tf.minimum(wanted, len(begins) - 1)], end)
        # A file that cannot be opened would be an error for ever, and ignoring it a wait for ever.
        opened = (
            tf.data.Dataset.from_tensors(files[index])
            .take(tf.cast(is_wanted, tf.int64))
            .filter(lambda file: tf.strings.length(framing.read_at(file, 0)) > 0)
        )
        sound = opened.flat_map(lambda file: framing.read_from(file, offsets[begin]))
        missing = tf.data.Dataset.from_tensors(tf.constant(b""))
        records = missing.repeat(begin - first).concatenate(sound.ignore_errors(log_warning=True))
        return tf.data.Dataset.zip((tf.data.Dataset.range(first, end), records.concatenate(missing.repeat())))

    return tf.autograph.experimental.do_not_convert(read)


def _find_begins(shards: shards_lib.Shards) -> npt.NDArray[np.int64]:
    """Find for each record the last up to it, in its file, that reading may begin with."""
    numbers = np.arange(shards.num_records)
    firsts = np.repeat(np.cumsum(shards.records) - shards.records, shards.records)
    known = np.where(shards.offsets == framing.UNREADABLE, firsts, numbers)
    return np.maximum.accumulate(known)


def _get_range(ends: Any, index: Any) -> tuple[Any, Any]:
    """Give the numbers of a file's first record and of the first after it."""
    return tf.concat([[0], ends], 0)[index], ends[index]


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
    read_file = _make_file_reader(shards)
    records = tf.data.Dataset.range(len(shards.files)).flat_map(lambda index: read_file(index, 0))
    return records.enumerate().map(_make_mender(shards))


def read_shuffled(
    shards: shards_lib.Shards,
    seed: int,
    shuffle_buffer_size: int,
    start_position: int = 0,
    cycle_length: int = 8,
    block_length: int = 1,
    repeats: repeat_factors.Repeats | None = None,
) -> Any:
    """Read without end, every epoch in an order of its own.

    Position p is the (p mod n)-th example of epoch p // n, n being the length of an epoch: the number of
    records, or with repeats the rounded sum of their factors. The order
    is a function of the seed and the epoch alone: files are shuffled, read in turn, and pass a
    shuffle buffer. Whole epochs before the start are skipped by arithmetic. Of the rest no file is
    read that has given all its records, and the others from the first record that is still wanted.
    The copies of a record are read one after the other, and the shuffle buffer parts them.

    Args:
      shards: files and their counts.
      seed: of the order.
      shuffle_buffer_size: records held while shuffling; 1 keeps the order of reading.
      start_position: the first position wanted.
      cycle_length: files read in turn.
      block_length: records of a file before it is the next one's turn.
      repeats: how often an epoch holds each record; None: once.

    Returns:
      A dataset of (position int64, number int64, record string): the number counts records over all
      files in the order of their names; a damaged record is an empty string.
    """
    length = repeats.epoch_length if repeats else shards.num_records
    epoch, rest = divmod(start_position, length)
    read_file = _make_file_reader(shards)
    ends = tf.cumsum(tf.constant(shards.records, tf.int64))

    def put_in_order(number: Any, read: Any) -> Any:
        # The global seed would otherwise be mixed in; this reaches only the function being traced.
        tf.compat.v1.get_default_graph().seed = _GRAPH_SEED
        key = tf.stack([tf.constant(seed, tf.int64), number])
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(shards.files), dtype=tf.int64), seed=key
        )
        records = tf.data.Dataset.from_tensor_slices(order).interleave(
            tf.autograph.experimental.do_not_convert(read),
            cycle_length=min(cycle_length, len(shards.files)),
            block_length=block_length,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if repeats:
            records = _repeat(records, _count_copies(repeats, seed, number))
        if shuffle_buffer_size > 1:
            drawn = tf.random.stateless_uniform([], key, 0, 2**62, tf.int64)
            records = records.shuffle(shuffle_buffer_size, seed=drawn, reshuffle_each_iteration=False)
        return records

    def find_wanted() -> Any:
        """Find the first record of each file that the epoch of the start still gives, from numbers alone."""
        numbers = put_in_order(
            tf.constant(epoch, tf.int64), lambda index: tf.data.Dataset.range(*_get_range(ends, index))
        )
        numbers = numbers.skip(rest).batch(length).get_single_element()
        files = tf.searchsorted(ends, numbers, side="right")
        return tf.math.unsorted_segment_min(numbers, files, len(shards.files))

    def read_epoch(number: Any) -> Any:
        wanted = tf.zeros([len(shards.files)], tf.int64)
        if rest:
            wanted = tf.cond(tf.equal(number, epoch), find_wanted, lambda: wanted)
        records = put_in_order(number, lambda index: read_file(index, wanted[index]))
        # Counted within the epoch: a worker of tf.data service may be given any of them.
        return records.enumerate(start=number * length)

    epochs = tf.data.Dataset.range(epoch, 2**62)
    records = epochs.flat_map(tf.autograph.experimental.do_not_convert(read_epoch))
    return records.skip(rest).map(_make_mender(shards))


def add_partners(records: Any, count: int) -> Any:
    """Add to each record those that come after it.

    Args:
      records: dataset of (position, number, record), as `read_shuffled` gives it.
      count: of them.

    Returns:
      A dataset of (position, number, record, partner, ...): what comes with a position depends on it alone.
    """
    nothing = tf.constant(0, tf.int64), tf.constant(0, tf.int64), tf.constant(b"")

    def shift(waiting: Any, read: Any) -> Any:
        # Each tensor stays as it is: a concatenation would copy the bytes.
        first, others = waiting[0], (*waiting[1:], read)
        return others, (*first, *(other[2] for other in others))

    shifted = records.scan((nothing,) * count, tf.autograph.experimental.do_not_convert(shift))
    return shifted.skip(count)


def _count_copies(repeats: repeat_factors.Repeats, seed: int, epoch: Any) -> Any:
    """Count the copies of each record in an epoch, int64 [R]: at least one, and the same sum in all epochs.

    The sums of the factors lie on a line one behind the other. A comb with teeth 1 apart is laid on it, by
    a golden section further in each epoch, and each tooth is a copy of the record that it meets.
    """
    units = repeat_factors.UNITS
    offset = tf.bitwise.bitwise_and(epoch * _GOLDEN + seed * _GOLDEN % units, units - 1)
    passed = (tf.constant(repeats.ends) + offset) // units
    return 1 + passed - tf.concat([[0], passed[:-1]], axis=0)


def _repeat(records: Any, copies: Any) -> Any:
    """Repeat each record, or the number of one alone, as often as `copies`, int64 [R], has it."""

    def repeat(number: Any, *record: Any) -> Any:
        read = (number, *record) if record else number
        return tf.data.Dataset.from_tensors(read).repeat(copies[number])

    return records.flat_map(tf.autograph.experimental.do_not_convert(repeat))
