"""Writes what `torch.save` writes, without PyTorch: state dicts in the stream form and the zip form.

Written from what PyTorch 1.0.1 (stream), 1.7.1 and 2.6.0 (zip) were seen to write.
Other tests get this module from the fixture `torch_writer`.
"""

from __future__ import annotations

import collections
import dataclasses
import io
import pickle
import struct
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
SYSTEM = {
    "protocol_version": PROTOCOL,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
ALIGNMENT = 64
KINDS = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """A view of elements: several may share one `storage`; `strides` count elements."""

    storage: np.ndarray
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    kind: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Parameter:
    """A tensor that training changes, as torchvision's files of 2017 have them."""

    tensor: Tensor


class Name:
    """Is pickled as a name, and can be anything: nothing is looked up."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *args: Any) -> None:
        raise AssertionError("is only a name")


@dataclasses.dataclass(frozen=True, eq=False)
class _Storage:
    elements: np.ndarray
    kind: str


_REBUILD = Name("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER = Name("torch._utils", "_rebuild_parameter")
_TYPES = {kind: Name("torch", kind) for kind in [*KINDS.values(), "BFloat16Storage"]}


def contiguous(array: np.ndarray) -> Tensor:
    """Give an array a storage of its own."""
    array = np.asarray(array)
    strides, step = [], 1
    for length in reversed(array.shape):
        strides.append(step)
        step *= max(length, 1)
    return Tensor(np.ascontiguousarray(array).reshape(-1), 0, array.shape, tuple(reversed(strides)))


def state_dict(tensors: dict[str, Any]) -> collections.OrderedDict:
    """Make the dict of a module: arrays or tensors, and the version of each submodule as attribute."""
    state = collections.OrderedDict(
        (key, contiguous(value) if isinstance(value, np.ndarray | np.generic) else value)
        for key, value in tensors.items()
    )
    state._metadata = collections.OrderedDict()
    for key in ["", *tensors]:
        parts = key.split(".")[:-1]
        for length in range(len(parts) + 1):
            name = ".".join(parts[:length])
            if name not in state._metadata:
                # Batch norm is the only kind of layer whose tensors have changed.
                state._metadata[name] = {"version": 2 if f"{name}.running_mean" in tensors else 1}
    return state


class Pickler(pickle._Pickler):
    """Pickles tensors and names as PyTorch does, and collects the storages."""

    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, file: BinaryIO, location: str, legacy: bool, protocol: int = 2) -> None:
        super().__init__(file, protocol)
        self.storages: dict[str, np.ndarray] = {}
        self._keys: dict[int, str] = {}
        self._wrapped: dict[int, _Storage] = {}
        self._location, self._legacy = location, legacy

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, _Storage):
            return None
        number = len(self._keys)
        # PyTorch 1 names a storage by its address, so that the order of the data is arbitrary.
        key = str(94404547458288 + number * 7919 % 1009 * 48) if self._legacy else str(number)
        key = self._keys.setdefault(id(obj.elements), key)
        self.storages[key] = obj.elements
        identity = ("storage", _TYPES[obj.kind], key, self._location, obj.elements.size)
        return (*identity, None) if self._legacy else identity

    def save_name(self, obj: Name) -> None:
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    def save_tensor(self, obj: Tensor) -> None:
        kind = obj.kind or KINDS[obj.storage.dtype.name]
        storage = self._wrapped.setdefault(id(obj.storage), _Storage(obj.storage, kind))
        arguments = (
            storage,
            obj.offset,
            tuple(obj.shape),
            tuple(obj.strides),
            False,
            collections.OrderedDict(),
        )
        self.save_reduce(_REBUILD, arguments, obj=obj)

    def save_parameter(self, obj: Parameter) -> None:
        self.save_reduce(_REBUILD_PARAMETER, (obj.tensor, True, collections.OrderedDict()), obj=obj)

    dispatch[Name] = save_name
    dispatch[Tensor] = save_tensor
    dispatch[Parameter] = save_parameter


def pickle_value(
    value: Any, location: str = "cpu", legacy: bool = False, protocol: int = 2
) -> tuple[bytes, dict[str, np.ndarray]]:
    """Pickle a value with tensors in it; give its storages by key in the order of the file."""
    file = io.BytesIO()
    pickler = Pickler(file, location, legacy, protocol)
    pickler.dump(value)
    return file.getvalue(), {key: pickler.storages[key] for key in sorted(pickler.storages)}


def write_legacy(
    path: Any, tensors: dict[str, Any], location: str = "cuda:0", wrapper: str | None = None
) -> None:
    """Write a state dict as PyTorch 1.0 does.

    Args:
      path: the file.
      tensors: arrays or `Tensor`s by name.
      location: the device that the file names.
      wrapper: put the state dict under this key of a dict that holds an epoch too.
    """
    state = state_dict(tensors)
    content, storages = pickle_value(
        state if wrapper is None else {"epoch": 3, wrapper: state}, location, legacy=True
    )
    with open(path, "wb") as file:
        write_stream(file, content, list(storages), storages.values())


def write_stream(
    file: BinaryIO, content: bytes, keys: list[str], storages: Iterable[np.ndarray], protocol: int = 2
) -> None:
    """Write the five pickles and the storages behind them."""
    for value in (MAGIC, PROTOCOL, SYSTEM):
        file.write(pickle.dumps(value, protocol))
    file.write(content)
    file.write(pickle.dumps(keys, protocol))
    for elements in storages:
        file.write(struct.pack("<q", elements.size))
        file.write(elements.data)


def write_zip(
    path: Any, tensors: dict[str, Any], archive: str = "archive", wrapper: str | None = None
) -> None:
    """Write a state dict as PyTorch 2 does.

    Args:
      path: the file.
      tensors: arrays or `Tensor`s by name.
      archive: the folder in the archive, which PyTorch takes from the file's name.
      wrapper: put the state dict under this key of a dict that holds an epoch too.
    """
    state = state_dict(tensors)
    content, storages = pickle_value(state if wrapper is None else {"epoch": 3, wrapper: state})
    with open(path, "wb") as file:
        write_archive(file, archive_entries(content, storages, archive))


def archive_entries(
    content: bytes, storages: dict[str, np.ndarray], archive: str = "archive"
) -> list[tuple[str, Any]]:
    """List the entries of a zip file in their order."""
    return [
        (f"{archive}/data.pkl", content),
        (f"{archive}/byteorder", b"little"),
        *((f"{archive}/data/{key}", elements.data) for key, elements in storages.items()),
        (f"{archive}/version", b"3\n"),
        (f"{archive}/.data/serialization_id", b"0" * 40),
    ]


def write_archive(file: BinaryIO, entries: Iterable[tuple[str, Any]]) -> None:
    """Write stored entries with their data at multiples of 64 bytes, and a 64-bit directory."""
    directory, count = b"", 0
    for name, data in entries:
        data = memoryview(data).cast("B") if len(data) else b""
        header, raw = file.tell(), name.encode()
        padding = -(header + 30 + len(raw) + 4) % ALIGNMENT
        extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        file.write(struct.pack("<4s5H3I2H", b"PK\3\4", 0, 0x808, 0, 0, 0, 0, 0, 0, len(raw), len(extra)))
        file.write(raw + extra)
        file.write(data)
        sums = struct.pack("<3I", zlib.crc32(data), len(data), len(data))
        file.write(b"PK\7\x08" + sums)
        directory += struct.pack("<4s6H", b"PK\1\2", 0, 0, 0x808, 0, 0, 0) + sums
        directory += struct.pack("<5H2I", len(raw), 0, 0, 0, 0, 0, header) + raw
        count += 1
    start = file.tell()
    file.write(directory)
    end = start + len(directory)
    file.write(
        struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 0x31E, 45, 0, 0, count, count, len(directory), start)
        + struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
    )
