"""What the names, storages and calls of a state dict's pickle become: inert records, checked.

Source: the layout of tensors and storages in `torch.save` files, PyTorch 0.1.10 to 2.x.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from official_yolact.importing import torch_source

# Element types by the name of their storage. NumPy has no bfloat16: it is read as its bits.
BFLOAT16 = "BFloat16Storage"
BOOL = "BoolStorage"
ELEMENTS = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    BFLOAT16: "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    BOOL: "|u1",
}
_ORDERED_DICT = "collections.OrderedDict"
_SIZE = "torch.Size"
_PARAMETER = "torch.nn.parameter.Parameter"
_REBUILD = "torch._utils._rebuild_tensor"
_REBUILD_V2 = "torch._utils._rebuild_tensor_v2"
_REBUILD_PARAMETER = "torch._utils._rebuild_parameter"
_NAMES = frozenset({_ORDERED_DICT, _SIZE, _PARAMETER, _REBUILD, _REBUILD_V2, _REBUILD_PARAMETER})
_CLASSES = frozenset({_ORDERED_DICT, _SIZE, _PARAMETER})
_MAX_DIMENSIONS = 32
_MAX_EMPTY_EXTENT = 2**40
# A record, its array and their places in dicts.
_TENSOR_BYTES = 1024


class _OrderedDict(dict[Any, Any]):
    """Tells an ordered dict, which may carry attributes, from a plain one."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Name:
    full: str


@dataclasses.dataclass(frozen=True, slots=True)
class Storage:
    """A run of elements in the file, or a window of one.

    Attributes:
      key: the name of the run.
      kind: its type, a key of `ELEMENTS`.
      num_stored: elements of the whole run.
      start: the first element of the window.
      num_elements: elements of the window.
    """

    key: str
    kind: str
    num_stored: int
    start: int
    num_elements: int


