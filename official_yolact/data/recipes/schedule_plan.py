"""How many steps a time has room for, and when there is a line, a checkpoint and an evaluation."""

from __future__ import annotations

import dataclasses
import math

START_SECONDS = 30.0
"""Until the first step is done: imports, the network, the compilation."""

_LINE_SECONDS = 8.0
_MAX_LOOP = 100
_EVALUATIONS = 10
_QUIET_SECONDS = 300.0
_SHARE = 12.0
"""An evaluation follows so many times its own length, unless that is too long a silence."""
_SPARE = 0.95


@dataclasses.dataclass(frozen=True)
class Plan:
    """The times of a training.

    Attributes:
      steps: of the training.
      step_seconds: of one, estimated.
      evaluations: of the run, the one at its end included.
      evaluation_seconds: of one, estimated.
    """

    steps: int
    step_seconds: float
    evaluations: int
    evaluation_seconds: float

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return START_SECONDS + self.steps * self.step_seconds + self.evaluations * self.evaluation_seconds

    @property
    def interval(self) -> int:
        """Steps from one evaluation and checkpoint to the next."""
        return max(1, math.ceil(self.steps / self.evaluations))

    @property
    def loop(self) -> int:
        """Steps from one line of progress to the next: about eight seconds."""
        return max(1, min(_MAX_LOOP, self.interval, int(_LINE_SECONDS / self.step_seconds)))


def plan_steps(steps: int, step_seconds: float, evaluation_seconds: float) -> Plan:
    """Place the evaluations of a training of so many steps.

    The first comes within a tenth of the run, or within five minutes where evaluations are long.
    """
    run = START_SECONDS + steps * step_seconds
    longest = max(_QUIET_SECONDS, run / _EVALUATIONS)
    pause = min(max(run / _EVALUATIONS, _SHARE * evaluation_seconds), longest)
    evaluations = min(steps, max(1, math.ceil(steps * step_seconds / pause)))
    return Plan(steps, step_seconds, evaluations, evaluation_seconds)


def plan_seconds(seconds: float, most: int, step_seconds: float, evaluation_seconds: float) -> Plan:
    """Plan as many steps as a time has room for, evaluations included.

    Args:
      seconds: that the run may take; a twentieth is spared.
      most: steps that are of use.
      step_seconds: of a step.
      evaluation_seconds: of an evaluation.

    Returns:
      A plan of one step at least.
    """
    low, high = 1, max(most, 1)
    while low < high:
        middle = (low + high + 1) // 2
        fits = plan_steps(middle, step_seconds, evaluation_seconds).seconds <= _SPARE * seconds
        low, high = (middle, high) if fits else (low, middle - 1)
    return plan_steps(low, step_seconds, evaluation_seconds)
