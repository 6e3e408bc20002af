"""What a function becomes under XLA, and what of it a TPU could not run.

Two looks at the same function: at TensorFlow's graph, whose operations are compared with those that
TensorFlow's build for TPUs compiles (`tpu_ops.json`, written by `list_tpu_ops.py`), and at the program
that XLA is given for it, before any optimisation, in which every shape has to be static.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_INSTRUCTION = re.compile(
    r"^\s*(?:ROOT )?%?(?P<name>[\w.-]+) = (?P<shape>.+?) (?P<opcode>[a-z][\w-]*)\((?P<rest>.*)$"
)
# Opcodes that leave the device or ask for a size that is known only when the program runs.
_HOST = frozenset({"infeed", "outfeed", "send", "recv", "send-done", "recv-done"})
_DYNAMIC = frozenset({"get-dimension-size", "dynamic-reshape"})
# Custom calls that every backend of XLA replaces itself.
_GENERAL_CUSTOM_CALLS = frozenset({"Sharding", "TopK", "ApproxTopK"})
# The function's own parameters; inside a compiled function they are `_Arg`.
_PARAMETER = "Placeholder"


def lower(function: Any, *specs: tf.TensorSpec) -> str:
    """Give the program that XLA would compile for a `tf.function`, as text."""
    return str(function.experimental_get_compiler_ir(*specs)(stage="hlo"))


def _read_instructions(program: str) -> Iterator[tuple[str, str, str, str]]:
    for line in program.splitlines():
        found = _INSTRUCTION.match(line)
        if found:
            yield found["name"], found["shape"], found["opcode"], found["rest"]


def _sets_the_whole(shape: str, rest: str, constants: dict[str, int]) -> bool:
    """Tell whether a set-dimension-size states what the static shape says already, as top_k's does."""
    size = re.search(r"s32\[\] %?([\w.-]+)\)", rest)
    axis = re.search(r"dimensions=\{(\d+)\}", rest)
    dimensions = re.match(r"\w+\[([\d,]*)\]", shape)
    if not (size and axis and dimensions):
        return False
    return constants.get(size[1]) == int(dimensions[1].split(",")[int(axis[1])])


def find_faults(program: str) -> list[str]:
    """List the instructions of a program that have a dynamic shape or leave the device."""
    constants = {
        name: int(value[1])
        for name, shape, opcode, rest in _read_instructions(program)
        if opcode == "constant" and shape == "s32[]" and (value := re.match(r"(-?\d+)\)", rest))
    }
    faults = []
    for name, shape, opcode, rest in _read_instructions(program):
        target = re.search(r'custom_call_target="([^"]+)"', rest)
        if (
            "<=" in shape
            or "?" in shape
            or opcode in _HOST | _DYNAMIC
            or (opcode == "set-dimension-size" and not _sets_the_whole(shape, rest, constants))
            or (opcode == "custom-call" and not (target and target[1] in _GENERAL_CUSTOM_CALLS))
        ):
            origin = re.search(r'op_name="([^"]+)"', rest)
            faults.append(
                f"{opcode} {shape} {target[1] if target else name} of {origin[1] if origin else '?'}"
            )
    return faults


def count_instructions(program: str) -> int:
    return sum(1 for _ in _read_instructions(program))


def list_nodes(concrete: Any) -> Iterator[Any]:
    """Go over the nodes of a traced function's graph and of all functions in it."""
    graph = concrete.graph.as_graph_def()
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


class TpuOps:
    """The operations, with their types, that TensorFlow's build for TPUs compiles."""

    def __init__(self) -> None:
        content = json.loads(pathlib.Path(__file__).with_name("tpu_ops.json").read_text(encoding="utf-8"))
        self.version: str = content["tensorflow"]
        sets = [frozenset(types) for types in content["type_sets"]]
        self.ops: dict[str, list[dict[str, frozenset[str]]]] = {
            op: [{name: sets[number] for name, number in row.items()} for row in rows]
            for op, rows in content["ops"].items()
        }

    def _fits(self, node: Any, row: dict[str, frozenset[str]]) -> bool:
        for name, allowed in row.items():
            value = node.attr[name]
            numbers = list(value.list.type) or ([value.type] if value.type else [])
            if not {tf.as_dtype(number).name for number in numbers} <= allowed:
                return False
        return True

    def find_missing(self, concrete: Any) -> set[str]:
        """Name what of a traced function is not in the list: the op, or the op with its types."""
        missing = set()
        for node in list_nodes(concrete):
            rows = self.ops.get(node.op)
            if rows is None:
                if node.op != _PARAMETER:
                    missing.add(node.op)
            elif not any(self._fits(node, row) for row in rows):
                shown = {name: str(node.attr[name]).strip() for name in rows[0]}
                missing.add(f"{node.op} {shown}")
        return missing
