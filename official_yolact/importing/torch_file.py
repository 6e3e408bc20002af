"""Reading of PyTorch state dicts, in the stream form of 2019 and in the zip form, without PyTorch.

Nothing in a file is run or imported, every size is checked against the file before it is believed,
and what reading allocates stays below 16 MiB and three times the file. Tensors are read-only views
of the mapped file.
Source: the layout of `torch.save` files, PyTorch 0.1.10 to 2.x.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from official_yolact.importing import torch_objects
from official_yolact.importing import torch_pickle
from official_yolact.importing import torch_source
from official_yolact.importing import torch_zip

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
# Beginnings of files that are often taken for a checkpoint.
_OTHERS = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"<", "is a web page, not the file itself: download the file again"),
    (b"\x1f\x8b", "is compressed with gzip: unpack it first"),
    (b"\x89HDF", "is an HDF5 file, not a PyTorch state dict"),
    (b"\x93NUMPY", "is a NumPy array, not a PyTorch state dict"),
)
# Tensors may share storages: old YOLACT files hold the backbone under two names.
_MAX_SHARING = 3


@dataclasses.dataclass(frozen=True)
class TorchFile:
    """A state dict as it was read.

    Attributes:
      form: `legacy`, the stream of 2019, or `zip`, from PyTorch 1.6 on.
      tensors: read-only arrays [shape of the tensor] in the order of the file; bfloat16 as float32.
      wrapper: the entry that held the state dict, None if the file held nothing else.
      ignored: the other entries beside the wrapper.
      release: gives pages of the file that were read back to the system; tensors stay usable.
    """

    form: str
    tensors: dict[str, npt.NDArray[Any]]
    wrapper: str | None
    ignored: list[str]
    release: Callable[[], None]


def open_torch_file(path: str) -> TorchFile:
    """Read a PyTorch state dict and say what the file was.

    Args:
      path: a file of `torch.save`: a dict of tensors, or a dict with exactly one such dict in it.

    Returns:
      The tensors and what was left out. Arrays are views of the file (float16, float32, float64,
      int8 to int64, uint8), which need not be aligned; bfloat16 (as float32) and bool are copies.
      The file must keep its length as long as one of them is in use.

    Raises:
      OSError: the file cannot be opened.
      TorchFileError: it is no state dict, damaged, or holds what no state dict needs; a ValueError.
    """
    source = torch_source.TorchSource(path)
    if source.data[:2] == b"PK":
        form, (value, positions) = "zip", _read_zip(source)
    elif source.data[:1] == b"\x80":
        form, (value, positions) = "legacy", _read_legacy(source)
    else:
        raise source.refuse(_name_other(source))
    wrapper, state = _find_state(source, value)
    _check_total(source, state)
    arrays = {key: _make_array(source, tensor, positions) for key, tensor in state.items()}
    ignored = [] if wrapper is None else [str(key) for key in value if key != wrapper]
    return TorchFile(form, arrays, wrapper, ignored, source.release)


def _name_other(source: torch_source.TorchSource) -> str:
    beginning = source.data[:512]
    if beginning[257:262] == b"ustar":
        return "is in the tar form of PyTorch before 0.1.10: load and save it again with PyTorch"
    for magic, what in _OTHERS:
        if beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(magic):
            return what
    if beginning[8:10] == b'{"':
        return "looks like a safetensors file, not a PyTorch state dict"
    return f"is no PyTorch file: it begins with {torch_source.quote(beginning[:8])}"


def _read_legacy(source: torch_source.TorchSource) -> tuple[Any, dict[str, int]]:
    """Give the value of a stream and the first byte of each storage."""
    objects = torch_objects.TorchObjects(source)
    values = []
    position = 0
    for expected in (_MAGIC, _PROTOCOL, None, None, None):
        machine = torch_pickle.PickleMachine(source, position, source.size, objects)
        value = machine.run()
        if expected is not None and (not isinstance(value, int) or value != expected):
            raise source.refuse(f"is a pickle, but none of torch.save; {torch_source.CURE}")
        values.append(value)
        position = machine.position
    _, _, system, value, keys = values
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise source.refuse("was written on a big-endian machine, which is not supported")
    return value, _place_storages(source, objects.storages, keys, position)


def _place_storages(
    source: torch_source.TorchSource, storages: dict[str, torch_objects.Storage], keys: Any, position: int
) -> dict[str, int]:
    """Walk the storages behind the pickles: each a count of elements and the elements."""
    positions: dict[str, int] = {}
    for key in keys if isinstance(keys, list) else [None]:
        if not isinstance(key, str) or key not in storages or key in positions:
            raise source.refuse("its list of storages does not fit its tensors: it is damaged")
        storage = storages[key]
        (length,) = struct.unpack("<q", source.take(position, 8))
        if length != storage.num_stored:
            raise source.refuse(
                f"storage {torch_source.quote(key)} has {length} elements, "
                f"its tensors expect {storage.num_stored}"
            )
        positions[key] = position + 8
        position += 8 + length * _item_size(storage)
        source.take(position, 0)
    if len(positions) != len(storages):
        raise source.refuse("its list of storages does not fit its tensors: it is damaged")
    if position != source.size:
        raise source.refuse(f"has {source.size - position} bytes behind its last storage: it is damaged")
    return positions


def _item_size(storage: torch_objects.Storage) -> int:
    return np.dtype(torch_objects.ELEMENTS[storage.kind]).itemsize


def _read_zip(source: torch_source.TorchSource) -> tuple[Any, dict[str, int]]:
    """Give the value of an archive and the first byte of each storage."""
    entries = torch_zip.read_directory(source)
    prefix = _find_prefix(source, entries)
    torch_zip.check_stored(source, entries)
    order = entries.get(f"{prefix}/byteorder")
    if order is not None and source.take(order.start, min(order.end - order.start, 16)) != b"little":
        raise source.refuse("was written on a big-endian machine, which is not supported")
    entry = entries[f"{prefix}/data.pkl"]
    torch_zip.check_content(source, entry)
    objects = torch_objects.TorchObjects(source)
    machine = torch_pickle.PickleMachine(source, entry.start, entry.end, objects)
    value = machine.run()
    if machine.position != entry.end:
        raise source.refuse("data.pkl goes on behind its pickle: it is damaged")
    positions = {}
    for key, storage in objects.storages.items():
        data = entries.get(f"{prefix}/data/{key}")
        if data is None or data.end - data.start != storage.num_stored * _item_size(storage):
            raise source.refuse(f"storage {torch_source.quote(key)} is missing or has another length")
        torch_zip.check_content(source, data)
        positions[key] = data.start
    return value, positions


def _find_prefix(source: torch_source.TorchSource, entries: dict[str, torch_zip.ZipEntry]) -> str:
    prefixes = {name.split("/")[0] for name in entries}
    if len(prefixes) != 1:
        raise source.refuse("is a zip archive, but none of torch.save: it has no single folder")
    (prefix,) = prefixes
    if f"{prefix}/constants.pkl" in entries or any(name.startswith(f"{prefix}/code/") for name in entries):
        raise source.refuse(f"is a TorchScript program, not a state dict; {torch_source.CURE}")
    if f"{prefix}/data.pkl" not in entries:
        raise source.refuse("is a zip archive, but none of torch.save: it has no data.pkl")
    return prefix


def _find_state(
    source: torch_source.TorchSource, value: Any
) -> tuple[str | None, dict[str, torch_objects.Tensor]]:
    """Find the one dict of tensors: the value itself, or an entry of it, whose key is given too."""
    if not isinstance(value, dict):
        raise source.refuse(f"holds a {type(value).__name__}, not a state dict; {torch_source.CURE}")
    if _is_state(value):
        return None, value
    # A dict that is named thousands of times is looked at once.
    found = {id(entry): _is_state(entry) for entry in value.values() if isinstance(entry, dict)}
    keys = [key for key, entry in value.items() if found.get(id(entry), False)]
    if len(keys) == 1 and isinstance(keys[0], str):
        return keys[0], value[keys[0]]
    named = ", ".join(torch_source.quote(key) for key in keys[:5]) if keys else "none"
    raise source.refuse(f"needs one dict of tensors, has {len(keys)} ({named}); {torch_source.CURE}")


def _is_state(value: dict[Any, Any]) -> bool:
    return bool(value) and all(
        isinstance(key, str) and isinstance(tensor, torch_objects.Tensor) for key, tensor in value.items()
    )


def _check_total(source: torch_source.TorchSource, state: dict[str, torch_objects.Tensor]) -> None:
    """Refuse many views of one storage: whoever copies them would need more than the file has."""
    total = sum(math.prod(tensor.shape) * _item_size(tensor.storage) for tensor in state.values())
    if total > _MAX_SHARING * source.size:
        raise source.refuse(f"its tensors have {total} bytes in all, the file {source.size}: it is damaged")


def _make_array(
    source: torch_source.TorchSource, tensor: torch_objects.Tensor, positions: dict[str, int]
) -> npt.NDArray[Any]:
    """Give a view of the file, or a copy where NumPy has no such type."""
    storage = tensor.storage
    element = np.dtype(torch_objects.ELEMENTS[storage.kind])
    elements = math.prod(tensor.shape)
    if elements == 0:
        array: npt.NDArray[Any] = np.zeros(tensor.shape, element)
    else:
        array = np.ndarray(
            tensor.shape,
            element,
            buffer=source.data,
            offset=positions[storage.key] + (storage.start + tensor.offset) * element.itemsize,
            # The stride of an axis of length 1 is never used and may be any number.
            strides=[
                stride * element.itemsize if length > 1 else element.itemsize
                for stride, length in zip(tensor.strides, tensor.shape, strict=True)
            ],
        )
    if storage.kind == torch_objects.BFLOAT16:
        source.charge(4 * elements)
        wide = array.astype(np.uint32)
        # A bfloat16 is the upper half of a float32.
        array = np.left_shift(wide, 16, out=wide).view(np.float32)
    elif storage.kind == torch_objects.BOOL:
        source.charge(elements)
        array = np.asarray(array != 0)
    array.flags.writeable = False
    return array
