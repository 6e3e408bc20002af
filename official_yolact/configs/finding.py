"""One thing that is wrong with a configuration."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from absl import logging

ERROR = "error"
WARNING = "warning"
KEEP_DEFAULT = "delete the line to keep the default"
_MAX_VALUE = 80


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is wrong, where it was written, and what to write instead.

    Attributes:
      path: key path, such as `trainer.train_steps`; empty for a file as a whole.
      value: what stands there, as text; empty where there is no value.
      rule: the rest of a sentence that begins with the value.
      cure: what to do.
      severity: `error`, or `warning` for what can be used but has no effect or is likely a slip.
      origin: file, `override`, or the experiment whose default it is.
      line: of the file, from 1; None where there is no file.
      others: further keys that the rule reads; the line is that of the first that was written.
    """

    path: str
    value: str
    rule: str
    cure: str
    severity: str = ERROR
    origin: str = ""
    line: int | None = None
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write the finding as one line: place, key, value, rule, cure."""
        place = f"{self.origin}:{self.line}: " if self.line else f"{self.origin}: " if self.origin else ""
        key = f"{self.path}: " if self.path else ""
        joint = "" if not self.value else ", " if self.rule.startswith(("expected", "but")) else " "
        return f"{place}{key}{self.value}{joint}{self.rule}; {self.cure}"

    def as_dict(self) -> dict[str, Any]:
        """Write the finding as JSON has it."""
        names = ("severity", "origin", "line", "path", "value", "rule", "cure")
        return {name: getattr(self, name) for name in names}


def about(
    config: Any, path: str, rule: str, cure: str, others: Sequence[str] = (), severity: str = ERROR
) -> Finding:
    """Say what is wrong with the value that a configuration has at a key path; see `Finding`."""
    value = read(config, path)
    shown = show(list(value) if isinstance(value, tuple) else value)
    return Finding(path, shown, rule, cure, severity, others=tuple(others))


def read(config: Any, path: str) -> Any:
    """Read the value at a key path."""
    return functools.reduce(getattr, path.split("."), config)


def show(value: Any) -> str:
    """Write a value as a message shows it: in Python's form, cut where it is long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # a number of thousands of digits has no text either
        text = f"a {type(value).__name__}"
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 3]}..."


def report(findings: list[Finding]) -> None:
    """Raise one ValueError that lists every error among the findings, or log the warnings."""
    errors = [str(finding) for finding in findings if finding.severity == ERROR]
    if errors:
        raise ValueError("the configuration cannot be used:\n  " + "\n  ".join(errors))
    for warning in findings:
        logging.warning("%s", warning)
