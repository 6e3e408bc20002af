"""One thing that was looked at in the environment."""

from __future__ import annotations

import dataclasses

OK = "OK"
WARN = "WARN"
FAIL = "FAIL"
LEVELS = (OK, WARN, FAIL)
"""From good to bad; the index of the worst is the exit code of `yolact doctor`."""


@dataclasses.dataclass(frozen=True)
class Observation:
    """What was found, and what to do about it.

    Attributes:
      topic: a word, such as `python` or `disk`.
      status: one of `LEVELS`.
      message: what was found.
      cure: what to do; empty where nothing needs to be done.
    """

    topic: str
    status: str
    message: str
    cure: str = ""

    def __str__(self) -> str:
        """Write it as a line of the report, with the cure below it."""
        line = f"{self.status:<4}  {self.topic:<12}  {self.message}"
        return f"{line}\n{'':<20}{self.cure}" if self.cure else line
