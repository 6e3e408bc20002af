"""How many unusable records training bears."""

import pytest

from official_yolact.training import bad_records


def test_none_is_nothing_to_report():
    assert bad_records.BadRecords(0.001).update(1000, 0.0) is None


def test_a_few_within_the_limit_are_counted_and_reported():
    watch = bad_records.BadRecords(0.01)
    assert "1 of 1000 records" in watch.update(1000, 0.001)
    assert "3 of 2000 records" in watch.update(1000, 0.002)


def test_more_than_the_limit_end_the_training_with_the_cure():
    with pytest.raises(
        ValueError, match=r"2 of 100 records.*max_bad_fraction \(0.01\).*convert the data again"
    ):
        bad_records.BadRecords(0.01).update(100, 0.02)


def test_a_limit_of_one_bears_everything():
    assert bad_records.BadRecords(1.0).update(10, 1.0)
