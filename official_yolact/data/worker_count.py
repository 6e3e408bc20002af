"""The one rule for how many processes or threads a data command may use."""

from __future__ import annotations

MOST = 256
"""More than any machine's cores; each needs memory, and a process needs a second to start."""


def check(workers: int) -> None:
    """Refuse an impossible number of workers.

    Args:
      workers: processes or threads.

    Raises:
      ValueError: fewer than 1, or more than `MOST`.
    """
    if not 1 <= workers <= MOST:
        raise ValueError(f"workers is {workers}: give 1 to {MOST}")
