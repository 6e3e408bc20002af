"""Runs the pickle opcodes that state dicts use: it builds plain values and calls nothing.

Python's own unpickler imports and calls what a file names, and allocates what a file states. Here the
standard library (`pickletools.genops`) reads only the opcodes and their arguments, through a `read` that
checks each length against the file first. The opcodes that `torch.save` writes for tensors, dicts and
plain values (protocols 2 to 5, from Python 2 or 3) are carried out; the memo is a dict, and names become
inert stand-ins (`torch_objects`).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import IO, Any, cast

from official_yolact.importing import torch_objects
from official_yolact.importing import torch_source

# An upper bound of what one opcode makes Python allocate, its share of growing containers included.
_OPCODE_BYTES = 128
# One wide character makes Python store a whole text in four bytes each; the bytes read come on top.
_ARGUMENT_FACTOR = 5
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
        try:
            # All that `genops` calls of a file is `tell`, `read` and `readline`.
            for opcode, argument, _ in pickletools.genops(cast("IO[bytes]", self)):
                self._source.charge(_OPCODE_BYTES)
                if opcode.name not in _STEPS:
                    raise self._damaged(f"opcode {opcode.name} has no place in a state dict")
                _STEPS[opcode.name](self, argument)
        except torch_source.TorchFileError:
            raise
        except UnicodeError:
            raise self._damaged("damaged pickle: a text is not UTF-8") from None
        except ValueError as error:
            raise self._damaged(f"damaged pickle: {error}") from None
        if len(self._stack) != 1 or self._outer:
            raise self._damaged("damaged pickle: it ends with values left over")
        if self.position < self._frame_end:
            raise self._damaged("damaged pickle: it ends inside a frame")
        return self._stack.pop()

    def tell(self) -> int:
        """Give the next byte to read."""
        return self.position

    def read(self, num_bytes: int) -> bytes:
        """Read exactly so many bytes of the file, none of them behind the frame or the pickle's part."""
        taken = self._source.take(self.position, num_bytes, self._limit())
        self._source.charge(_ARGUMENT_FACTOR * num_bytes)
        self.position += num_bytes
        return taken

    def readline(self) -> bytes:
        """Read half a name, its newline included; names have no escapes, which `genops` would resolve."""
        limit = min(self._limit(), self.position + _MAX_NAME_BYTES)
        stop = self._source.data.find(b"\n", self.position, limit)
        if stop < 0:
            raise self._damaged("damaged pickle: a name does not end")
        line = self.read(stop + 1 - self.position)
        if b"\\" in line:
            raise self._damaged(f"a name {torch_source.quote(line)} with a backslash is none of a state dict")
        return line

    def _limit(self) -> int:
        return self._frame_end if self.position < self._frame_end else self._end

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

    def _check_protocol(self, version: int) -> None:
        if not 2 <= version <= 5:
            raise self._damaged(f"pickle protocol {version} is none that torch.save writes (2 to 5)")

    def _enter_frame(self, length: int) -> None:
        if self.position < self._frame_end or length > self._end - self.position:
            raise self._damaged(f"damaged pickle: a frame of {length} bytes is longer than what holds it")
        self._frame_end = self.position + length

    def _mark(self, _: None) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _push_long(self, value: int) -> None:
        if value.bit_length() >= 8 * _MAX_INTEGER_BYTES:
            raise self._damaged(
                f"an integer of more than {_MAX_INTEGER_BYTES} bytes has no place in a state dict"
            )
        self._push(value)

    def _push_text(self, text: str) -> None:
        text.encode("utf-8")  # `genops` lets half a surrogate pair pass
        self._push(text)

    def _push_tuple(self, length: int) -> None:
        items = [self._pop() for _ in range(length)]
        self._push(tuple(reversed(items)))

    def _close_tuple(self, _: None) -> None:
        items = self._pop_mark()
        self._push(tuple(items))

    def _find(self, module: Any, name: Any) -> None:
        if not isinstance(name, str) or not isinstance(module, str):
            raise self._damaged("damaged pickle: a name is no text")
        self._push(self._objects.find(module, name))

    def _find_stacked(self, _: None) -> None:
        name, module = self._pop(), self._pop()
        self._find(module, name)

    def _put(self, index: int) -> None:
        if not self._stack:
            raise self._damaged("damaged pickle: it remembers a value where there is none")
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise self._damaged(f"damaged pickle: it recalls value {index}, which it has not remembered")
        self._push(self._memo[index])

    def _pop_arguments(self) -> tuple[Any, ...]:
        arguments = self._pop()
        if not isinstance(arguments, tuple):
            raise self._damaged("damaged pickle: a call's arguments are no tuple")
        return arguments

    def _call(self, _: None) -> None:
        arguments = self._pop_arguments()
        self._push(self._objects.call(self._pop(), arguments))

    def _make(self, _: None) -> None:
        arguments = self._pop_arguments()
        self._push(self._objects.make(self._pop(), arguments))

    def _build(self, _: None) -> None:
        state = self._pop()
        self._objects.set_state(self._top(object), state)

    def _append(self, _: None) -> None:
        value = self._pop()
        self._top(list).append(value)

    def _extend(self, _: None) -> None:
        items = self._pop_mark()
        self._top(list).extend(items)

    def _set_item(self, _: None) -> None:
        value, key = self._pop(), self._pop()
        self._store(self._top(dict), key, value)

    def _set_items(self, _: None) -> None:
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


