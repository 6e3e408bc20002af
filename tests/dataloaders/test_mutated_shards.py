"""A mutated shard gives the records that were written, blanks in the place of damaged ones, or a named error."""

import itertools
import random

import fuzzing
import tensorflow as tf

from official_yolact.dataloaders import reader
from official_yolact.dataloaders import shards as shards_lib


def _write(path):
    records = [f"{number},".encode() * (20 + number) for number in range(5)]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return records


def test_a_mutated_shard_gives_sound_records_blanks_or_a_named_error(tmp_path):
    draw = random.Random(37)
    path = tmp_path / "sound.tfrecord"
    sound = _write(path)
    data = path.read_bytes()
    path.unlink()
    numbers = itertools.count()

    def read(content):
        # A name of its own: what is known of a file is kept for as long as its size and time stay.
        path = tmp_path / f"train-{next(numbers):05d}.tfrecord"
        path.write_bytes(content)
        verdict = fuzzing.try_door(lambda: shards_lib.find_shards(str(path)), path.name)
        if verdict == fuzzing.REFUSED:
            path.unlink()
        return verdict

    assert read(data) == fuzzing.READ
    mutations = (fuzzing.mutate_bytes(draw, data) for _ in range(fuzzing.COUNT))
    fuzzing.hold("TFRecord shards", mutations, read)
    # One graph reads all that were taken: to build one for each would take most of the time.
    shards = shards_lib.find_shards(str(tmp_path / "train-*"))
    records = [record for _, _, record in reader.read_in_order(shards).as_numpy_iterator()]
    assert len(records) == shards.num_records
    assert set(records) == {b"", *sound}
