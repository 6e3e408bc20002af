"""Fixtures of the tests of the data commands."""

from __future__ import annotations

import importlib.util
import pathlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

StoredMasks = dict[str, list[tuple[int, bool, np.ndarray]]]
"""File name to class, crowd and mask of each instance in a record."""


@pytest.fixture
def convert_and_read(tmp_path: pathlib.Path) -> Callable[[str, str], StoredMasks]:
    """Convert a COCO file and give what the records hold."""

    def run(annotations: str, images_dir: str) -> StoredMasks:
        import tensorflow as tf

        from official_yolact.data.conversion import convert

        output = tmp_path / "records"
        manifest = convert.convert_coco(annotations, images_dir, str(output), "train")
        result = {}
        for data in tf.data.TFRecordDataset([str(output / shard.file) for shard in manifest.shards]):
            feature = tf.train.Example.FromString(data.numpy()).features.feature
            name = feature["image/filename"].bytes_list.value[0].decode()
            result[name] = [
                (label, bool(crowd), tf.io.decode_png(png).numpy()[..., 0] != 0)
                for label, crowd, png in zip(
                    feature["image/object/class/label"].int64_list.value,
                    feature["image/object/is_crowd"].int64_list.value,
                    feature["image/object/mask"].bytes_list.value,
                    strict=True,
                )
            ]
        return result

    return run


def _load_helper(name: str) -> types.ModuleType:
    path = pathlib.Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def spoiled_coco() -> Iterator[tuple[types.ModuleType, Any]]:
    """The module of that name, and its process for commands."""
    module = _load_helper("spoiled_coco")
    forks = module.Forks()
    yield module, forks
    forks.close()


@pytest.fixture
def coco_case(tmp_path: pathlib.Path, spoiled_coco: tuple[types.ModuleType, Any]) -> Any:
    """A small data set that is free of faults, to be spoiled and checked; see `spoiled_coco.CocoCase`."""
    module, forks = spoiled_coco
    return module.CocoCase(tmp_path, forks)


@pytest.fixture
def codes_of() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Turn printed findings into code to finding."""

    def collect(printed: dict[str, Any]) -> dict[str, Any]:
        return {row["code"]: row for row in reversed(printed["findings"])}

    return collect


@pytest.fixture(scope="session")
def random_coco() -> types.ModuleType:
    """The module that draws random files: `draw_file(rng)`, `draw_results(rng)`."""
    return _load_helper("random_coco")
