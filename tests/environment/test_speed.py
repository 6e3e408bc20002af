"""What the measured speed of a machine depends on."""

import itertools
import time

import numpy as np

from official_yolact.environment import speed


def test_slow_moments_do_not_count(monkeypatch):
    plain, multiply, calls = speed.measure(), np.matmul, itertools.count()

    def multiply_slowly_at_first(*args, **kwargs):
        end = time.thread_time() + (1e-4 if next(calls) < 1000 else 0.0)
        while time.thread_time() < end:
            pass
        return multiply(*args, **kwargs)

    monkeypatch.setattr(speed.np, "matmul", multiply_slowly_at_first)
    assert speed.measure().products > 0.2 * plain.products
    monkeypatch.setattr(speed.np, "matmul", multiply)
    assert next(calls) > 1000
