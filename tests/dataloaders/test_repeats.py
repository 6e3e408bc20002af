"""Photos with rare classes come several times in an epoch."""

import collections
import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import input_reader
from official_yolact.dataloaders import reader
from official_yolact.dataloaders import repeats as repeats_lib
from official_yolact.dataloaders import shards as shards_lib

EPOCHS = 24
# Class 1 in all records, class 2 in two of twelve, class 3 in one, there as a crowd too.
CLASSES = [[1], [1, 2], [1], [1], [1, 2, 2], [1], [1], [3, 1, 3], [1], [1], [1], [1]]
THRESHOLD = 0.9
FACTORS = np.array([math.sqrt(THRESHOLD * 12 / {1: 1e9, 2: 2, 3: 1}[max(each)]) for each in CLASSES]).clip(1)


@pytest.fixture
def path(write_shards: Callable[..., str], record: Callable[..., bytes]) -> str:
    box = (8, 10, 24, 40)
    records = [record(number, [box] * len(each), each) for number, each in enumerate(CLASSES)]
    # A class that is only a crowd in a record does not make the record one of it.
    records[0] = record(0, [box, box], [1, 3], [0, 1])
    return write_shards(records[:5], records[5:7], records[7:])


def _config(path: str, **fields: object) -> configs.DataConfig:
    usual = {"is_training": True, "shuffle_buffer_size": 6, "repeat_threshold": THRESHOLD}
    return configs.DataConfig(input_path=path, **{**usual, **fields})


def _numbers(path: str, seed: int, count: int, start: int = 0) -> list[tuple[int, int]]:
    shards = shards_lib.find_shards(path)
    repeats = repeats_lib.find_repeats(_config(path), shards, 4)
    read = reader.read_shuffled(shards, seed, 6, start, repeats=repeats).take(count)
    return [(int(position), int(number)) for position, number, _ in read.as_numpy_iterator()]


def test_records_come_as_often_as_their_factors_say_and_at_least_once_an_epoch(path: str) -> None:
    length = round(FACTORS.sum())
    read = _numbers(path, 3, EPOCHS * length)
    assert [position for position, _ in read] == list(range(EPOCHS * length))
    numbers = np.array(read)[:, 1].reshape(EPOCHS, length)
    epochs = [collections.Counter(epoch.tolist()) for epoch in numbers]
    counts = np.array([[epoch[number] for number in range(12)] for epoch in epochs])  # [epochs, 12]
    assert counts.min() == 1
    expected = 1 + (FACTORS - 1) * (length - 12) / (FACTORS.sum() - 12)
    assert (np.abs(counts - expected) < 1).all(), "an epoch rounds up or down"
    np.testing.assert_allclose(counts.sum(axis=0), EPOCHS * expected, atol=2)
    assert len({tuple(each) for each in counts}) > 1, "another record is rounded up in another epoch"


def test_a_start_position_gives_the_same_examples_as_reading_up_to_it(path: str) -> None:
    length = round(FACTORS.sum())
    whole = _numbers(path, 7, 3 * length)
    for start in (1, length - 1, length, 2 * length + 5):
        assert _numbers(path, 7, 3 * length - start, start) == whole[start:]


def test_two_hosts_share_the_same_order_and_see_different_positions(
    path: str, model: configs.YolactModel
) -> None:
    config = _config(path, global_batch_size=4)

    def list_seen(context: tf.distribute.InputContext | None, batches: int) -> list[tuple[int, int]]:
        dataset = input_reader.build_dataset(config, model, 5, context).take(batches)
        return [
            (int(position), int(image))
            for _, labels in dataset.as_numpy_iterator()
            for position, image in zip(labels["seed"][:, 1], labels["image_id"], strict=True)
        ]

    alone = list_seen(None, 6)
    hosts = [list_seen(tf.distribute.InputContext(2, host, 2), 6) for host in range(2)]
    assert [len(each) for each in hosts] == [12, 12]
    assert sorted(hosts[0] + hosts[1]) == alone


def test_nothing_is_read_or_repeated_when_it_is_off_and_nothing_repeated_when_no_class_is_rare(
    path: str,
) -> None:
    shards = shards_lib.find_shards(path)
    unread = dataclasses.replace(shards, files=("gone.tfrecord",) * 3)
    assert repeats_lib.find_repeats(_config(path, repeat_threshold=0.0), unread, 4) is None
    assert repeats_lib.find_repeats(_config(path, is_training=False), unread, 4) is None
    assert repeats_lib.find_repeats(_config(path, repeat_threshold=1e-3), shards, 4) is None


def test_what_cannot_be_read_comes_once(
    write_shards: Callable[..., str], record: Callable[..., bytes]
) -> None:
    wrong = record(2, [(8, 10, 24, 40)], [9])
    path = write_shards([record(1, classes=[2]), b"no example", wrong, *[record(3)] * 8])
    shards = shards_lib.find_shards(path)
    found = repeats_lib.find_repeats(_config(path, repeat_threshold=1.0), shards, 4)
    assert found is not None
    np.testing.assert_array_equal(np.diff(found.ends, prepend=0)[[1, 2]], 0)
