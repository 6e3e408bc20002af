"""A count of the records that training could not use, and the limit on it."""

from __future__ import annotations


class BadRecords:
    """Counts examples that came out blank because their record could not be decoded."""

    def __init__(self, max_fraction: float):
        """Take the limit.

        Args:
          max_fraction: `task.train_data.max_bad_fraction`.
        """
        self._max_fraction = max_fraction
        self._bad = 0
        self._seen = 0

    def update(self, num_seen: int, bad_fraction: float) -> str | None:
        """Take the examples of a training loop.

        Args:
          num_seen: examples of the loop.
          bad_fraction: part of them that was blank.

        Returns:
          A message when there were any; otherwise None.

        Raises:
          ValueError: more than the limit of all examples so far were blank.
        """
        bad = round(num_seen * bad_fraction)
        self._bad += bad
        self._seen += num_seen
        if not bad:
            return None
        message = f"{self._bad} of {self._seen} records could not be used (damaged image, mask or class id)"
        if self._bad > self._max_fraction * self._seen:
            raise ValueError(
                f"{message}, more than task.train_data.max_bad_fraction ({self._max_fraction}): convert the "
                "data again, which names what is damaged, or raise the limit"
            )
        return f"{message}; they teach nothing"
