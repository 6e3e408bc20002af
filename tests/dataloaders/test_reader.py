"""Which records there are and in which order they come."""

import dataclasses
import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from dataloaders import damaged_cases

from official_yolact.dataloaders import reader
from official_yolact.dataloaders import shards as shards_lib
from official_yolact.records import crc32c
from official_yolact.records import framing


@pytest.fixture
def shards(write_shards: Callable[..., str]) -> shards_lib.Shards:
    numbers = [[str(10 * shard + i).encode() for i in range(count)] for shard, count in enumerate((5, 3, 7))]
    return shards_lib.find_shards(write_shards(*numbers))


def _take(dataset: tf.data.Dataset, count: int) -> list[tuple[int, int]]:
    return [(int(position), int(record)) for position, _, record in dataset.take(count).as_numpy_iterator()]


def test_records_are_counted_by_their_framing(shards: shards_lib.Shards) -> None:
    assert shards.records == (5, 3, 7)
    assert shards.num_records == 15


def test_the_counts_of_a_manifest_are_taken(write_shards: Callable[..., str], tmp_path: pathlib.Path) -> None:
    pattern = write_shards([b"a"] * 3)
    (file,) = tmp_path.glob("train-*.tfrecord")
    entry = {"file": file.name, "records": 3, "bytes": file.stat().st_size}

    def write() -> None:
        manifest = damaged_cases.whole_manifest([entry], [{"id": 1, "name": "nut"}])
        (tmp_path / "manifest-train.json").write_text(json.dumps(manifest))

    write()
    assert shards_lib.find_shards(pattern, num_classes=2).records == (3,)
    with pytest.raises(
        ValueError, match=r"num_classes=81.*manifest-train.json lists 1 categories.*set it to 2"
    ):
        shards_lib.find_shards(pattern, num_classes=81)
    entry["records"] = 2
    write()
    with pytest.raises(OSError, match=r"train-00000-of-00001.tfrecord: 3 records, but .*train.json says 2"):
        shards_lib.find_shards(pattern)
    assert shards_lib.find_shards(pattern, verify="sizes").records == (2,)
    entry["bytes"] = 70
    write()
    with pytest.raises(OSError, match=r"manifest-train.json says 70"):
        shards_lib.find_shards(pattern)


@pytest.mark.parametrize("cut", [1, 5, 16, 20])
def test_a_file_that_was_cut_is_named_with_the_place(
    write_shards: Callable[..., str], tmp_path: pathlib.Path, cut: int
) -> None:
    pattern = write_shards([b"abcde", b"fghij"])
    (file,) = tmp_path.glob("train-*.tfrecord")
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(OSError, match=r"train-00000-of-00001.tfrecord: the record at byte 21 "):
        shards_lib.find_shards(pattern)


