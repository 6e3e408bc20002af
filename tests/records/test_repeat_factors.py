"""How often an epoch shows the photos of rare classes."""

import math

import numpy as np
import pytest

from official_yolact.records import repeat_factors


def test_the_factors_are_those_of_the_paper_by_hand() -> None:
    # 16 records; class 1 in all, class 2 in one, twice, class 3 in four; nothing of class 4.
    records = np.array([*range(16), 5, 5, 5, 8, 9, 10])
    classes = np.array([1] * 16 + [2, 2, 3, 3, 3, 3])
    found = repeat_factors.Repeats.of(16, records, classes, 4, 0.5)
    np.testing.assert_allclose(found.class_factors, [1, math.sqrt(8), math.sqrt(2), 1])
    factors = 1 + np.diff(found.ends, prepend=0) / 2**32
    # Record 5 has the factor of its rarest class. The sum, 19.07, is rounded to 19.
    scale = 3 / (math.sqrt(8) - 1 + 3 * (math.sqrt(2) - 1))
    expected = np.ones(16)
    expected[5], expected[8:11] = 1 + scale * (math.sqrt(8) - 1), 1 + scale * (math.sqrt(2) - 1)
    np.testing.assert_allclose(factors, expected, atol=1e-9)
    assert found.epoch_length == 19


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 0.25])
def test_classes_that_are_not_below_the_threshold_repeat_nothing(threshold: float) -> None:
    found = repeat_factors.Repeats.of(8, np.arange(8), np.arange(8) % 4 + 1, 4, threshold)
    assert found.epoch_length == 8
    assert not found.ends.any()


def test_records_without_objects_come_once() -> None:
    nothing = np.zeros(0, np.int64)
    assert repeat_factors.Repeats.of(5, nothing, nothing, 3, 1.0).epoch_length == 5


@pytest.mark.parametrize(
    ("frequencies", "expected"),
    [
        pytest.param([1.0, 0.5, 0.04], 0.5, id="one rare class"),
        pytest.param([0.1] * 10, 0.0, id="equal classes"),
        pytest.param([0.3, 0.2, 0.1], 0.0, id="factors under 1.5"),
        pytest.param([0.9, 0.3, 0.0], 0.0, id="a class without objects"),
        pytest.param([0.0], 0.0, id="no objects"),
        pytest.param([], 0.0, id="no classes"),
    ],
)
def test_a_threshold_is_proposed_where_a_class_is_much_rarer_than_the_middle_one(
    frequencies: list[float], expected: float
) -> None:
    assert repeat_factors.propose_threshold(frequencies) == expected


def test_rare_classes_are_named_with_their_factors() -> None:
    names = [f"class {number}" for number in range(8)]
    text = repeat_factors.describe_factors(names, np.array([1, 1.01, 3.46, 1.5, 2, 2, 1.2, 1.3]))
    assert text == "class 2 3.5 times, class 5 2.0, class 4 2.0, class 3 1.5, class 7 1.3, 1 more classes"
