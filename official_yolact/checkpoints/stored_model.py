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

from official_yolact_runtime.files import inputs

_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"


@dataclasses.dataclass(frozen=True)
class Slot:
    """A variable of a model and its stored value.

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


class ObjectGraph:
    """The objects of a checkpoint: nodes with named children, of which the first is what was saved.

    Attributes:
      reader: of the values.
      shapes: key of each value to its shape.
      nodes: as TensorFlow stores them.
    """

    def __init__(self, checkpoint: str) -> None:
        """Open a checkpoint.

        Args:
          checkpoint: its name, without `.index`.

        Raises:
          ValueError: it is damaged, or was not written by `tf.train.Checkpoint`.
        """
        inputs.check(f"{checkpoint}.index")
        try:
            self.reader = tf.compat.v1.train.NewCheckpointReader(checkpoint)
            graph = trackable_object_graph_pb2.TrackableObjectGraph()
            graph.ParseFromString(self.reader.get_tensor(_GRAPH_KEY))
        except (RuntimeError, ValueError, tf.errors.OpError) as error:
            text = " ".join(str(error).split())[:300]
            raise ValueError(f"{checkpoint}: cannot be read: {text}") from error
        self.nodes = graph.nodes
        self.shapes: dict[str, list[int]] = self.reader.get_variable_to_shape_map()

    def children(self, node: int | None) -> dict[str, int]:
        """List the children of a node by name; there are none where there is no node."""
        children = self.nodes[node].children if node is not None else ()
        return {child.local_name: child.node_id for child in children}

    def find_key(self, node: int | None) -> str | None:
        """Find the key of a node's value; None if it has no value."""
        for attribute in self.nodes[node].attributes if node is not None else ():
            if attribute.name == _VALUE and attribute.checkpoint_key in self.shapes:
                return str(attribute.checkpoint_key)
        return None

    def walk(self, root: Any, node: int | None = 0, path: str = "") -> Iterator[tuple[str, Any, int | None]]:
        """Visit an object and all below it, each once, with the path and the node of that path, if any."""
        queue = collections.deque([(path, root, node)])
        seen = {id(root)}
        while queue:
            path, thing, node = queue.popleft()
            yield path, thing, node
            if isinstance(thing, tf.Variable):
                continue
            stored = self.children(node)
            for name, child in tf.train.TrackableView.children(thing).items():
                if id(child) not in seen:
                    seen.add(id(child))
                    queue.append((f"{path}/{name}".lstrip("/"), child, stored.get(name)))

    def list_paths(self, root: int = 0) -> dict[int, str]:
        """List the nodes below one: number to shortest path."""
        paths = {root: ""}
        queue = collections.deque([root])
        while queue:
            node = queue.popleft()
            for name, child in self.children(node).items():
                if child not in paths:
                    paths[child] = f"{paths[node]}/{name}".lstrip("/")
                    queue.append(child)
        return paths


class StoredModel:
    """The child `model` of what a checkpoint holds.

    Values are found through the object graph, not by their keys: a key is the shortest path to a value
    in the object that was saved, and in a training checkpoint that path may lead through the optimizer.
    """

    def __init__(self, checkpoint: str) -> None:
        """Open a checkpoint.

        Args:
          checkpoint: its name, without `.index`.

        Raises:
          ValueError: it is damaged, or holds no `model`.
        """
        self.checkpoint = checkpoint
        self._graph = ObjectGraph(checkpoint)
        root = self._graph.children(0).get("model")
        if root is None:
            raise ValueError(f"{checkpoint}: does not fit this model: it holds none")
        self._root = root

    def match(self, model: Any, prefix: str = "") -> list[Slot]:
        """Find the value of each variable below a model.

        Args:
          model: the trackable that was saved as `model`, or as its child `prefix`.
          prefix: name of a child of the stored model, or "".

        Returns:
          A slot for each variable, each once, in the order of a walk through the object.
        """
        node = self._graph.children(self._root).get(prefix) if prefix else self._root
        slots = []
        for path, thing, found in self._graph.walk(model, node, prefix):
            if isinstance(thing, tf.Variable):
                key = self._graph.find_key(found)
                slots.append(Slot(path, thing, key, tuple(self._graph.shapes[key]) if key else ()))
        return slots

    def read(self, key: str) -> NDArray[Any]:
        """Read a value.

        Raises:
          ValueError: it is damaged.
        """
        try:
            return np.asarray(self._graph.reader.get_tensor(key))
        except (RuntimeError, ValueError, tf.errors.OpError) as error:
            raise ValueError(f"{self.checkpoint}: {key} cannot be read: {error}") from error

    def paths(self) -> dict[str, str]:
        """List all values of the stored model: key to shortest path."""
        paths = self._graph.list_paths(self._root)
        keys = {node: self._graph.find_key(node) for node in reversed(paths)}
        return {key: paths[node] for node, key in keys.items() if key is not None}
