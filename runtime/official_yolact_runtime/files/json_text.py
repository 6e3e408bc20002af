"""The one strict reader of JSON text, and the rule for names that come from a file.

Python's own reader takes the last of two equal keys, half a character, and numbers that no float
holds, and lets deep nesting end in a traceback. What is refused here is refused by every command.
Source: RFC 8259; a byte order mark at the start, which Windows' editors write, is skipped.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from official_yolact_runtime.files import inputs

MAX_DEPTH = 200
"""Nesting of brackets that a value may have; annotation files have 6."""

_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)
# Control characters, ends of lines and paragraphs, what turns the direction of the text that follows, and
# halves of characters.
_IN_TEXT = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL_IN_TEXT = re.compile(f"[{_IN_TEXT}]")
_CONTROL = re.compile(f"[{_IN_TEXT}\t\n\r]")
_CONTROL_ON_SCREEN = re.compile(f"[{_IN_TEXT}\r]")
_NUMBER = re.compile(
    r'"(?:[^"\\]|\\.)*"|-?(?:[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|NaN|Infinity)', re.DOTALL
)
_MOST_DIGITS = sys.int_info.default_max_str_digits
"""Of a whole number: Python refuses to read more, which takes it very long."""
_DIGITS_OF_FLOATS = 309
_NO_STRUCTURE = bytes(value for value in range(256) if value not in b'"[]{}')
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*"?')


class TwiceError(ValueError):
    """A key stands twice in an object."""


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise TwiceError(f"the key {shorten(twice)} occurs twice in an object: join the two or keep one")
    return result


def _to_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _to_bounded(text: str) -> int:
    number = int(text)
    if len(text) >= _DIGITS_OF_FLOATS and abs(number) > sys.float_info.max:
        raise ValueError
    return number


DECODER = json.JSONDecoder(object_pairs_hook=_to_object)
"""Of annotation files, whose readers check each number, naming its record."""

_FINITE = json.JSONDecoder(
    object_pairs_hook=_to_object, parse_float=_to_finite, parse_int=_to_bounded, parse_constant=_to_finite
)


def dump(value: Any, **options: Any) -> str:
    """Write a value as JSON; what is NaN or infinite, which JSON has no word for, is null.

    Args:
      value: dicts with text keys, lists, tuples, texts, numbers, truth values and None.
      **options: of `json.dumps`.
    """
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        return json.dumps(to_finite(value), allow_nan=False, **options)


def dump_finite(value: Any, where: str, **options: Any) -> str:
    """Write a value as JSON; as `dump`, but what JSON has no word for is refused.

    Raises:
      ValueError: names `where` it is to be written, the place and the number.
    """
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError as error:
        place, number = next(iterate_unfinite(value), ("", None))
        if number is None:
            raise ValueError(f"{where}: is not written: {error}") from error
        wrong = f"{place} is {number}, which JSON does not have"
        raise ValueError(f"{where}: is not written: {wrong}") from error


def to_finite(value: Any) -> Any:
    """Copy a value with None in place of each number that is NaN or infinite."""
    if isinstance(value, dict):
        return {key: to_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def iterate_unfinite(value: Any) -> Iterator[tuple[str, float]]:
    """Find the numbers that are NaN or infinite.

    Args:
      value: as JSON gives it.

    Yields:
      The place, such as `annotations[3].score`, and the number.
    """
    for keys, number in _walk_unfinite(value, ()):
        parts = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys]
        yield "".join(parts).removeprefix("."), number


def _walk_unfinite(value: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield keys, value
        return
    if isinstance(value, list):
        try:
            if math.isfinite(sum(value)):  # so are all of them; a quick look at polygons
                return
        except (TypeError, OverflowError):
            pass
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, float | list | dict):
            yield from _walk_unfinite(item, (*keys, key))


def load(path: str, finite: bool = True) -> Any:
    """Read a JSON file.

    Args:
      path: the file.
      finite: refuse numbers that no float holds, too; readers of annotations do that themselves.

    Returns:
      Its value.

    Raises:
      OSError: the file cannot be read.
      ValueError: as of `parse`.
    """
    with inputs.open_input(path) as file:
        data = file.read()
    return parse(data, path, finite)


def parse(text: bytes | str, where: str, finite: bool = True) -> Any:
    """Read JSON text.

    Args:
      text: UTF-8, with or without a byte order mark, or its characters.
      where: it comes from, for the message.
      finite: refuse numbers that no float holds, too.

    Returns:
      Its value.

    Raises:
      ValueError: names the source and the place of what is wrong: no UTF-8, no JSON, nested too
        deeply, a key that occurs twice, half a character, a number that is not finite or of thousands
        of digits.
    """
    if is_deep(text):
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        raise ValueError(f"{where}: not JSON: {_find_deep(shown)}")
    text = inputs.decode(text, where, "JSON") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    try:
        value = (_FINITE if finite else DECODER).decode(text)
    except TwiceError as error:
        raise ValueError(f"{where}: not JSON to rely on: {_find_twice(text) or error}") from None
    except RecursionError:
        raise ValueError(f"{where}: not JSON: {_find_deep(text)}") from None
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            raise ValueError(f"{where}: not JSON: {error}") from None
        at, wrong = find_number(text, finite)
        raise ValueError(f"{where}: not JSON: {wrong} ({_place(text, at)}): correct it") from None
    if "\\ud" in text or "\\uD" in text:
        _refuse_half(text, lambda at: f"{where}: {_place(text, at)}")
    return value


def find_number(text: str, finite: bool = False) -> tuple[int, str]:
    """Find the number that the reader has refused.

    Args:
      text: JSON.
      finite: numbers that no float holds are refused, too.

    Returns:
      Its place and what is wrong with it.
    """
    for match in _NUMBER.finditer(text):
        token = match.group()
        if token.startswith('"'):
            continue
        if len(token) > _MOST_DIGITS and token.lstrip("-").isdigit():
            return match.start(), f"the number {shorten(token)} has {len(token.lstrip('-'))} digits"
        if finite and not math.isfinite(float(token)):
            return match.start(), f"the number {shorten(token)} is not finite"
    return 0, "a number cannot be read"


def is_deep(text: bytes | str, allowed: int = MAX_DEPTH) -> bool:
    """Tell whether brackets outside of strings are nested more than `allowed` deep.

    Strings go, then the innermost pairs, level by level: a fifth of a second for 200 MB. Brackets
    that do not pair are no JSON, which the reader says.
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") <= allowed:
        return False
    if b"\\" in data:
        data = _ESCAPE.sub(b"", data)
    rest = _STRING.sub(b"", data.translate(_ONE_KIND, _NO_STRUCTURE).replace(b'""', b""))
    for _ in range(allowed):
        shorter = rest.replace(b"[]", b"")
        if len(shorter) == len(rest):
            return rest.count(b"[") > allowed
        rest = shorter
    return b"[" in rest


