from __future__ import annotations

import pathlib

import google_crc32c
import numpy as np
import pytest
import tensorflow as tf

from official_yolact.records import crc32c
from official_yolact.records import record_file


def test_the_checksum_is_computed_in_c() -> None:
    # Where its wheel has no extension, the package falls back to Python, which takes a second a megabyte.
    assert google_crc32c.implementation == "c"


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        pytest.param(b"123456789", 0xE3069283, id="digits"),
        pytest.param(bytes(32), 0x8A9136AA, id="zeros"),
        pytest.param(b"\xff" * 32, 0x62A8AB43, id="ones"),
        pytest.param(bytes(range(32)), 0x46DD794E, id="ascending"),
    ],
)
def test_checksums_are_those_of_rfc_3720_masked(data: bytes, checksum: int) -> None:
    stored = crc32c.masked_crc32c(data) - 0xA282EAD8 & 0xFFFFFFFF
    assert stored == checksum >> 15 | checksum % 2**15 << 17


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
