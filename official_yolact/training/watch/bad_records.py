"""A count of the records that training could not use, and the limit on it."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from official_yolact.dataloaders import unusable
from official_yolact.training.watch import watcher

_MAX_LISTED = 20


class BadRecords:
    """Counts examples that came out blank because their record could not be decoded."""

    def __init__(self, max_fraction: float):
        """Begin at 0; the limit is `task.train_data.max_bad_fraction`."""
        self._max_fraction = max_fraction
        self._bad = 0
        self._seen = 0
        self._faults: dict[tuple[str, int], unusable.Fault] = {}

    def update(self, result: watcher.LoopResult) -> str | None:
        """Count the examples of a loop; return a message when there were blank ones.

        Raises:
          ValueError: more than the limit of all examples so far, or, in the first epoch, of the data set
            were blank; the message lists the records known.
        """
        bad = round(result.num_examples * result.unusable_share)
        self._bad += bad
        self._seen += result.num_examples
        new = [fault for fault in result.unusable if (fault.file, fault.index) not in self._faults]
        self._faults.update({(fault.file, fault.index): fault for fault in new})
        if not bad:
            return None
        message = f"{self._bad} of {self._seen} records could not be used{self._count_reasons()}"
        known = self._faults.values()
        if self._bad > self._max_fraction * max(self._seen, result.num_records):
            raise ValueError(
                f"{message}, more than task.train_data.max_bad_fraction ({self._max_fraction}): convert the "
                f"data again, which names what is damaged, or raise the limit{list_faults(known)}"
            )
        return f"{message}; they teach nothing{list_faults(new)}"

    def _count_reasons(self) -> str:
        if not self._faults:
            return " (damaged image, mask or class id)"
        counts = collections.Counter(fault.reason for fault in self._faults.values())
        kinds = ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.items()))
        return f" (different records by reason: {kinds})"


def list_faults(faults: Iterable[unusable.Fault]) -> str:
    """Write faults as indented lines, the first twenty of them."""
    listed = list(faults)
    lines = [f"\n  {fault}" for fault in listed[:_MAX_LISTED]]
    more = len(listed) - len(lines)
    return "".join(lines) + (f"\n  and {more} more" if more else "")
