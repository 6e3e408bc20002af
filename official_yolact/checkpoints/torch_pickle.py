"""An interpreter of the pickle opcodes that state dicts use: it builds plain values and calls nothing.

Python's own unpickler imports and calls what a file names, and allocates what a file states. This
one knows the opcodes that `torch.save` writes for tensors, dicts and plain values (protocols 2 to
5, from Python 2 or 3), keeps its memo in a dict, checks each length against the file, and leaves
names to a table of inert stand-ins (`torch_objects`).
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any

from official_yolact.checkpoints import torch_objects
from official_yolact.checkpoints import torch_source

# An upper bound of what one opcode makes Python allocate, its share of growing containers included.
_OPCODE_BYTES = 128
_MAX_INTEGER_BYTES = 16
_MAX_NAME_BYTES = 256
# Larger integers can be chosen so that their hashes collide.
_MAX_KEY = 2**31


class PickleMachine:
    """Runs one pickle of a file.

    Args:
      source: the file.
      start: the first byte of the pickle.
      end: the first byte behind the part of the file that holds it.
      objects: what names, storages and calls become.

    Attributes:
      position: the next byte to read; behind the pickle after `run`.
    """

    def __init__(
        self, source: torch_source.TorchSource, start: int, end: int, objects: torch_objects.TorchObjects
    ) -> None:
        self.position = start
        self._source = source
        self._end = end
        self._frame_end = start
        self._objects = objects
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Interpret the pickle up to its end.

        Returns:
          The value: None, bool, int, float, str, tuple, list, dict, or a stand-in.

        Raises:
          TorchFileError: an opcode, a name or a call that no state dict needs, or damage.
        """
        while True:
            code = self._take(1)[0]
            self._source.charge(_OPCODE_BYTES)
            if code == pickle.STOP[0]:
                break
            step = _STEPS.get(code)
            if step is None:
                raise self._damaged(f"opcode {quote_opcode(code)} has no place in a state dict")
            step(self)
        if len(self._stack) != 1 or self._outer:
            raise self._damaged("damaged pickle: it ends with values left over")
        if self.position < self._frame_end:
            raise self._damaged("damaged pickle: it ends inside a frame")
        return self._stack.pop()

    def _limit(self) -> int:
        return self._frame_end if self.position < self._frame_end else self._end

    def _take(self, num_bytes: int) -> bytes:
        taken = self._source.take(self.position, num_bytes, self._limit())
        self.position += num_bytes
        return taken

    def _unpack(self, form: str) -> int:
        return int(struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def _damaged(self, what: str) -> torch_source.TorchFileError:
        return self._source.refuse(f"{what} (before byte {self.position})")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack:
            raise self._damaged("damaged pickle: it takes a value where there is none")
        return self._stack.pop()

    def _top(self, kind: type) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise self._damaged(f"damaged pickle: it fills a {kind.__name__} where there is none")
        return self._stack[-1]

    def _pop_mark(self) -> list[Any]:
        if not self._outer:
            raise self._damaged("damaged pickle: it closes a list that was not opened")
        items, self._stack = self._stack, self._outer.pop()
        return items

    def _protocol(self) -> None:
        version = self._unpack("<B")
        if not 2 <= version <= 5:
            raise self._damaged(f"pickle protocol {version} is none that torch.save writes (2 to 5)")

    def _frame(self) -> None:
        length = self._unpack("<Q")
        if self.position < self._frame_end or length > self._end - self.position:
            raise self._damaged(f"damaged pickle: a frame of {length} bytes is longer than what holds it")
        self._frame_end = self.position + length

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _float(self) -> None:
        self._push(struct.unpack(">d", self._take(8))[0])

    def _long(self, form: str) -> None:
        length = self._unpack(form)
        if not 0 <= length <= _MAX_INTEGER_BYTES:
            raise self._damaged(f"an integer of {length} bytes has no place in a state dict")
        self._push(int.from_bytes(self._take(length), "little", signed=True))

    def _text(self, form: str) -> None:
        length = self._unpack(form)
        if length < 0 or length > self._limit() - self.position:
            raise self._damaged(f"damaged pickle: a text of {length} bytes is longer than the file")
        # One wide character makes Python store all of them in four bytes; the copied bytes come on top.
        self._source.charge(5 * length)
        try:
            self._push(self._take(length).decode("utf-8"))
        except UnicodeDecodeError:
            raise self._damaged("damaged pickle: a text is not UTF-8") from None

    def _tuple(self, length: int) -> None:
        items = [self._pop() for _ in range(length)]
        self._push(tuple(reversed(items)))

    def _marked_tuple(self) -> None:
        items = self._pop_mark()
        self._push(tuple(items))

    def _line(self) -> str:
        stop = self._source.data.find(
            b"\n", self.position, min(self._limit(), self.position + _MAX_NAME_BYTES)
        )
        if stop < 0:
            raise self._damaged("damaged pickle: a name does not end")
        line = self._take(stop - self.position)
        self.position += 1
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            raise self._damaged("damaged pickle: a name is not UTF-8") from None

    def _global(self) -> None:
        module = self._line()
        self._push(self._objects.find(module, self._line()))

    def _stacked_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise self._damaged("damaged pickle: a name is no text")
        self._push(self._objects.find(module, name))

    def _put(self, index: int) -> None:
        if not self._stack:
            raise self._damaged("damaged pickle: it remembers a value where there is none")
        self._memo[index] = self._stack[-1]

    def _get(self, form: str) -> None:
        index = self._unpack(form)
        if index not in self._memo:
            raise self._damaged(f"damaged pickle: it recalls value {index}, which it has not remembered")
        self._push(self._memo[index])

    def _pop_arguments(self) -> tuple[Any, ...]:
        arguments = self._pop()
        if not isinstance(arguments, tuple):
            raise self._damaged("damaged pickle: a call's arguments are no tuple")
        return arguments

    def _call(self) -> None:
        arguments = self._pop_arguments()
        self._push(self._objects.call(self._pop(), arguments))

    def _make(self) -> None:
        arguments = self._pop_arguments()
        self._push(self._objects.make(self._pop(), arguments))

    def _build(self) -> None:
        state = self._pop()
        self._objects.set_state(self._top(object), state)

    def _persistent(self) -> None:
        self._push(self._objects.find_storage(self._pop()))

    def _append(self) -> None:
        value = self._pop()
        self._top(list).append(value)

    def _extend(self) -> None:
        items = self._pop_mark()
        self._top(list).extend(items)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._store(self._top(dict), key, value)

    def _set_items(self) -> None:
        items = self._pop_mark()
        target = self._top(dict)
        if len(items) % 2:
            raise self._damaged("damaged pickle: a dict's last key has no value")
        for index in range(0, len(items), 2):
            self._store(target, items[index], items[index + 1])

    def _store(self, target: dict[Any, Any], key: Any, value: Any) -> None:
        if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < _MAX_KEY):
            raise self._damaged("a dict has a key that is neither a text nor a small integer")
        if key in target:
            raise self._damaged(f"key {torch_source.quote(key)} occurs twice in one dict")
        target[key] = value


