"""Run lengths of COCO masks, read without the C code of pycocotools, which trusts its input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_CHARACTERS_PER_RUN = 6


def decompress(text: str | bytes) -> NDArray[np.int64]:
    """Read the run lengths of COCO's compressed form.

    Each run is a number in base 32, lowest digit first; a digit is a character from "0" on, its
    bit 5 says that more digits follow, bit 4 of the last digit is the sign. From the fourth run on
    the number is the difference to the run before the last.

    Args:
      text: the compressed counts.

    Returns:
      int64 [runs], background first; what they sum to, and their signs, are not checked.

    Raises:
      ValueError: a character out of range, an end within a number, or no run at all.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise ValueError("a character does not occur in compressed counts") from error
    digits = np.frombuffer(raw, np.uint8).astype(np.int64) - ord("0")
    if not digits.size:
        raise ValueError("compressed counts are empty")
    if digits.min() < 0 or digits.max() > 63:
        raise ValueError("a character does not occur in compressed counts")
    if digits[-1] & 32:
        raise ValueError("compressed counts end within a number")
    ends = np.flatnonzero((digits & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _MAX_CHARACTERS_PER_RUN:
        raise ValueError("a number in the compressed counts is larger than any image")
    power = np.arange(digits.size) - np.repeat(starts, lengths)  # [digits], 0 at the start of each number
    numbers = np.add.reduceat((digits & 31) << (5 * power), starts)  # [runs]
    numbers -= np.where(digits[ends] & 16, np.int64(1) << (5 * lengths), 0)
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return np.asarray(numbers, dtype=np.int64)
