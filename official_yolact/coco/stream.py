"""The lists of a JSON object one entry at a time, with the byte offset of each in the file."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

_CHUNK_BYTES = 1 << 18
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json_text.DECODER
_LONGEST_TOKEN = 32

Entry = tuple[str, Any, int, int]
"""(key of the list, entry, byte offset, bytes)."""


class ListReader:
    """Reads a file once, from the start to the end, and holds one entry in memory.

    Attributes:
      lengths: number of entries of each wanted list that occurred.
      others: values of wanted keys that are no list.
    """

    def __init__(self, file: io.BufferedIOBase, path: str, keys: Collection[str]) -> None:
        """Read an open binary file, whose name is for messages; only lists at `keys` are returned."""
        self._file, self._path, self._keys = file, path, keys
        self._text, self._at, self._chunk = "", 0, _CHUNK_BYTES
        self._marked, self._marked_byte = 0, 0
        self._span = (0, 0)
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._digest = hashlib.sha256()
        self._ended, self._bytes_seen = False, False
        self.lengths: dict[str, int] = {}
        self.others: dict[str, Any] = {}
        self._keys_seen: set[str] = set()

    @property
    def sha256(self) -> str:
        """Checksum of the bytes read: of the file, once all entries have come."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries of the wanted lists in the order of the file.

        Raises:
          ValueError: the file is no JSON, no object, or has a wanted list twice.
        """
        if self._peek() == "\ufeff":
            self._at += 1
        if self._peek() != "{":
            value = self._read_value()
            raise ValueError(
                f"{self._path}: a {type(value).__name__}, not an object with images, annotations, categories"
            )
        self._at += 1
        more = self._peek() != "}"
        if not more:
            self._at += 1
        while more:
            yield from self._read_member()
            more = self._next_of("}")
        if self._peek():
            raise self._fail("more text after the end")

    def _read_member(self) -> Iterator[Entry]:
        key = self._read_value()
        if not isinstance(key, str) or self._peek() != ":":
            raise self._fail("a key and ':' expected")
        self._at += 1
        if key in self._keys_seen:
            raise ValueError(
                f"{self._path}: {json_text.shorten(key)} occurs twice, again near byte"
                f" {self._byte_at(max(self._at, self._marked))}: join the two or keep one"
            )
        self._keys_seen.add(key)
        if key not in self._keys:
            self._read_value()
        elif self._peek() != "[":
            self.others[key] = self._read_value()
        else:
            yield from self._read_list(key)

    def _read_list(self, key: str) -> Iterator[Entry]:
        self.lengths[key] = 0
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            return
        more = True
        while more:
            value = self._read_value(depth=2)
            self.lengths[key] += 1
            yield key, value, *self._span
            more = self._next_of("]")

    def _next_of(self, end: str) -> bool:
        found = self._peek()
        if found not in (",", end):
            raise self._fail(f"',' or '{end}' expected")
        self._at += 1
        return found == ","

    def _peek(self) -> str:
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _read_value(self, depth: int = 1) -> Any:
        self._peek()
        self._chunk = _CHUNK_BYTES
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _LONGEST_TOKEN
                if not cut or not self._more():
                    raise self._fail(error.msg) from error
            except RecursionError as error:
                raise self._fail(f"nested more than {json_text.MAX_DEPTH} deep") from error
            except json_text.TwiceError as error:
                raise self._fail(str(error)) from error
            except ValueError as error:
                at, wrong = json_text.find_number(self._text[self._at :])
                byte = self._byte_at(max(self._at + at, self._marked))
                raise ValueError(f"{self._path}: not JSON: {wrong}, near byte {byte}: correct it") from error
            else:
                # A number at the end of the text may go on.
                if end < len(self._text) or not self._more():
                    break
            self._chunk *= 2
        start = self._byte_at(self._at)
        if json_text.is_deep(self._text[self._at : end], json_text.MAX_DEPTH - depth):
            raise self._fail(f"nested more than {json_text.MAX_DEPTH} deep")
        json_text.check_value(self._text, self._at, end, f"{self._path}: near byte {start}")
        self._at = end
        self._span = (start, self._byte_at(end) - start)
        self._forget()
        return value

    def _byte_at(self, position: int) -> int:
        """Find the byte of a character; never of one before the character asked for last."""
        if self._text.isascii():
            self._marked_byte += position - self._marked
        else:
            self._marked_byte += len(self._text[self._marked : position].encode("utf-8", "surrogatepass"))
        self._marked = position
        return self._marked_byte

    def _forget(self) -> None:
        if self._at > _CHUNK_BYTES // 4:
            self._text, self._at, self._marked = self._text[self._at :], 0, 0

    def _more(self) -> bool:
        if self._ended:
            return False
        data = self._file.read(self._chunk)
        if not self._bytes_seen:
            inputs.refuse_utf16(data, self._path, "JSON")
        self._bytes_seen = True
        self._digest.update(data)
        self._ended = not data
        try:
            self._text += self._utf8.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise ValueError(f"{self._path}: not JSON in UTF-8: {error}") from error
        return not self._ended

    def _fail(self, what: str) -> ValueError:
        byte = self._byte_at(max(self._at, self._marked))
        return ValueError(f"{self._path}: not JSON: {what}, near byte {byte}: is the file complete?")
