"""What is read from the manifest beside the shards."""

import json
import os
import pathlib

import pytest

from official_yolact.dataloaders import manifests


def test_classes_and_ground_truth_of_a_conversion_are_found(tiny_records):
    found = manifests.load_categories(f"{tiny_records}/train-*.tfrecord")
    assert found.names == ("circle", "square", "triangle", "star", "ellipse", "ring")
    assert found.ids == (1, 2, 3, 4, 5, 6)
    assert (
        manifests.find_annotations(f"{tiny_records}/val-*.tfrecord") == f"{tiny_records}/instances-val.json"
    )


def test_images_with_more_instances_than_rows_are_counted(tiny_records):
    listed = json.loads(pathlib.Path(tiny_records, "instances-train.json").read_text())
    counts = [sum(a["image_id"] == image["id"] for a in listed["annotations"]) for image in listed["images"]]
    for limit in range(7):
        expected = sum(count > limit for count in counts)
        assert manifests.count_overfull(f"{tiny_records}/train-*.tfrecord", limit) == expected


def test_shards_without_a_manifest_are_named_with_the_cure(tiny_records, tmp_path):
    os.link(f"{tiny_records}/train-00000-of-00001.tfrecord", tmp_path / "train-0.tfrecord")
    with pytest.raises(FileNotFoundError, match=r"no manifest-\*.json lists .*train-0.tfrecord: convert"):
        manifests.load_categories(f"{tmp_path}/train-*.tfrecord")
