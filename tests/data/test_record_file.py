from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.data import record_file
from official_yolact.ops import crc32c


def crc_bit_by_bit(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_checksums_are_those_of_rfc_3720(data: bytes, checksum: int) -> None:
    assert crc32c.crc32c(data) == checksum


@pytest.mark.parametrize("size", [4, 5, 7, 127, 128, 129, 255, 256, 257, 1000, 4097])
def test_checksums_are_those_computed_bit_by_bit(size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    assert crc32c.crc32c(data) == crc_bit_by_bit(data)


def test_tensorflow_reads_what_is_framed(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    written = [rng.bytes(size) for size in (4, 5, 100, 128, 129, 5000, 300_001)]
    (tmp_path / "a.tfrecord").write_bytes(b"".join(record_file.frame(record) for record in written))
    dataset = tf.data.TFRecordDataset(str(tmp_path / "a.tfrecord"))
    assert list(dataset.as_numpy_iterator()) == written


def test_an_example_has_the_bytes_of_tensorflows() -> None:
    ints = {"a": [1, -2, 2**62], "none": []}
    floats = {"f": [0.5, 1e-30]}
    strings = {"s": [b"\xff\0", b""], "zero": []}
    features = {
        **{key: tf.train.Feature(int64_list=tf.train.Int64List(value=value)) for key, value in ints.items()},
        **{
            key: tf.train.Feature(float_list=tf.train.FloatList(value=value)) for key, value in floats.items()
        },
        **{
            key: tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
            for key, value in strings.items()
        },
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    ours = record_file.serialize_example(ints, floats, strings)
    assert ours == example.SerializeToString(deterministic=True)
