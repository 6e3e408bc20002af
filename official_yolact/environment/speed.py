"""How fast a core of this machine is, measured in half a second without TensorFlow."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from official_yolact.environment import machine
from official_yolact.environment import precision

_PRODUCTS, _SIDE = 200, 64
_NUMBERS = 2_000_000
_SECONDS = 0.25  # of rounds, of which the best counts: on a shared machine a moment is slow now and then
# The machine on which the costs of steps were measured: an AMD EPYC with AVX-512 BF16, one core.
_REFERENCE_GFLOPS = 100.0
_REFERENCE_GIGANUMBERS = 5.2
_SERIAL = 0.04


@dataclasses.dataclass(frozen=True)
class Speed:
    """A machine beside the one that the costs of steps were measured on.

    Attributes:
      products: speed of a core in products of matrices, over that of the reference's core.
      passes: the same in passes over memory.
      processors: that may be kept busy at a time.
      bfloat16: whether they multiply it in hardware.
    """

    products: float = 1.0
    passes: float = 1.0
    processors: float = 2.0
    bfloat16: bool = True

    @property
    def parallel(self) -> float:
        """Seconds of the clock for a second of processor time: a small part of a step runs on one core."""
        return _SERIAL + (1.0 - _SERIAL) / max(self.processors, 1.0)


def measure() -> Speed:
    """Time small products and passes over memory; the time is the thread's, whatever else is running."""
    square = np.full((_SIDE, _SIDE), 0.5, np.float32)
    product, numbers = np.empty_like(square), np.full(_NUMBERS, 0.5, np.float32)
    passed = np.empty_like(numbers)

    def multiply() -> None:
        for _ in range(_PRODUCTS):
            np.matmul(square, square, out=product)

    def pass_over() -> None:
        np.maximum(numbers, 0.25, out=passed)
        np.multiply(passed, 1.5, out=passed)

    gflops = _PRODUCTS * 2 * _SIDE**3 / _time(multiply) / 1e9
    giganumbers = 2 * _NUMBERS / _time(pass_over) / 1e9
    quota, allowed = machine.read_cpu_quota(), machine.count_processors()
    return Speed(
        products=gflops / _REFERENCE_GFLOPS,
        passes=giganumbers / _REFERENCE_GIGANUMBERS,
        processors=min(allowed, quota or allowed),
        bfloat16=bool(precision.find_bfloat16_instructions()),
    )


def _time(work: Callable[[], None]) -> float:
    """Measure the least seconds of the thread over the rounds of a quarter of a second."""
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end or best == float("inf"):
        start = time.thread_time()
        work()
        best = min(best, time.thread_time() - start)
    return max(best, 1e-9)
