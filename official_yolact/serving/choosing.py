"""Which library computes a model, in which precision, and why."""

from __future__ import annotations

import os
from typing import NamedTuple

from official_yolact.environment import precision as precision_lib

PRECISIONS = ("auto", "float32", "bfloat16")


class Precision(NamedTuple):
    """In which numbers a network computes.

    Attributes:
      name: `float32` or `bfloat16`.
      reason: why, as a clause; empty where somebody has asked for it.
    """

    name: str
    reason: str = ""


def choose_precision(asked: str) -> Precision:
    """Choose the precision of a network in TensorFlow.

    Args:
      asked: one of `PRECISIONS`. `auto` is bfloat16 where a processor multiplies it in hardware: the network
        then needs half the time.

    Raises:
      ValueError: it is none of them.
    """
    if asked not in PRECISIONS:
        raise ValueError(f"precision is {asked!r}: expected one of {', '.join(PRECISIONS)}")
    if asked != "auto":
        return Precision(asked)
    if os.path.exists("/dev/nvidiactl"):
        return Precision("float32", "a GPU computes")
    name = precision_lib.find_bfloat16_instructions()
    if name:
        return Precision("bfloat16", f"this processor has {name}")
    return Precision("float32", "this processor would emulate bfloat16")
