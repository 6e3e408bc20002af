"""The one form of all that watches a training, and what it is given after each loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from official_yolact.dataloaders import unusable
from official_yolact.tasks import fault_record


class LoopTimes(NamedTuple):
    """Where the time of a training loop went; the step that was compiled in it is left out.

    Attributes:
      num_steps: steps that were timed.
      seconds: their duration, waiting for batches included.
      wait_seconds: of it, the time in which there was no batch.
    """

    num_steps: int = 0
    seconds: float = 0.0
    wait_seconds: float = 0.0


class LoopResult(NamedTuple):
    """What a training loop has measured.

    Attributes:
      step: global step at its end.
      num_examples: examples that it trained on.
      mask_loss: mean over its steps, weighted.
      unusable_share: share of its examples whose record could not be used.
      unusable: what is wrong with these records; those of earlier loops may come again.
      num_records: examples of an epoch of the data set.
      num_nonfinite: steps with a loss or gradient that was not finite.
      nonfinite: the first of these steps.
      times: of its steps; on a TPU none is timed.
    """

    step: int = 0
    num_examples: int = 0
    mask_loss: float = 0.0
    unusable_share: float = 0.0
    unusable: Sequence[unusable.Fault] = ()
    num_records: int = 0
    num_nonfinite: int = 0
    nonfinite: Sequence[fault_record.Fault] = ()
    times: LoopTimes = LoopTimes()


class Watcher(Protocol):
    """Watches for one thing that can go wrong in a training."""

    def update(self, result: LoopResult) -> str | None:
        """Look at a loop; return what a person should know of it, or None.

        Raises:
          ValueError: the training must end.
        """
        ...
