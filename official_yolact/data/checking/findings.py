"""What a check yields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

NUM_NOTED = 5
"""Positions of a finding that are shown as examples."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One kind of fault and where it is.

    Attributes:
      code: a row of `codes.CODES`.
      section: `images`, `annotations` or `categories`.
      positions: int64 [count] entries of that section of the view.
      field: the field of the entry to show as an example.
      detail: what the code's own sentence does not say: numbers, rules.
      notes: for the first positions, what to show besides.
    """

    code: str
    section: str
    positions: NDArray[np.int64]
    field: str = ""
    detail: str = ""
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of entries."""
        return int(self.positions.size)


def where(
    code: str,
    section: str,
    mask: NDArray[np.bool_],
    field: str = "",
    detail: str = "",
    note: Callable[[int], str] | None = None,
) -> list[Finding]:
    """Make the finding of the entries that are marked, none when none is; `note` describes a position."""
    positions = np.flatnonzero(mask)
    notes = tuple(note(at) for at in positions[:NUM_NOTED].tolist()) if note else ()
    return [Finding(code, section, positions, field, detail, notes)] if positions.size else []
