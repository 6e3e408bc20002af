"""What a check yields."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


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
    code: str, section: str, mask: NDArray[np.bool_], field: str = "", detail: str = ""
) -> list[Finding]:
    """Make the finding of the entries that are marked; none when none is."""
    positions = np.flatnonzero(mask)
    return [Finding(code, section, positions, field, detail)] if positions.size else []
