"""The moving average of the weights."""

import forks


def test_swapping_twice_leaves_every_bit_as_it_was():
    forks.run_beside(__file__, "swapped_weights.py")
