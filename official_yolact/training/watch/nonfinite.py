"""What follows a training step whose losses or gradients are not finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from official_yolact.configs import training as configs
from official_yolact.tasks import fault_record
from official_yolact.training import errors
from official_yolact.training.watch import watcher

_MAX_IDS = 32
_LIMIT = "steps were not finite, more than trainer.max_nonfinite_steps"
_CURE = (
    "look at the images named above, lower the learning rate or lengthen its warm-up, set "
    "global_clipnorm of the optimizer, or use bfloat16 in place of float16"
)


class NonfiniteError(errors.TrainingError):
    """Training was ended by a loss or gradient that is not finite."""


class Verdict(NamedTuple):
    """What the controller is to do after a loop.

    Attributes:
      action: `go_on`, `restore` or `stop`.
      step: with `stop`, updates that were done before the fault, where none was done since; else -1.
      message: names the fault.
    """

    action: str = "go_on"
    step: int = -1
    message: str = ""


class NonfiniteGuard:
    """Names the steps that were not finite and decides by `trainer.nonfinite` what follows.

    Such a step has changed nothing, whatever the policy. After `restore` the run repeats it. A fault of
    the machine is gone by then, and the run ends as if there had been none. A fault of the data or the
    weights happens again: the run then skips the step instead of going back for ever.

    Attributes:
      total: steps that were not finite since the process began.
      verdict: what is to follow the last loop.
    """

    def __init__(self, config: configs.TrainerConfig):
        """Read the policy and its limit from the section `trainer`."""
        self._policy = config.nonfinite
        self._limit = config.max_nonfinite_steps
        self._restored_for: set[int] = set()
        self.total = 0
        self.verdict = Verdict()

    @property
    def halts(self) -> bool:
        """Whether no step may change anything after a fault."""
        return self._policy == "stop"

    def update(self, result: watcher.LoopResult) -> str | None:
        """Decide what follows a loop; return a message that names its steps that were not finite."""
        self.verdict = Verdict()
        if not result.num_nonfinite:
            return None
        self.total += result.num_nonfinite
        self.verdict = self._decide(result.nonfinite)
        lines = [describe(fault) for fault in result.nonfinite]
        more = result.num_nonfinite - len(lines)
        return "\n".join([*lines, f"and {more} more steps that were not finite"] if more else lines)

    def _decide(self, faults: Sequence[fault_record.Fault]) -> Verdict:
        first = describe(faults[0])
        if self._policy == "stop":
            return Verdict("stop", faults[0].step, f"{first}. trainer.nonfinite is stop; {_CURE}")
        if self.total > self._limit:
            return Verdict(
                "stop",
                -1,
                f"{self.total} {_LIMIT} ({self._limit}); the first of the last ones: {first}; {_CURE}",
            )
        new = {fault.step for fault in faults} - self._restored_for
        if self._policy == "skip" or not new:
            return Verdict()
        self._restored_for |= new
        return Verdict("restore", -1, first)


def describe(fault: fault_record.Fault) -> str:
    """Name a fault by its step, its loss terms or first gradient, and its images."""
    terms = [name for name in fault.terms if name != "total_loss"] or list(fault.terms)
    if terms:
        what = f"{' and '.join(terms)} not finite"
    else:
        others = f" and of {fault.num_gradients - 1} other variables" if fault.num_gradients > 1 else ""
        what = f"gradient of {fault.gradient}{others} not finite, though the losses are"
    ids = ", ".join(str(number) for number in fault.image_ids[:_MAX_IDS])
    ids += ", ..." if len(fault.image_ids) > _MAX_IDS else ""
    return f"step {fault.step + 1}: {what}; nothing was changed by it; images of its batch: {ids}"
