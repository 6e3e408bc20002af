"""How long a run will still take."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable

_WINDOW_SECONDS = 3600.0
_MAX_POINTS = 1000


class RemainingTime:
    """Estimates the remaining time from the last hour, evaluations and checkpoints included.

    The first loop compiles the step, so its duration is not used: before the second loop there is an
    estimate only if a throughput is known.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """Begin with no loops; `clock` returns seconds."""
        self._clock = clock
        self._points: collections.deque[tuple[float, int]] = collections.deque(maxlen=_MAX_POINTS)

    def update(self, step: int, num_steps: int, steps_per_second: float | None = None) -> float | None:
        """Add a loop that has ended.

        Args:
          step: global step at its end.
          num_steps: of the whole run.
          steps_per_second: of the last loop, used as long as nothing else is known.

        Returns:
          Seconds until the last step, None if unknown.
        """
        now = self._clock()
        if self._points and step <= self._points[-1][1]:
            # A recovery went back to a checkpoint.
            self._points.clear()
        self._points.append((now, step))
        while len(self._points) > 2 and now - self._points[0][0] > _WINDOW_SECONDS:
            self._points.popleft()
        begin, first = self._points[0]
        if step > first:
            return (num_steps - step) * (now - begin) / (step - first)
        return (num_steps - step) / steps_per_second if steps_per_second else None
