"""How many unusable records training bears."""

import pytest

from official_yolact.dataloaders import unusable
from official_yolact.training.watch import bad_records
from official_yolact.training.watch import watcher


def look(watch, num_examples, share, faults=(), num_records=0):
    return watch.update(watcher.LoopResult(0, num_examples, 0.0, share, faults, num_records))


def test_none_is_nothing_to_report():
    assert look(bad_records.BadRecords(0.001), 1000, 0.0) is None


def test_a_few_within_the_limit_are_counted_and_reported():
    watch = bad_records.BadRecords(0.01)
    assert "1 of 1000 records" in look(watch, 1000, 0.001)
    assert "3 of 2000 records" in look(watch, 1000, 0.002)


def test_more_than_the_limit_end_the_training_with_the_cure():
    with pytest.raises(
        ValueError, match=r"2 of 100 records.*max_bad_fraction \(0.01\).*convert the data again"
    ):
        look(bad_records.BadRecords(0.01), 100, 0.02)


def test_a_limit_of_one_bears_everything():
    assert look(bad_records.BadRecords(1.0), 10, 1.0)


FAULTS = [
    unusable.Fault("train-0.tfrecord", 7, "42", "image undecodable", "no known format"),
    unusable.Fault("train-1.tfrecord", 3, "", "record damaged", "wrong checksum at byte 90"),
]


def test_reasons_are_counted_and_the_records_named_once():
    watch = bad_records.BadRecords(0.01)
    first = look(watch, 1000, 0.002, FAULTS)
    assert "image undecodable: 1, record damaged: 1" in first
    assert "train-0.tfrecord: record 7, image 42: image undecodable (no known format)" in first
    again = look(watch, 1000, 0.002, FAULTS)
    assert "4 of 2000 records" in again
    assert "train-0.tfrecord" not in again


def test_the_end_of_the_training_lists_the_records():
    with pytest.raises(
        ValueError, match=r"(?s)record 7, image 42: image.*train-1.tfrecord: record 3: record dam"
    ):
        look(bad_records.BadRecords(0.0), 100, 0.02, FAULTS)


def test_one_bad_record_of_a_large_set_does_not_end_a_short_first_loop():
    watch = bad_records.BadRecords(0.001)
    assert look(watch, 100, 0.01, FAULTS[:1], num_records=100_000)
    with pytest.raises(ValueError, match="102 of 200 records"):
        look(watch, 100, 1.01, FAULTS, num_records=100_000)
