"""Fixtures of the tests of the data commands."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np
import pytest

StoredMasks = dict[str, list[tuple[int, bool, np.ndarray]]]
"""File name to class, crowd and mask of each instance in a record."""


@pytest.fixture
def convert_and_read(tmp_path: pathlib.Path) -> Callable[[str, str], StoredMasks]:
    """Convert a COCO file and give what the records hold."""

    def run(annotations: str, images_dir: str) -> StoredMasks:
        import tensorflow as tf

        from official_yolact.data import convert

        output = tmp_path / "records"
        manifest = convert.convert_coco(annotations, images_dir, str(output), "train")
        result = {}
        for data in tf.data.TFRecordDataset([str(output / shard.file) for shard in manifest.shards]):
            feature = tf.train.Example.FromString(data.numpy()).features.feature
            name = feature["image/filename"].bytes_list.value[0].decode()
            result[name] = [
                (label, bool(crowd), tf.io.decode_png(png).numpy()[..., 0] != 0)
                for label, crowd, png in zip(
                    feature["image/object/class/label"].int64_list.value,
                    feature["image/object/is_crowd"].int64_list.value,
                    feature["image/object/mask"].bytes_list.value,
                    strict=True,
                )
            ]
        return result

    return run
