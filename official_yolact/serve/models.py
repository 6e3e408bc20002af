"""The models of a server: each with a runtime for every worker, and loaded anew while it is used."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from official_yolact.environment import machine
from official_yolact.serve import refusals
from official_yolact.serving import models
from official_yolact_runtime import graphs
from official_yolact_runtime import model_files
from official_yolact_runtime import predictor
from official_yolact_runtime import runtime as runtime_lib

Loader = Callable[[str, int | None], predictor.Predictor]
"""Loads the model at a path, which computes with at most so many threads; None: it chooses."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that is loaded; a request keeps the one that it began with.

    Attributes:
      name: in addresses.
      path: it was loaded from.
      predictors: one for each worker; those of TensorFlow are one and the same, which threads may share.
    """

    name: str
    path: str
    predictors: tuple[predictor.Predictor, ...]

    @property
    def predictor(self) -> predictor.Predictor:
        """That of the first worker, which tells what the model is like."""
        return self.predictors[0]

    def describe(self) -> dict[str, Any]:
        """Describe it for people and pages."""
        runtime: Any = self.predictor.runtime
        weights = self.predictor.weights.as_dict() if self.predictor.weights else None
        return {
            "name": self.name,
            "categories": self.predictor.categories.to_coco(),
            "input_size": list(runtime.input_size),
            "runtime": str(getattr(runtime, "description", "") or getattr(runtime, "name", "")),
            # Where the checkpoint lies on the server is nobody's business.
            "weights": weights and {key: value for key, value in weights.items() if key != "checkpoint"},
        }


class Store:
    """Models by name. Threads may call it."""

    def __init__(self, paths: Mapping[str, str], workers: int, loader: Loader | None = None) -> None:
        """Load all of them.

        Args:
          paths: of the models, by name.
          workers: for each of which there is a runtime.
          loader: of one; None: that of `make_loader`.

        Raises:
          OSError: there is no such model.
          ValueError: one cannot be loaded, or does not compute.
        """
        self._paths, self._workers = dict(paths), workers
        self._loader = loader or make_loader()
        self._lock = threading.Lock()
        self._models = {name: self._load(name) for name in self._paths}

    @property
    def names(self) -> list[str]:
        """The names, in the order of the command line."""
        return list(self._paths)

    def __iter__(self) -> Iterator[Model]:
        """Go through the models as they are now."""
        return iter([self._models[name] for name in self._paths])

    def get(self, name: str | None) -> Model:
        """Find a model; None: the first one.

        Raises:
          RefusedError: there is none of this name.
        """
        model = self._models.get(self.names[0] if name is None else name)
        if model is None:
            raise refusals.RefusedError(404, f"there is no model {name!r}: there are {', '.join(self.names)}")
        return model

    def reload(self, name: str) -> None:
        """Load a model from its path again; until that is done, and if it fails, the old one is used.

        Raises:
          RefusedError: there is none of this name.
          OSError: it is not there any more.
          ValueError: it cannot be loaded.
        """
        self.get(name)
        with self._lock:  # one at a time: two would need twice the memory
            self._models[name] = self._load(name)

    def _load(self, name: str) -> Model:
        path = self._paths[name]
        share = max(1, machine.count_processors() // self._workers)
        # TensorFlow has one number of threads for the whole process, which cannot be set twice.
        threads = share if model_files.is_export(path) else None
        first = self._loader(path, threads)
        _warm_up(first)
        others = range(self._workers - 1)
        # Of a graph each worker has its own, for one interpreter has one set of tensors.
        is_graph = isinstance(first.runtime, graphs.GraphRuntime)
        more = [self._loader(path, threads) if is_graph else first for _ in others]
        return Model(name, path, (first, *more))


def make_loader(runtime: str = runtime_lib.AUTO, batch_size: int = 1) -> Loader:
    """Make a loader.

    Args:
      runtime: as of `serving.models.load`.
      batch_size: likewise.
    """

    def load(path: str, threads: int | None) -> predictor.Predictor:
        return models.load(path, batch_size, threads=threads, runtime=runtime)

    return load


def _warm_up(loaded: predictor.Predictor) -> None:
    """Detect in a black picture, so that a model that cannot compute is refused before any request."""
    height, width = loaded.runtime.input_size
    list(loaded.detect([(None, np.zeros((height, width, 3), np.uint8))]))