def check_value(text: str, start: int, end: int, where: str) -> None:
    """Refuse a value with escapes that are half a character, which nothing can show or write.

    Args:
      text: JSON that was read.
      start: of the value.
      end: of the value.
      where: it is, for the message.

    Raises:
      ValueError: names the text.
    """
    if text.find("\\ud", start, end) >= 0 or text.find("\\uD", start, end) >= 0:
        _refuse_half(text[start:end], lambda _: where)


def _refuse_half(text: str, name: Callable[[int], str]) -> None:
    for kind, token, at in _tokens(text):
        if kind == '"' and _ESCAPED_HALF.search(token):
            value = json.loads(token)
            if any("\ud800" <= letter <= "\udfff" for letter in value):
                raise ValueError(
                    f"{name(at)}: {shorten(value)} holds half a character (a lone surrogate):"
                    " write the text again"
                )


def refuse_control(text: str, where: str) -> None:
    """Refuse a name with a newline, a control character or half a character.

    Raises:
      ValueError: names the place and the text.
    """
    if has_control(text):
        raise ValueError(f"{where} is {shorten(text)}, which holds a control character: delete that")


def has_control(text: str, in_lines: bool = False) -> bool:
    """Tell whether a name holds what no terminal, file name or picture can show.

    Args:
      text: a name.
      in_lines: it is a longer text, in which tabs and new lines are nothing special.
    """
    return (_CONTROL_IN_TEXT if in_lines else _CONTROL).search(text) is not None


def escape_control(text: str) -> str:
    """Write control characters, which a terminal obeys, as escapes; lines stay lines."""
    return _CONTROL_ON_SCREEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def shorten(text: str) -> str:
    """Show a text within quotes, plain ASCII, in at most 60 characters."""
    shown = ascii(text)
    return shown if len(shown) <= 60 else f"{shown[:40]}...{shown[-15:]}"


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Give the strings and punctuation: kind (the first character), text and place of each."""
    for match in _TOKEN.finditer(text):
        token = match.group()
        yield token[0], token, match.start()


def _find_twice(text: str) -> str:
    """Name the first key that occurs twice, and the lines of both."""
    open_objects: list[dict[str, int] | None] = []
    expects_key = False
    for kind, token, at in _tokens(text):
        if kind == "{":
            open_objects.append({})
        elif kind == "[":
            open_objects.append(None)
        elif kind in "}]" and open_objects:
            open_objects.pop()
        inside = open_objects[-1] if open_objects else None
        if kind == '"' and expects_key and inside is not None:
            key = json.loads(token)
            if key in inside:
                first, second = (_place(text, place) for place in (inside[key], at))
                return f"the key {shorten(key)} occurs twice ({first} and {second}): join the two or keep one"
            inside[key] = at
        expects_key = kind in "{,"
    return ""


def _find_deep(text: str) -> str:
    """Name the place where values begin to be nested too deeply."""
    depth = 0
    for kind, _, at in _tokens(text):
        depth += (kind in "{[") - (kind in "}]")
        if depth > MAX_DEPTH:
            return f"nested more than {MAX_DEPTH} deep at {_place(text, at)}: is this the right file?"
    return "nested too deeply: is this the right file?"


def _place(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1} column {at - text.rfind(chr(10), 0, at)}"
