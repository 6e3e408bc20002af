"""One field of many JSON entries as flat arrays, whatever the entries hold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OK = 0
CAST = 1
"""Usable after a cast: a decimal string, or a float without fraction."""
ABSENT = 2
BAD = 3
TEXT = 4
"""An id that is text, or a whole number beyond 64 bits; it has been given a number."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
States = NDArray[np.uint8]

_MAX_INT = 2**63 - 1
_DECIMAL = re.compile(r"-?[0-9]{1,19}")


def integers(values: Sequence[Any]) -> tuple[Ints, States]:
    """Read integers.

    Args:
      values: anything; None stands for a field that is absent.

    Returns:
      int64 [N], -1 where there is none, and states uint8 [N]: `OK`, `CAST`, `ABSENT`, `BAD`.
    """
    states = np.zeros(len(values), np.uint8)
    if set(map(type, values)) <= {int}:
        try:
            return np.asarray(values, np.int64).reshape(-1), states
        except OverflowError:
            pass
    numbers = np.full(len(values), -1, np.int64)
    for at, value in enumerate(values):
        number, states[at] = _integer(value)
        numbers[at] = number
    return numbers, states


def _integer(value: Any) -> tuple[int, int]:
    if value is None:
        return -1, ABSENT
    if type(value) is int:
        return (value, OK) if abs(value) <= _MAX_INT else (-1, BAD)
    text = isinstance(value, str) and _DECIMAL.fullmatch(value)
    integral = type(value) is float and value.is_integer() and abs(value) < 2.0**63
    if text or integral:
        number = int(value)
        return (number, CAST) if abs(number) <= _MAX_INT else (-1, BAD)
    return -1, BAD


def number_texts(values: Sequence[Any], numbers: Ints, states: States, known: dict[str | int, int]) -> None:
    """Give ids of `read_name` a number each, the same for the same; changes the arrays in place.

    Args:
      values: ids or references to ids.
      numbers: of `integers`.
      states: of `integers`.
      known: text or number to number; is extended when `values` are the ids themselves.
    """
    for at in np.flatnonzero(states == BAD).tolist():
        name = read_name(values[at])
        if name in known:
            numbers[at], states[at] = known[name], TEXT


def texts_to_numbers(values: Sequence[Any], numbers: Ints, states: States) -> dict[str | int, int]:
    """Choose numbers, above all that are used, for ids of `read_name`."""
    used = numbers[states <= CAST]
    spare = max(int(used.max()), 0) + 1 if used.size else 1
    known: dict[str | int, int] = {}
    for at in np.flatnonzero(states == BAD).tolist():
        name = read_name(values[at])
        if name and spare + len(known) <= _MAX_INT:
            known.setdefault(name, spare + len(known))
    return known


def read_name(value: Any) -> str | int:
    """Give an id that is no number of 64 bits but says which entry is meant: text, or a larger whole number.

    Returns:
      The text or the number; empty text for anything else.
    """
    if isinstance(value, str):
        return value
    whole = type(value) is int or (type(value) is float and value.is_integer())
    return int(value) if whole and abs(value) > _MAX_INT else ""


def floats(values: Sequence[Any]) -> tuple[Floats, States]:
    """Read numbers.

    Returns:
      float64 [N], NaN where there is none (and where the file has NaN), and states uint8 [N]: `OK`,
      `ABSENT`, `BAD`. Integers beyond float64 are infinite.
    """
    states = np.zeros(len(values), np.uint8)
    if set(map(type, values)) <= {int, float}:
        return as_floats(values), states
    numbers = np.full(len(values), np.nan)
    for at, value in enumerate(values):
        if type(value) in (int, float):
            numbers[at] = as_float(value)
        else:
            states[at] = ABSENT if value is None else BAD
    return numbers, states


def as_floats(values: Sequence[float]) -> Floats:
    """Turn ints and floats into float64; what is beyond is infinite."""
    try:
        return np.fromiter(values, np.float64, len(values))
    except OverflowError:
        return np.array([as_float(value) for value in values])


def as_float(value: float) -> float:
    """Turn an int or float into a float; what is beyond is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def boxes(values: Sequence[Any]) -> tuple[Floats, States]:
    """Read lists of four numbers.

    Returns:
      float64 [N, 4], NaN where there is none, and states uint8 [N]: `OK`, `ABSENT` (also an empty
      list), `BAD`.
    """
    result = np.full((len(values), 4), np.nan)
    states = np.zeros(len(values), np.uint8)
    for at, value in enumerate(values):
        if type(value) is list and len(value) == 4 and {int, float}.issuperset(map(type, value)):
            try:
                result[at] = value
            except OverflowError:
                result[at] = as_floats(value)
        else:
            states[at] = ABSENT if value is None or value == [] else BAD
    return result, states


def several(groups: NDArray[np.int64], numbers: Ints) -> NDArray[np.bool_]:
    """Mark the entries of groups whose numbers are not all the same.

    Args:
      groups: int64 [N] number of the group, from 0.
      numbers: int64 [N].

    Returns:
      bool [N].
    """
    if not groups.size:
        return np.zeros(0, np.bool_)
    least = np.full(groups.max() + 1, np.iinfo(np.int64).max)
    most = np.full(groups.max() + 1, np.iinfo(np.int64).min)
    np.minimum.at(least, groups, numbers)
    np.maximum.at(most, groups, numbers)
    return np.asarray((least != most)[groups])


def later(numbers: Ints, positions: Ints) -> NDArray[np.bool_]:
    """Mark, of the entries at some positions, those whose number another has at an earlier position."""
    marked = np.zeros(numbers.size, np.bool_)
    _, first = np.unique(numbers[positions], return_index=True)
    marked[np.delete(positions, first)] = True
    return marked


def find(keys: Ints, usable: NDArray[np.bool_], wanted: Ints) -> Ints:
    """Find, for each wanted id, the position of its first entry.

    Args:
      keys: int64 [K] ids.
      usable: bool [K] which keys count.
      wanted: int64 [N].

    Returns:
      int64 [N], -1 where no usable key is equal.
    """
    at = np.flatnonzero(usable)
    unique, first = np.unique(keys[at], return_index=True)
    if not unique.size:
        return np.full(len(wanted), -1, np.int64)
    place = np.searchsorted(unique, wanted).clip(max=unique.size - 1)
    return np.where(unique[place] == wanted, at[first[place]], -1)
