"""Whether a checkpoint and the objects that are to be restored from it are of one kind."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import tensorflow as tf

from official_yolact.checkpoints import stored

# Of the bookkeeping, not of the training.
_NOT_STATE = ("save_counter",)


@dataclasses.dataclass(frozen=True)
class Match:
    """What a restore would do.

    Attributes:
      num_matched: variables, slots of the optimizer included, that have a stored value that fits.
      missing: paths of variables without a stored value.
      unfit: of each variable with one of another shape or type: path, and what is there and here.
      unused: paths of stored values that no variable takes.
    """

    num_matched: int
    missing: tuple[str, ...]
    unfit: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in one line."""
        total = self.num_matched + len(self.missing) + len(self.unfit)
        return f"restored {self.num_matched}/{total} variables, {len(self.unused)} stored values not used"


class _Walk:
    """A walk through objects and the object graph of a checkpoint side by side."""

    def __init__(self, checkpoint: str) -> None:
        reader, self.nodes = stored.open_checkpoint(checkpoint)
        self.shapes = reader.get_variable_to_shape_map()
        self.types = reader.get_variable_to_dtype_map()
        self.missing: list[str] = []
        self.unfit: list[str] = []
        self.used: set[str] = set()
        self.num_matched = 0
        self._seen: set[int] = set()
        self._variables: dict[int, tuple[Any, str]] = {}
        self._optimizers: list[tuple[Any, int | None, str]] = []

    def visit(self, root: Any) -> None:
        """Compare all below an object with all below the first node; then the optimizers' slots."""
        queue: collections.deque[tuple[str, Any, int | None]] = collections.deque([("", root, 0)])
        self._seen.add(id(root))
        while queue:
            path, thing, node = queue.popleft()
            if isinstance(thing, tf.Variable):
                self._compare(path, thing, node)
                if node is not None:
                    self._variables[node] = (thing, path)
                continue
            if callable(getattr(type(thing), "get_slot_names", None)):
                self._optimizers.append((thing, node, path))
            children = {} if node is None else self._children(node)
            for name, child in tf.train.TrackableView.children(thing).items():
                if id(child) not in self._seen:
                    self._seen.add(id(child))
                    queue.append((f"{path}/{name}" if path else name, child, children.get(name)))
        for optimizer, node, path in self._optimizers:
            self._visit_slots(optimizer, node, path)

    def paths(self) -> dict[str, str]:
        """List all stored values: key to path."""
        places = {0: ""}
        queue = collections.deque([0])
        while queue:
            node = queue.popleft()
            for name, child in self._children(node).items():
                if child not in places:
                    places[child] = f"{places[node]}/{name}".lstrip("/")
                    queue.append(child)
        for node, path in list(places.items()):
            for slot in self.nodes[node].slot_variables:
                variable = places.get(slot.original_variable_node_id, "?")
                places[slot.slot_variable_node_id] = f"{path}/{slot.slot_name}({variable})"
        keys = {self._key(node): path for node, path in places.items()}
        return {key: path for key, path in keys.items() if key is not None}

    def _visit_slots(self, optimizer: Any, node: int | None, path: str) -> None:
        places = {}
        if node is not None:
            for slot in self.nodes[node].slot_variables:
                places[slot.original_variable_node_id, slot.slot_name] = slot.slot_variable_node_id
        for number, (variable, name) in self._variables.items():
            for slot_name in optimizer.get_slot_names():
                slot_variable = _get_slot(optimizer, variable, slot_name)
                if slot_variable is not None:
                    where = f"{path}/{slot_name}({name})"
                    self._compare(where, slot_variable, places.get((number, slot_name)))

    def _compare(self, path: str, variable: Any, node: int | None) -> None:
        key = None if node is None else self._key(node)
        if key is None:
            self.missing.append(path)
            return
        self.used.add(key)
        there = (list(self.shapes[key]), tf.as_dtype(self.types[key]).name)
        here = (list(variable.shape), tf.as_dtype(variable.dtype).base_dtype.name)
        if there == here:
            self.num_matched += 1
        else:
            self.unfit.append(f"{path}: {there[1]} {there[0]} there, {here[1]} {here[0]} here")

    def _children(self, node: int) -> dict[str, int]:
        return {child.local_name: child.node_id for child in self.nodes[node].children}

    def _key(self, node: int) -> str | None:
        for attribute in self.nodes[node].attributes:
            if attribute.name == stored.VALUE and attribute.checkpoint_key in self.shapes:
                return str(attribute.checkpoint_key)
        return None


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
    walk = _Walk(checkpoint)
    walk.visit(root)
    unused = [path for key, path in walk.paths().items() if key not in walk.used and path not in _NOT_STATE]
    return Match(
        walk.num_matched,
        tuple(path for path in walk.missing if path not in _NOT_STATE),
        tuple(walk.unfit),
        tuple(sorted(unused)),
    )


def _get_slot(optimizer: Any, variable: Any, name: str) -> Any:
    try:
        return optimizer.get_slot(variable, name)
    except (AttributeError, KeyError):
        return None