def test_a_length_beyond_the_file_is_refused(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "train.tfrecord"
    length = (40 << 30).to_bytes(8, "little")
    file.write_bytes(length + crc32c.masked_crc32c(length).to_bytes(4, "little") + bytes(100))
    with pytest.raises(OSError, match="at byte 0 does not fit"):
        framing.index_records(str(file))


def test_paths_come_as_globs_commas_and_lists(shards: shards_lib.Shards) -> None:
    first, second, third = shards.files
    assert shards_lib.list_files(f"{second}, {first}") == [first, second]
    assert shards_lib.list_files([first, f"{third},{first}"]) == [first, third]


def test_paths_without_records_are_named_with_the_cure(
    write_shards: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing-\*'.*yolact data convert"):
        shards_lib.find_shards(str(tmp_path / "nothing-*"))
    with pytest.raises(ValueError, match=r"is a folder.*yolact data convert"):
        shards_lib.find_shards(str(tmp_path))
    with pytest.raises(ValueError, match=r"input_path is empty.*yolact data convert"):
        shards_lib.find_shards("")
    with pytest.raises(ValueError, match=r"empty-\*.tfrecord.*without a record.*yolact data convert"):
        shards_lib.find_shards(write_shards([], [], name="empty"))


def test_reading_in_order_gives_every_record_once(shards: shards_lib.Shards) -> None:
    expected = [0, 1, 2, 3, 4, 10, 11, 12, 20, 21, 22, 23, 24, 25, 26]
    assert _take(reader.read_in_order(shards), 100) == list(enumerate(expected))


@pytest.mark.parametrize("buffer_size", [1, 4, 100])
def test_every_epoch_holds_every_record_in_another_order(shards: shards_lib.Shards, buffer_size: int) -> None:
    read = _take(reader.read_shuffled(shards, 3, buffer_size), 60)
    assert [position for position, _ in read] == list(range(60))
    epochs = [[record for _, record in read[15 * e : 15 * e + 15]] for e in range(4)]
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    # Without a buffer only the files change places: three have six orders.
    assert len({tuple(epoch) for epoch in epochs}) >= (2 if buffer_size == 1 else 4)


@pytest.mark.parametrize("start", [1, 14, 15, 16, 37])
def test_a_start_position_gives_the_same_records_as_reading_up_to_it(
    shards: shards_lib.Shards, start: int
) -> None:
    whole = _take(reader.read_shuffled(shards, 3, 4), start + 20)
    assert _take(reader.read_shuffled(shards, 3, 4, start_position=start), 20) == whole[start:]


@pytest.mark.parametrize(("is_indexed", "buffer_size"), [(True, 1), (True, 6), (False, 6)])
def test_a_start_position_gives_the_same_records_also_behind_damage(
    write_shards: Callable[..., str], is_indexed: bool, buffer_size: int
) -> None:
    numbers = iter(range(100))
    counts = (5, 0, 7, 1, 6, 3)
    pattern = write_shards(*([str(next(numbers)).encode() * 9 for _ in range(count)] for count in counts))
    found = shards_lib.find_shards(pattern)
    for file, byte in ((found.files[0], found.offsets[2] + 12), (found.files[2], found.offsets[8] + 1)):
        data = bytearray(pathlib.Path(file).read_bytes())
        data[byte] ^= 4
        pathlib.Path(file).write_bytes(data)
    shards = shards_lib.find_shards(pattern)
    if not is_indexed:
        shards = dataclasses.replace(shards, offsets=np.full(22, framing.UNREADABLE))
    whole = list(reader.read_shuffled(shards, 3, buffer_size, cycle_length=2).take(60).as_numpy_iterator())
    assert sum(record == b"" for _, _, record in whole[:22]) == (2 if is_indexed else 3 + 4)
    for start in (5, 12, 17, 21, 38):
        rest = reader.read_shuffled(shards, 3, buffer_size, start, cycle_length=2).take(60 - start)
        assert list(rest.as_numpy_iterator()) == whole[start:]


@pytest.mark.parametrize("is_indexed", [True, False])
def test_a_start_within_an_epoch_does_not_read_what_comes_before_it(
    write_shards: Callable[..., str], is_indexed: bool
) -> None:
    shards = shards_lib.find_shards(write_shards(*[[bytes(1 << 20)] * 10] * 8))
    if not is_indexed:
        shards = dataclasses.replace(shards, offsets=np.full(80, framing.UNREADABLE))
    before = _count_read_bytes()
    ((position, _, _),) = reader.read_shuffled(shards, 3, 1, 78, cycle_length=2).take(1).as_numpy_iterator()
    assert position == 78
    # Two files are being read at the end of an epoch, besides the prefetched ones of the next.
    assert _count_read_bytes() - before < (8 if is_indexed else 26) * 2**20


def _count_read_bytes() -> int:
    fields = dict(line.split(": ") for line in pathlib.Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def test_a_far_start_is_reached_at_once(shards: shards_lib.Shards) -> None:
    ((position, _),) = _take(reader.read_shuffled(shards, 3, 4, start_position=10**9), 1)
    assert position == 10**9


def test_the_order_depends_on_the_seed_and_not_on_the_global_one(shards: shards_lib.Shards) -> None:
    first = _take(reader.read_shuffled(shards, 3, 4), 30)
    assert first != _take(reader.read_shuffled(shards, 4, 4), 30)
    tf.random.set_seed(99)
    try:
        assert first == _take(reader.read_shuffled(shards, 3, 4), 30)
    finally:
        tf.random.set_seed(None)
