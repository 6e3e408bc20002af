"""The weights file of Keras (HDF5), read as input from outside: bounded, and no link is followed.

The HDF5 library hangs or crashes on some damaged files: of 3,000 mutated ones on 10 and 6. So a process of
its own reads the file, within bounds of time and memory, and hands the arrays over in an archive of NumPy.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from official_yolact.files import children
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

MAGIC = b"\x89HDF\r\n\x1a\n"
"""What such a file begins with."""

_MAX_LAYERS = 2_000
_MAX_WEIGHTS = 16
_MAX_NAME = 300
_SECONDS = 60.0
_MEMORY_BYTES = 2**31
_REFUSED = 3
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each thread has memory of its own
_FAULTS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError, OverflowError)
"""What h5py raises for a damaged file."""


def is_keras_file(path: str) -> bool:
    """Tell whether a file begins as HDF5 does.

    Raises:
      OSError: it cannot be read.
    """
    with inputs.open_input(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def read_layers(path: str, max_bytes: int) -> list[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Read the layers that have weights, in the order in which the model made them.

    As in Keras, the order decides what a layer is: in published files layers have other names than in the
    model of today.

    Args:
      path: of the file.
      max_bytes: that it may have, and that its arrays may have together.

    Returns:
      Name and arrays of each layer; an array is called by the last part of its name, such as `kernel`.

    Raises:
      OSError: it cannot be opened.
      ValueError: it is no such file, is damaged, too large, or refers to another file.
    """
    inputs.check(path)
    size = os.path.getsize(path)
    if size > max_bytes:
        raise ValueError(f"{path}: has {size} bytes, more than such a model can need ({max_bytes})")
    wrong = f"{path}: is no weights file of Keras, or damaged"
    with tempfile.TemporaryDirectory() as folder:
        arrays = os.path.join(folder, "arrays.npz")
        try:
            words = [__name__, os.path.abspath(path), str(max_bytes), arrays]
            done = children.run_module(words, changes=_ONE_THREAD, seconds=_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"{wrong}: the HDF5 library does not come to an end") from error
        if done.returncode == _REFUSED:
            raise ValueError(f"{wrong}: {json_text.escape_control(done.stderr.strip())[-500:]}")
        if done.returncode:
            raise ValueError(f"{wrong}: the HDF5 library crashes (code {done.returncode})")
        return _load(arrays)


def _load(path: str) -> list[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Load what the other process has read: keys are NUMBER/LAYER/KIND."""
    layers: dict[str, tuple[str, dict[str, NDArray[np.float32]]]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            number, _, name = key.partition("/")
            layer, _, kind = name.rpartition("/")
            layers.setdefault(number, (layer, {}))[1][kind] = arrays[key]
    return list(layers.values())


def read_here(path: str, max_bytes: int) -> list[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Read the layers in this process, which a damaged file may end.

    Raises:
      ValueError: the reason, without the file's name.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file
            if "layer_names" not in file.attrs and "model_weights" in file:
                root = _open(file, "model_weights", h5py.Group)
            return list(_read(root, max_bytes))
    except _FAULTS as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def _read(root: Any, max_bytes: int) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    left = max_bytes
    for layer in _read_names(root, "layer_names", _MAX_LAYERS):
        group, arrays = _open(root, layer, h5py.Group), {}
        for name in _read_names(group, "weight_names", _MAX_WEIGHTS):
            dataset = _open(group, name, h5py.Dataset)
            if dataset.external or dataset.is_virtual:
                raise ValueError(f"{layer}: {name} refers to another file")
            if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8:
                raise ValueError(f"{layer}: {name} is {dataset.dtype}, expected floating point")
            left -= int(dataset.size) * dataset.dtype.itemsize
            if left < 0:
                raise ValueError(f"its arrays have more than {max_bytes} bytes")
            arrays[name.rpartition("/")[2].partition(":")[0].removeprefix("depthwise_")] = dataset[()]
        if arrays:
            yield layer, arrays


def _read_names(group: Any, attribute: str, limit: int) -> list[str]:
    """Read a list of names; Keras cuts one that is too long for HDF5 into `NAME0`, `NAME1` and so on."""
    parts = [attribute] if attribute in group.attrs else []
    while not parts or parts[-1] != attribute:
        following = f"{attribute}{len(parts)}"
        if following not in group.attrs:
            break
        parts.append(following)
    if not parts:
        raise ValueError(f"has no list {attribute}")
    names: list[str] = []
    for part in parts:
        stored = group.attrs.get_id(part)
        if stored.shape and stored.shape[0] + len(names) > limit:
            raise ValueError(f"{attribute} lists more than {limit}")
        for name in group.attrs[part]:
            names.append(name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name))
    wrong = next((name for name in names if not name.isprintable() or not 0 < len(name) <= _MAX_NAME), None)
    if wrong is not None:
        raise ValueError(f"{attribute} has the name {wrong[:40]!r}")
    return names


def _open(group: Any, name: str, kind: type) -> Any:
    """Open what lies below a group without following a link that leaves it."""
    found = group
    for part in name.split("/"):
        if not isinstance(found, h5py.Group) or part in ("", ".", ".."):
            raise ValueError(f"{name}: no such {kind.__name__.lower()}")
        link = found.get(part, getlink=True)
        if link is None:
            raise ValueError(f"{name}: no such {kind.__name__.lower()}")
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name}: is a link")
        found = found[part]
    if not isinstance(found, kind):
        raise ValueError(f"{name}: is no {kind.__name__.lower()}")
    return found


def _main() -> int:
    """Read a file and write its arrays, as `read_layers` asks for it."""
    path, max_bytes, output = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    resource.setrlimit(resource.RLIMIT_CPU, (int(_SECONDS), int(_SECONDS)))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    try:
        layers = read_here(path, max_bytes)
    except ValueError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    arrays: dict[str, Any] = {
        f"{number:04}/{layer}/{kind}": array
        for number, (layer, kinds) in enumerate(layers)
        for kind, array in kinds.items()
    }
    np.savez(output, **arrays)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
