"""How long a run will still take."""

from __future__ import annotations

import collections
import statistics

_RECENT_STEPS = 100
_GROUP = 5
_RECENT_EVALUATIONS = 9


class RemainingTime:
    """Estimates the remaining time from the usual duration of a step and of an evaluation.

    The duration of a step is the median over groups of recent steps, so that a single slow one does not
    change it, while steps that wait for their input at regular intervals do.
    """

    def __init__(self, num_steps: int, evaluation_interval: int = 0) -> None:
        """Begin without any duration.

        Args:
          num_steps: of the whole run.
          evaluation_interval: steps between two evaluations; the last step is followed by one too. 0: the run
            has none.
        """
        self._num_steps = num_steps
        self._interval = evaluation_interval
        self._steps: collections.deque[float] = collections.deque(maxlen=_RECENT_STEPS)
        self._evaluations: collections.deque[float] = collections.deque(maxlen=_RECENT_EVALUATIONS)

    def add_step(self, seconds: float) -> None:
        """Add a step that was not compiled."""
        self._steps.append(seconds)

    def add_evaluation(self, seconds: float) -> None:
        """Add an evaluation, with all that is saved and drawn beside it."""
        self._evaluations.append(seconds)

    @property
    def step_seconds(self) -> float | None:
        """The usual duration of a step; None: not known yet."""
        steps = list(self._steps)
        groups = [steps[start : start + _GROUP] for start in range(len(steps) % _GROUP, len(steps), _GROUP)]
        return statistics.median(map(statistics.fmean, groups or [steps])) if steps else None

    def estimate(self, step: int) -> float | None:
        """Estimate the seconds until the end of the run; None: not known yet.

        Args:
          step: that was done last.
        """
        usual = self.step_seconds
        if usual is None:
            return None
        evaluation = statistics.median(self._evaluations) if self._evaluations else 0.0
        return (self._num_steps - step) * usual + self._count_evaluations(step) * evaluation

    def _count_evaluations(self, step: int) -> int:
        """Count the evaluations that follow a step; that of the step itself is still to be done."""
        if not self._interval:
            return 0
        last, rest = divmod(self._num_steps, self._interval)
        return last - (step - 1) // self._interval + (1 if rest else 0)
