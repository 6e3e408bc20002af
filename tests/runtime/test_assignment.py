"""The assignment against SciPy's."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from official_yolact_runtime import assignment


def test_no_other_pairs_have_a_larger_sum():
    rng = np.random.default_rng(0)
    for trial in range(300):
        values = np.where(rng.random(rng.integers(0, 9, 2)) < 0.5, 1.0, 0.0)
        values *= rng.integers(1, 4, values.shape) / 3 if trial % 3 == 0 else rng.random(values.shape)
        pairs = assignment.assign(values, 0.2)
        possible = np.where(values >= 0.2, values, 0.0)
        np.testing.assert_allclose(
            sum(values[pair] for pair in pairs), possible[linear_sum_assignment(-possible)].sum()
        )
        assert all(values[pair] >= 0.2 for pair in pairs)
        assert pairs == sorted(pairs)
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)


def test_a_pair_by_hand():
    # 0.9 alone would leave the second row without one; 0.8 + 0.7 is more.
    assert assignment.assign(np.array([[0.9, 0.8], [0.7, 0.0]]), 0.1) == [(0, 1), (1, 0)]
    assert assignment.assign(np.array([[0.9, 0.8], [0.7, 0.0]]), 0.85) == [(0, 0)]
    assert assignment.assign(np.zeros((0, 3)), 0.1) == []
