"""The one rule for how many processes or threads a command of the data may be told to use."""

from __future__ import annotations

MOST = 256
"""More than any machine's cores; each takes memory, and processes of their own take a second to start."""


def check(workers: int) -> None:
    """Refuse a number of workers that none is.

    Args:
      workers: processes or threads.

    Raises:
      ValueError: fewer than 1, or more than `MOST`.
    """
    if not 1 <= workers <= MOST:
        raise ValueError(f"workers is {workers}: give 1 to {MOST}")