def quote_opcode(code: int) -> str:
    """Name an opcode by pickle's own constant where it has one."""
    for name in pickle.__all__:
        if name.isupper() and getattr(pickle, name) == bytes([code]):
            return name
    return f"0x{code:02x}"


_STEPS: dict[int, Callable[[PickleMachine], None]] = {
    opcode[0]: step
    for opcode, step in {
        pickle.PROTO: PickleMachine._protocol,
        pickle.FRAME: PickleMachine._frame,
        pickle.MARK: PickleMachine._mark,
        pickle.NONE: lambda m: m._push(None),
        pickle.NEWTRUE: lambda m: m._push(True),
        pickle.NEWFALSE: lambda m: m._push(False),
        pickle.BININT: lambda m: m._push(m._unpack("<i")),
        pickle.BININT1: lambda m: m._push(m._unpack("<B")),
        pickle.BININT2: lambda m: m._push(m._unpack("<H")),
        pickle.LONG1: lambda m: m._long("<B"),
        pickle.LONG4: lambda m: m._long("<i"),
        pickle.BINFLOAT: PickleMachine._float,
        pickle.BINSTRING: lambda m: m._text("<i"),
        pickle.SHORT_BINSTRING: lambda m: m._text("<B"),
        pickle.BINUNICODE: lambda m: m._text("<I"),
        pickle.SHORT_BINUNICODE: lambda m: m._text("<B"),
        pickle.BINUNICODE8: lambda m: m._text("<Q"),
        pickle.EMPTY_TUPLE: lambda m: m._push(()),
        pickle.TUPLE1: lambda m: m._tuple(1),
        pickle.TUPLE2: lambda m: m._tuple(2),
        pickle.TUPLE3: lambda m: m._tuple(3),
        pickle.TUPLE: PickleMachine._marked_tuple,
        pickle.EMPTY_LIST: lambda m: m._push([]),
        pickle.APPEND: PickleMachine._append,
        pickle.APPENDS: PickleMachine._extend,
        pickle.EMPTY_DICT: lambda m: m._push({}),
        pickle.SETITEM: PickleMachine._set_item,
        pickle.SETITEMS: PickleMachine._set_items,
        pickle.GLOBAL: PickleMachine._global,
        pickle.STACK_GLOBAL: PickleMachine._stacked_global,
        pickle.BINPUT: lambda m: m._put(m._unpack("<B")),
        pickle.LONG_BINPUT: lambda m: m._put(m._unpack("<I")),
        pickle.MEMOIZE: lambda m: m._put(len(m._memo)),
        pickle.BINGET: lambda m: m._get("<B"),
        pickle.LONG_BINGET: lambda m: m._get("<I"),
        pickle.REDUCE: PickleMachine._call,
        pickle.NEWOBJ: PickleMachine._make,
        pickle.BUILD: PickleMachine._build,
        pickle.BINPERSID: PickleMachine._persistent,
    }.items()
}
