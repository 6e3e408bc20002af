"""A count of the records that training could not use, and the limit on it."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from typing import Any

_MAX_LISTED = 20


class BadRecords:
    """Counts examples that came out blank because their record could not be decoded."""

    def __init__(self, max_fraction: float, section: str = "task.train_data"):
        """Take the limit.

        Args:
          max_fraction: `max_bad_fraction` of the section.
          section: of the configuration, for messages.
        """
        self._max_fraction = max_fraction
        self._section = section
        self._bad = 0
        self._seen = 0
        self._faults: dict[tuple[str, int], Any] = {}

    def update(
        self, num_seen: int, bad_fraction: float, faults: Sequence[Any] = (), num_records: int = 0
    ) -> str | None:
        """Take the examples of a loop.

        Args:
          num_seen: examples of the loop.
          bad_fraction: part of them that was blank.
          faults: what is wrong with the records behind them, each a `dataloaders.unusable.Fault`;
            those of earlier loops may come again.
          num_records: of the data set; before one epoch is over, the limit is a part of these.

        Returns:
          A message when there were any; otherwise None.

        Raises:
          ValueError: more than the limit of all examples so far were blank; the message lists the
            records known.
        """
        bad = round(num_seen * bad_fraction)
        self._bad += bad
        self._seen += num_seen
        new = [fault for fault in faults if (fault.file, fault.index) not in self._faults]
        self._faults.update({(fault.file, fault.index): fault for fault in new})
        if not bad:
            return None
        message = f"{self._bad} of {self._seen} records could not be used{self._count_reasons()}"
        known = self._faults.values()
        if self._bad > self._max_fraction * max(self._seen, num_records):
            raise ValueError(
                f"{message}, more than {self._section}.max_bad_fraction ({self._max_fraction}): convert the "
                f"data again, which names what is damaged, or raise the limit{list_faults(known)}"
            )
        return f"{message}; they teach nothing{list_faults(new)}"

    def _count_reasons(self) -> str:
        if not self._faults:
            return " (damaged image, mask or class id)"
        counts = collections.Counter(fault.reason for fault in self._faults.values())
        kinds = ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.items()))
        return f" (different records by reason: {kinds})"


def list_faults(faults: Iterable[Any]) -> str:
    """Write faults as indented lines, the first twenty of them."""
    listed = list(faults)
    lines = [f"\n  {fault}" for fault in listed[:_MAX_LISTED]]
    more = len(listed) - len(lines)
    return "".join(lines) + (f"\n  and {more} more" if more else "")
