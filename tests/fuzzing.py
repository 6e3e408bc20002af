"""Mutated inputs at one door of the library: counted, timed, measured, and held to bounds.

`OFFICIAL_YOLACT_MUTATIONS` says how many inputs each door gets, `OFFICIAL_YOLACT_FUZZ_REPORT` names a
file that gets a line of JSON for each door; `python tests/fuzzing.py FILE` prints these as a table.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pathlib
import random
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import peak_memory

COUNT = int(os.environ.get("OFFICIAL_YOLACT_MUTATIONS", "200"))
SECONDS = 20.0  # for one input, on a busy machine
MEBIBYTES = 512.0  # above what the process had before the input
READ, REFUSED = "read", "refused"

PARTS = (
    "NaN", "1e999", "-1", "1" + "0" * 400, "null", "true", '""', "[]", "{}", '"\\ud800"', '"\\u0000"',
    '"a\\nb"', "[" * 2000, '{"id":1,"id":2}', "\x00", "\ufeff", "0.5", '"1"', "[[[1]]]", ",",
)  # fmt: skip
_VALUES = (
    None, True, -1, 0, 0.5, 2**31, 2**63, 10**400, float("nan"), float("inf"), -1e308, "", "1", "x\ny",
    "\ud800", "a/../../b", [], {}, [[]], [None], {"a": 1},
)  # fmt: skip
_RESET = pathlib.Path("/proc/self/clear_refs")


def hold(door: str, inputs: Iterable[Any], call: Callable[[Any], str], seconds: float = SECONDS) -> None:
    """Hand inputs to a door and hold each to the bounds of time and memory.

    Args:
      door: its name in the report.
      inputs: mutated ones; making one is not counted.
      call: takes one and gives `READ` or `REFUSED`; whatever it raises is wrong.
      seconds: that one input may take.

    Raises:
      AssertionError: an input passed otherwise than read or refused, or took too much.
    """
    counts, wrong, longest, most = {READ: 0, REFUSED: 0}, [], 0.0, 0.0
    for number, given in enumerate(inputs):
        before, begin = _reset_peak(), time.monotonic()
        fault, came = "", ""
        try:
            came = call(given)
        except (Exception, SystemExit) as error:
            fault = f"{type(error).__name__}: {error}"[:600]
        took, grew = time.monotonic() - begin, (peak_memory.peak_kb() - before) / 1024
        if took > seconds or grew > MEBIBYTES:
            fault = fault or f"{took:.1f} s, {grew:.0f} MiB"
        if fault:
            wrong.append((number, fault, repr(given)[:300]))
        else:
            counts[came] += 1
        longest, most = max(longest, took), max(most, grew)
    report(door, counts[READ], counts[REFUSED], len(wrong), longest, most)
    assert not wrong, f"{door}: {len(wrong)} wrong: {wrong[:5]}"


def try_door(call: Callable[[], Any], name: str) -> str:
    """Call; a refusal must hold a name."""
    try:
        call()
    except (OSError, ValueError) as error:
        if name not in str(error) or "\n" in str(error):
            raise AssertionError(f"refused without {name!r}, or in several lines: {error}") from error
        return REFUSED
    return READ


def report(door: str, read: int, refused: int, wrong: int, seconds: float, mebibytes: float) -> None:
    """Append the account of a door to the file that the environment names."""
    path = os.environ.get("OFFICIAL_YOLACT_FUZZ_REPORT")
    row = {"door": door, "tried": read + refused + wrong, "refused": refused, "read": read, "wrong": wrong,
           "longest_s": round(seconds, 3), "peak_mib": round(mebibytes, 1)}  # fmt: skip
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def mutate_bytes(draw: random.Random, data: bytes, head: int = 400) -> bytes:
    """Change, cut, repeat or lengthen bytes, half of the time near the beginning."""
    changed = bytearray(data)
    end = min(len(changed), head) if draw.random() < 0.5 else len(changed)
    for _ in range(draw.randint(1, 7)):
        changed[draw.randrange(end)] = draw.randrange(256)
    kind = draw.randrange(6)
    if kind == 0:
        del changed[draw.randrange(len(changed)) :]
    elif kind == 1:
        at = draw.randrange(len(changed))
        changed[at:at] = changed[draw.randrange(len(changed)) :][: draw.choice((1, 8, 100))]
    elif kind == 2:
        changed += draw.randbytes(draw.choice((1, 12, 100)))
    return bytes(changed)


def mutate_json(draw: random.Random, content: Any) -> str:
    """Change the structure of a JSON value, or its text."""
    if draw.random() < 0.5:
        return mutate_text(draw, json.dumps(content))
    content = copy.deepcopy(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        _change_node(draw, content)
    return json.dumps(content)


def mutate_text(draw: random.Random, text: str, places: str = '"[{0123456789') -> str:
    """Put something else in the place of a value."""
    start = draw.choice([at for at, letter in enumerate(text) if letter in places])
    return text[:start] + draw.choice(PARTS) + text[start + draw.choice((0, 1, 1, 5, 20)) :]


def _change_node(draw: random.Random, content: Any) -> None:
    """Replace, remove or repeat one entry somewhere in a value."""
    nodes = [content]
    for node in nodes:
        inner = node.values() if isinstance(node, dict) else node
        nodes += [value for value in inner if isinstance(value, dict | list) and value]
    node = draw.choice(nodes)
    if not node:
        return
    key = draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
    kind = draw.randrange(4)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.insert(0, copy.deepcopy(node[key]))
    else:
        node[key] = copy.deepcopy(draw.choice(_VALUES))


def _reset_peak() -> int:
    """Begin to measure the peak anew where the system can, and give the present one in KiB."""
    with contextlib.suppress(OSError):
        _RESET.write_text("5")
    return peak_memory.peak_kb()


def print_table(path: str) -> None:
    """Print the report as a table in Markdown."""
    rows = [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]
    print("| Door | Tried | Refused | Read | Wrong | Longest | Peak memory |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for row in sorted(rows, key=lambda row: row["door"]):
        counts = " | ".join(f"{row[key]:,}" for key in ("tried", "refused", "read", "wrong"))
        print(f"| {row['door']} | {counts} | {row['longest_s']:.2f} s | {row['peak_mib']:.0f} MiB |")


if __name__ == "__main__":
    print_table(sys.argv[1])
