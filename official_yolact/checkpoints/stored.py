"""What a checkpoint holds for a model, variable by variable."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import trackable_object_graph_pb2

from official_yolact.files import inputs

_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "VARIABLE_VALUE"


@dataclasses.dataclass(frozen=True)
class Slot:
    """A variable of a model and its place in a checkpoint.

    Attributes:
      path: of the variable in the model, such as `head/class_conv/kernel`.
      variable: the variable.
      key: of its value in the checkpoint; None if the checkpoint has none.
      shape: of that value.
    """

    path: str
    variable: Any
    key: str | None
    shape: tuple[int, ...]


def open_checkpoint(checkpoint: str) -> tuple[Any, Any]:
    """Open a checkpoint.

    Args:
      checkpoint: its name, without `.index`.

    Returns:
      The reader of its tensors, and the nodes of its object graph; the first one is what was saved.

    Raises:
      ValueError: it is damaged, or was not written by `tf.train.Checkpoint`.
    """
    inputs.check(f"{checkpoint}.index")
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(checkpoint)
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(reader.get_tensor(_GRAPH_KEY))
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise ValueError(f"{checkpoint}: cannot be read: {' '.join(str(error).split())[:300]}") from error
    return reader, graph.nodes


class StoredModel:
    """The part `model` of a checkpoint, read through its object graph.

    Keys alone do not do: a value's key is the shortest path to it in the object that was saved, and
    in a training checkpoint that may lead through the optimizer.
    """

    def __init__(self, checkpoint: str) -> None:
        """Open a checkpoint.

        Args:
          checkpoint: its name, without `.index`.

        Raises:
          ValueError: it is damaged, or holds no `model`.
        """
        self.checkpoint = checkpoint
        self._reader, self._nodes = open_checkpoint(checkpoint)
        self._shapes = self._reader.get_variable_to_shape_map()
        root = self._children(0).get("model")
        if root is None:
            raise ValueError(f"{checkpoint}: does not fit this model: it holds none")
        self._root = root

    def match(self, model: Any, prefix: str = "") -> list[Slot]:
        """Find the value of each variable below a model.

        Args:
          model: the trackable that takes the place of `model`, or of its child `prefix`.
          prefix: name of a child of the stored model, or "".

        Returns:
          A slot for each variable, each once, in the order of a walk through the object.
        """
        node = self._children(self._root).get(prefix) if prefix else self._root
        slots: dict[int, Slot] = {}
        queue = collections.deque([(prefix, model, node)])
        seen = {id(model)}
        while queue:
            path, thing, node = queue.popleft()
            if isinstance(thing, tf.Variable):
                slots[id(thing)] = self._slot(path, thing, node)
                continue
            stored = {} if node is None else self._children(node)
            for name, child in tf.train.TrackableView.children(thing).items():
                if id(child) not in seen:
                    seen.add(id(child))
                    queue.append((f"{path}/{name}" if path else name, child, stored.get(name)))
        return list(slots.values())

    def read(self, key: str) -> NDArray[Any]:
        """Read a value.

        Raises:
          ValueError: it is damaged.
        """
        try:
            return np.asarray(self._reader.get_tensor(key))
        except (RuntimeError, ValueError, tf.errors.OpError) as error:
            raise ValueError(f"{self.checkpoint}: {key} cannot be read: {error}") from error

    def paths(self) -> dict[str, str]:
        """List all values of the stored model: key to path, the shortest one."""
        found: dict[str, str] = {}
        queue = collections.deque([("", self._root)])
        seen = {self._root}
        while queue:
            path, node = queue.popleft()
            for key in self._value_keys(node):
                found.setdefault(key, path)
            for name, child in self._children(node).items():
                if child not in seen:
                    seen.add(child)
                    queue.append((f"{path}/{name}" if path else name, child))
        return found

    def _children(self, node: int) -> dict[str, int]:
        return {child.local_name: child.node_id for child in self._nodes[node].children}

    def _value_keys(self, node: int) -> Iterator[str]:
        for attribute in self._nodes[node].attributes:
            if attribute.name == VALUE and attribute.checkpoint_key in self._shapes:
                yield attribute.checkpoint_key

    def _slot(self, path: str, variable: Any, node: int | None) -> Slot:
        key = None if node is None else next(self._value_keys(node), None)
        return Slot(path, variable, key, tuple(self._shapes[key]) if key else ())