_STEPS: dict[str, Callable[[PickleMachine, Any], None]] = {
    "PROTO": PickleMachine._check_protocol,
    "FRAME": PickleMachine._enter_frame,
    "MARK": PickleMachine._mark,
    "STOP": lambda _machine, _: None,
    "NONE": PickleMachine._push,
    "NEWTRUE": lambda machine, _: machine._push(True),
    "NEWFALSE": lambda machine, _: machine._push(False),
    "BININT": PickleMachine._push,
    "BININT1": PickleMachine._push,
    "BININT2": PickleMachine._push,
    "LONG1": PickleMachine._push_long,
    "LONG4": PickleMachine._push_long,
    "BINFLOAT": PickleMachine._push,
    # Texts of Python 2, which `genops` reads as Latin-1.
    "BINSTRING": lambda machine, text: machine._push(text.encode("latin-1").decode("utf-8")),
    "SHORT_BINSTRING": lambda machine, text: machine._push(text.encode("latin-1").decode("utf-8")),
    "BINUNICODE": PickleMachine._push_text,
    "SHORT_BINUNICODE": PickleMachine._push_text,
    "BINUNICODE8": PickleMachine._push_text,
    "EMPTY_TUPLE": lambda machine, _: machine._push(()),
    "TUPLE1": lambda machine, _: machine._push_tuple(1),
    "TUPLE2": lambda machine, _: machine._push_tuple(2),
    "TUPLE3": lambda machine, _: machine._push_tuple(3),
    "TUPLE": PickleMachine._close_tuple,
    "EMPTY_LIST": lambda machine, _: machine._push([]),
    "APPEND": PickleMachine._append,
    "APPENDS": PickleMachine._extend,
    "EMPTY_DICT": lambda machine, _: machine._push({}),
    "SETITEM": PickleMachine._set_item,
    "SETITEMS": PickleMachine._set_items,
    "GLOBAL": lambda machine, names: machine._find(*names.split(" ", 1)),
    "STACK_GLOBAL": PickleMachine._find_stacked,
    "BINPUT": PickleMachine._put,
    "LONG_BINPUT": PickleMachine._put,
    "MEMOIZE": lambda machine, _: machine._put(len(machine._memo)),
    "BINGET": PickleMachine._get,
    "LONG_BINGET": PickleMachine._get,
    "REDUCE": PickleMachine._call,
    "NEWOBJ": PickleMachine._make,
    "BUILD": PickleMachine._build,
    "BINPERSID": lambda machine, _: machine._push(machine._objects.find_storage(machine._pop())),
}