@dataclasses.dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage whose every element lies inside.

    Attributes:
      storage: where the elements are.
      offset: the first element, counted from the storage's start.
      shape: elements along each axis.
      strides: steps along each axis, in elements.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TorchObjects:
    """Makes the records of one pickle.

    Args:
      source: the file, for its size and its errors.

    Attributes:
      storages: every run of elements that was named, by its key.
    """

    def __init__(self, source: torch_source.TorchSource) -> None:
        self.storages: dict[str, Storage] = {}
        self._source = source

    def find(self, module: str, name: str) -> Any:
        """Give the stand-in of a name.

        Args:
          module: where the file says that it is defined.
          name: its name there.

        Returns:
          A stand-in; nothing is imported.

        Raises:
          TorchFileError: no state dict needs it.
        """
        full = f"{module}.{name}"
        if full in _NAMES or (module == "torch" and name in ELEMENTS):
            return _Name(full)
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            raise self._source.refuse(
                f"element type {torch_source.quote(full)} is not supported: {sorted(ELEMENTS)} are"
            )
        raise self._source.refuse(
            f"refuses {torch_source.quote(full)}: only tensors, storages and ordered dicts are admitted; "
            f"{torch_source.CURE}"
        )

    def find_storage(self, identity: Any) -> Storage:
        """Give the storage that a persistent id names.

        Args:
          identity: `("storage", type, key, location, elements)`, and in the legacy stream None or the
            window `(key, first, elements)` at the end. The location, a device, is of no concern.

        Returns:
          The storage; the same run has the same type and length every time.

        Raises:
          TorchFileError: it is none, or longer than the file.
        """
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
            raise self._source.refuse(f"holds more than storages of tensors; {torch_source.CURE}")
        _, kind, key, location, length = identity[:5]
        if not isinstance(kind, _Name) or not isinstance(key, str) or not isinstance(location, str):
            raise self._source.refuse("names a storage without type, key and place: it is damaged")
        kind_name = kind.full.removeprefix("torch.")
        if kind_name not in ELEMENTS:
            raise self._source.refuse(
                f"storage {torch_source.quote(key)} has type {kind.full}: it is damaged"
            )
        self._check_length(key, kind_name, length)
        storage = self.storages.setdefault(key, Storage(key, kind_name, length, 0, length))
        if (storage.kind, storage.num_stored) != (kind_name, length):
            raise self._source.refuse(f"storage {torch_source.quote(key)} has two types or lengths")
        window = identity[5] if len(identity) == 6 else None
        return storage if window is None else self._cut(storage, window)

    def _check_length(self, key: str, kind: str, length: Any) -> None:
        if not _is_count(length):
            raise self._source.refuse(
                f"storage {torch_source.quote(key)} has a length that is none: it is damaged"
            )
        if length * int(ELEMENTS[kind][2:]) > self._source.size:
            raise self._source.refuse(
                f"storage {torch_source.quote(key)} is to have {length} elements, the file has "
                f"{self._source.size} bytes: it is truncated or damaged, download it again"
            )

    def _cut(self, storage: Storage, window: Any) -> Storage:
        if not isinstance(window, tuple) or len(window) != 3 or not all(_is_count(n) for n in window[1:]):
            raise self._source.refuse(f"a window of storage {torch_source.quote(storage.key)} is damaged")
        _, start, length = window
        if start + length > storage.num_stored:
            raise self._source.refuse(
                f"a window of storage {torch_source.quote(storage.key)} reaches beyond its "
                f"{storage.num_stored} elements"
            )
        return dataclasses.replace(storage, start=start, num_elements=length)

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """Give what a call in the file stands for.

        Args:
          function: what the file calls.
          arguments: what it calls it with.

        Returns:
          A record, a dict or a tuple; no code of the file runs.

        Raises:
          TorchFileError: no state dict calls this, or not so.
        """
        name = function.full if isinstance(function, _Name) else None
        if name == _ORDERED_DICT:
            return self._make_dict(arguments)
        if name in (_REBUILD, _REBUILD_V2):
            return self._make_tensor(arguments, 4 if name == _REBUILD else 6)
        if name in (_PARAMETER, _REBUILD_PARAMETER) and arguments and isinstance(arguments[0], Tensor):
            return arguments[0]
        if name == _SIZE and len(arguments) == 1 and _are_counts(arguments[0]):
            return arguments[0]
        raise self._source.refuse(
            f"refuses to call {name or 'what is no function'} with {len(arguments)} arguments as given there"
        )

    def make(self, made: Any, arguments: tuple[Any, ...]) -> Any:
        """Give what an instance in the file stands for; as `call`, for classes alone."""
        if (
            not isinstance(made, _Name)
            or made.full not in _CLASSES
            or (made.full == _ORDERED_DICT and arguments)
        ):
            raise self._source.refuse(
                "refuses to make an instance of what is no ordered dict and no parameter"
            )
        return self.call(made, arguments)

    def set_state(self, target: Any, state: Any) -> None:
        """Admit the attributes of a state dict and of a parameter, and forget them.

        Args:
          target: an ordered dict or a tensor.
          state: a dict of attributes, a tuple (requires_grad and hooks, before PyTorch 0.4) or None.

        Raises:
          TorchFileError: anything else.
        """
        admitted = isinstance(target, _OrderedDict) and isinstance(state, dict)
        if not admitted and not (isinstance(target, Tensor) and isinstance(state, tuple)):
            raise self._source.refuse("sets the state of something that is no ordered dict and no parameter")

    def _make_dict(self, arguments: tuple[Any, ...]) -> _OrderedDict:
        """Python 3 fills an empty dict; Python 2 gave a list of pairs."""
        pairs = arguments[0] if len(arguments) == 1 else []
        if len(arguments) > 1 or not isinstance(pairs, list):
            raise self._source.refuse("makes an ordered dict of what is no list of pairs")
        self._source.charge(_TENSOR_BYTES // 4 * (len(pairs) + 1))
        made = _OrderedDict()
        for pair in pairs:
            if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
                raise self._source.refuse("makes an ordered dict of what is no list of pairs")
            if pair[0] in made:
                raise self._source.refuse(f"key {torch_source.quote(pair[0])} occurs twice in one dict")
            made[pair[0]] = pair[1]
        return made

    def _make_tensor(self, arguments: tuple[Any, ...], num_arguments: int) -> Tensor:
        # Behind the four that say where the elements are: requires_grad, hooks, and from PyTorch 2.0
        # on flags, of which `neg` and `conj` would change the values.
        if len(arguments) != num_arguments and not (
            num_arguments == 6 and len(arguments) == 7 and arguments[6] in (None, {})
        ):
            raise self._source.refuse(f"a tensor is made of {len(arguments)} values, not {num_arguments}")
        storage, offset, shape, strides = arguments[:4]
        if not (
            isinstance(storage, Storage) and _is_count(offset) and _are_counts(shape) and _are_counts(strides)
        ):
            raise self._source.refuse("a tensor lacks a storage, or has an offset, shape or stride below 0")
        if len(shape) != len(strides):
            raise self._source.refuse(f"a tensor has {len(shape)} axes and {len(strides)} strides")
        self._source.charge(_TENSOR_BYTES)
        self._check_view(storage, offset, shape, strides)
        return Tensor(storage, offset, shape, strides)

    def _check_view(
        self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        elements, extent = 1, 1
        for length in shape:
            elements *= length
            extent *= max(length, 1)
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        if elements == 0:
            inside = offset <= storage.num_elements and extent <= _MAX_EMPTY_EXTENT
        else:
            inside = last < storage.num_elements and elements <= storage.num_elements
        if not inside:
            raise self._source.refuse(
                f"a tensor of shape {torch_source.quote(shape)} at {offset} with strides "
                f"{torch_source.quote(strides)} does not fit into storage {torch_source.quote(storage.key)} "
                f"of {storage.num_elements} elements"
            )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and len(values) <= _MAX_DIMENSIONS and all(_is_count(n) for n in values)
