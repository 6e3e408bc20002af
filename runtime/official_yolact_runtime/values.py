"""Values of a JSON file: whole numbers, numbers, and how messages show them."""

from __future__ import annotations

import re
import reprlib
import sys
from typing import Any

MAX_ID = 2**63 - 1


def parse_int(where: str, field: str, value: Any) -> int:
    """Take an int, an integral float or a decimal string as an int.

    Raises:
      ValueError: anything else, or beyond 64 bits.
    """
    digits = isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value)
    integral = isinstance(value, float) and value.is_integer()
    if digits or integral or (isinstance(value, int) and not isinstance(value, bool)):
        result = int(value)
        if abs(result) <= MAX_ID:
            return result
    raise ValueError(f"{where}: {field} is {shorten(value)}: give an integer")


def parse_name(value: Any) -> str:
    """Take text, a number, or a list of one of these as a name; empty text for anything else."""
    if type(value) is list and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return value
    is_number = is_finite(value) and abs(value) <= MAX_ID
    return str(value) if is_number else ""


def parse_number(where: str, field: str, value: Any) -> float:
    """Take a finite number.

    Raises:
      ValueError: anything else.
    """
    if is_finite(value):
        return float(value)
    raise ValueError(f"{where}: {field} is {shorten(value)}: give a finite number")


def is_finite(value: Any) -> bool:
    """Tell whether a value is a number that a float can hold; a JSON file may have larger integers."""
    largest = sys.float_info.max
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -largest <= value <= largest


def shorten(value: Any) -> str:
    """Show a value in at most one short line."""
    return reprlib.repr(value)
