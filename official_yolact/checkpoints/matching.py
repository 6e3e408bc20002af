"""Whether a checkpoint and the objects that are to be restored from it are of one kind."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from official_yolact.checkpoints import stored_model

# Of the bookkeeping, not of the training.
_NOT_STATE = ("save_counter",)


@dataclasses.dataclass(frozen=True)
class Match:
    """What a restore would do.

    Attributes:
      num_matched: variables, slots of the optimizer included, that have a stored value that fits.
      missing: paths of variables without a stored value.
      unfit: of each variable with one of another shape or type: path, and what is there and here.
      unused: paths of stored values that belong to no variable.
    """

    num_matched: int
    missing: tuple[str, ...]
    unfit: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in one line."""
        total = self.num_matched + len(self.missing) + len(self.unfit)
        return f"restored {self.num_matched}/{total} variables, {len(self.unused)} stored values not used"


class _Comparison:
    """The variables below an object, compared with the values of a checkpoint."""

    def __init__(self, checkpoint: str) -> None:
        self._graph = stored_model.ObjectGraph(checkpoint)
        self._types = self._graph.reader.get_variable_to_dtype_map()
        self.missing: list[str] = []
        self.unfit: list[str] = []
        self.used: set[str] = set()
        self.num_matched = 0

    def visit(self, root: Any) -> None:
        """Compare all below an object with all below the first node; then the optimizers' slots."""
        variables: dict[int, tuple[Any, str]] = {}
        optimizers: list[tuple[str, Any, int | None]] = []
        for path, thing, node in self._graph.walk(root):
            if isinstance(thing, tf.Variable):
                self._compare(path, thing, node)
                if node is not None:
                    variables[node] = (thing, path)
            elif callable(getattr(type(thing), "get_slot_names", None)):
                optimizers.append((path, thing, node))
        for path, optimizer, node in optimizers:
            self._visit_slots(path, optimizer, node, variables)

    def list_paths(self) -> dict[str, str]:
        """List all stored values, slots included: key to path."""
        paths = self._graph.list_paths()
        for node, path in list(paths.items()):
            for slot in self._graph.nodes[node].slot_variables:
                variable = paths.get(slot.original_variable_node_id, "?")
                paths[slot.slot_variable_node_id] = f"{path}/{slot.slot_name}({variable})"
        keys = {self._graph.find_key(node): path for node, path in paths.items()}
        return {key: path for key, path in keys.items() if key is not None}

    def _visit_slots(
        self, path: str, optimizer: Any, node: int | None, variables: dict[int, tuple[Any, str]]
    ) -> None:
        nodes = {}
        for slot in self._graph.nodes[node].slot_variables if node is not None else ():
            nodes[slot.original_variable_node_id, slot.slot_name] = slot.slot_variable_node_id
        for number, (variable, name) in variables.items():
            for slot_name in optimizer.get_slot_names():
                slot_variable = _get_slot(optimizer, variable, slot_name)
                if slot_variable is not None:
                    where = f"{path}/{slot_name}({name})"
                    self._compare(where, slot_variable, nodes.get((number, slot_name)))

    def _compare(self, path: str, variable: Any, node: int | None) -> None:
        key = self._graph.find_key(node)
        if key is None:
            self.missing.append(path)
            return
        self.used.add(key)
        there = (list(self._graph.shapes[key]), tf.as_dtype(self._types[key]).name)
        here = (list(variable.shape), tf.as_dtype(variable.dtype).base_dtype.name)
        if there == here:
            self.num_matched += 1
        else:
            self.unfit.append(f"{path}: {there[1]} {there[0]} there, {here[1]} {here[0]} here")


def match_objects(root: Any, checkpoint: str) -> Match:
    """Compare objects with a checkpoint, without changing them.

    Args:
      root: what is to be restored, such as a `tf.train.Checkpoint`, its variables and slots made.
      checkpoint: its name, without `.index`.

    Returns:
      What fits, and what does not.

    Raises:
      ValueError: the checkpoint is damaged.
    """
    found = _Comparison(checkpoint)
    found.visit(root)
    unused = [path for key, path in found.list_paths().items() if key not in found.used]
    return Match(
        found.num_matched,
        tuple(path for path in found.missing if path not in _NOT_STATE),
        tuple(found.unfit),
        tuple(sorted(path for path in unused if path not in _NOT_STATE)),
    )


def _get_slot(optimizer: Any, variable: Any, name: str) -> Any:
    try:
        return optimizer.get_slot(variable, name)
    except (AttributeError, KeyError):
        return None
