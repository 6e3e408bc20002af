"""Which weights a model was loaded with."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class LoadedWeights:
    """The weights of a loaded model.

    Attributes:
      checkpoint: where they came from, without `.index`.
      step: of the training; 0 for an import.
      kind: `best` of the run's evaluations, `training` for a checkpoint of its steps, or `import`.
      is_averaged: whether they are the moving average of the weights; None: the run keeps no average.
    """

    checkpoint: str
    step: int
    kind: str
    is_averaged: bool | None

    def __str__(self) -> str:
        """Say it in one line."""
        if self.kind == "import":
            return f"{self.checkpoint}: imported weights"
        which = "averaged weights" if self.is_averaged else "weights of that step"
        if self.is_averaged is False:
            which += ", not averaged"
        best = ", the best of the run's evaluations" if self.kind == "best" else ""
        return f"{self.checkpoint}: step {self.step:,}, {which}{best}"

    def as_dict(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return dataclasses.asdict(self)
