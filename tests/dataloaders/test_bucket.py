"""Records behind an address, as of a bucket: TensorFlow's file system in memory stands in for one."""

import os
import re

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import input_reader
from official_yolact.dataloaders import manifests
from official_yolact.dataloaders import shards
from official_yolact.files import storage


@pytest.fixture(scope="module")
def bucket(tiny_records):
    """Address of a folder with the records, their manifests and annotations."""
    folder = "ram://records"
    tf.io.gfile.makedirs(folder)
    for name in os.listdir(tiny_records):
        tf.io.gfile.copy(os.path.join(tiny_records, name), f"{folder}/{name}", overwrite=True)
    return folder


@pytest.mark.parametrize("verify", ["none", "sizes", "records", "sha256"])
def test_shards_are_found_and_checked_in_a_bucket(bucket, verify):
    assert shards.find_shards(f"{bucket}/train-*.tfrecord", 7, verify).num_records == 12


def test_manifests_and_annotations_are_found_in_a_bucket(bucket, tiny_records):
    here, there = f"{tiny_records}/val-*.tfrecord", f"{bucket}/val-*.tfrecord"
    assert manifests.load_categories(there) == manifests.load_categories(here)
    assert manifests.find_annotations(there).startswith(bucket)
    assert manifests.count_overfull(there, 1) == manifests.count_overfull(here, 1) > 0


def test_a_file_that_cannot_be_copied_from_a_bucket_is_named():
    path = "ram://records/instances-gone.json"
    with pytest.raises(FileNotFoundError, match=re.escape(path)), storage.fetch(path):
        raise AssertionError("there was a copy")


@pytest.mark.parametrize("is_training", [True, False])
def test_batches_from_a_bucket_are_those_from_a_disk(bucket, tiny_records, is_training):
    model = configs.YolactModel(num_classes=7, input_size=[64, 64])
    split = "train" if is_training else "val"
    batches = []
    for folder in (tiny_records, bucket):
        data = configs.DataConfig(
            input_path=f"{folder}/{split}-*.tfrecord", global_batch_size=4, is_training=is_training
        )
        dataset = input_reader.build_dataset(data, model, seed=3)
        batches.append([tf.nest.flatten(batch) for batch in dataset.take(2)])
    for here, there in zip(*batches, strict=True):
        for expected, found in zip(here, there, strict=True):
            np.testing.assert_array_equal(found, expected)
