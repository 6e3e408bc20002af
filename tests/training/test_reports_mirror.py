"""Reports of a run in a bucket, for which a folder stands in; TensorFlow's memory appends to old files."""

import os

import tensorflow as tf

from official_yolact.training.reports import mirror


def read(path):
    with tf.io.gfile.GFile(path) as file:
        return file.read()


def write(path, text, modified):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.utime(path, ns=(modified, modified))


def test_files_are_copied_when_they_have_changed_and_the_table_goes_on(tmp_path):
    address = str(tmp_path / "bucket")
    first = mirror.Mirror(address)
    write(f"{first.folder}/results.csv", "a", 1)
    write(f"{first.folder}/pictures/one.png", "p", 1)
    logs = {"loss": 1.0}
    first.copy(logs)
    assert (read(f"{address}/results.csv"), read(f"{address}/pictures/one.png")) == ("a", "p")
    write(f"{first.folder}/results.csv", "ab", 2)
    # Unchanged, so not written again.
    with tf.io.gfile.GFile(f"{address}/pictures/one.png", "w") as file:
        file.write("kept")
    first.copy(logs)
    assert (read(f"{address}/results.csv"), read(f"{address}/pictures/one.png")) == ("ab", "kept")
    assert read(f"{mirror.Mirror(address).folder}/results.csv") == "ab"
    assert logs == {"loss": 1.0}
