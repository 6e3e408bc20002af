"""From an error to what a person reads: one message that names the thing."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import traceback
from collections.abc import Sequence

from official_yolact.training import errors
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

_MAX_WORDS = 8
_MAX_WORD = 80
_MAX_GRAPH = 500
_OF_A_GRAPH = re.compile(r"\s|Graph execution error|Detected at node|File \"|\[\[|Stack trace|Hint:")
_KINDS = (
    (UnicodeError, "text in another coding than expected: {}"),
    (json.JSONDecodeError, "is no JSON: {}"),
    (MemoryError, "the machine's memory does not suffice"),
    (RecursionError, "something is nested too deeply"),
    (OverflowError, "a number is too large: {}"),
)
# What Python says of a value without saying where it stands, and what that means.
_NAMELESS = (
    (re.compile(r"embedded null (byte|character)"), "a name holds the character NUL, which no file has"),
    (
        re.compile(r"Out of range float values are not JSON compliant"),
        "a number of the result is NaN or infinite, which JSON does not have",
    ),
    (re.compile(r"(cannot convert|could not convert|invalid literal|Exceeds the limit|math domain)"), ""),
    (re.compile(r"(too many|not enough) values to unpack|list index out of range"), ""),
)


def is_expected(error: Exception) -> bool:
    """Tell errors that state a fault of input, machine or training from faults of the program."""
    expected = (ValueError, KeyError, OSError, OverflowError, MemoryError, RecursionError)
    return isinstance(error, (*expected, errors.TrainingError)) or _is_of_tensorflow(error)


def describe(error: Exception, words: Sequence[str], program: str = "yolact") -> str:
    """Write the message of an error.

    Args:
      error: any.
      words: of the command, which name the thing where the error itself does not.
      program: that the words were given to.

    Returns:
      Text without control characters.
    """
    if not is_expected(error):
        text = (
            f"{_name_command(words, program)}: a fault of this program, not of what it was given: "
            f"{type(error).__name__}: {error} ({_find_place(error)}); {errors.DEBUG}=1 shows more: please"
            " report it"
        )
    else:
        named, text = _read(error)
        text = text if named else f"{_name_command(words, program)}: {text}"
    return json_text.escape_control(text)


def report(error: Exception, words: Sequence[str], program: str = "yolact") -> int:
    """Print the message of an error, as `describe` writes it.

    Returns:
      The exit code of every command that an error ends.

    Raises:
      Exception: the error itself, where `YOLACT_DEBUG` is set.
    """
    if os.environ.get(errors.DEBUG):
        raise error
    print(f"{program.rsplit(maxsplit=1)[-1]}: error: {describe(error, words, program)}", file=sys.stderr)
    return errors.EXIT_CODE


def _read(error: Exception) -> tuple[bool, str]:
    """Give the message, and whether it names what it is about."""
    if isinstance(error, OSError) and error.strerror:
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else error.filename
        hint = inputs.hint(name) if isinstance(name, str) and isinstance(error, FileNotFoundError) else ""
        return name is not None, error.strerror if name is None else f"{name}: {error.strerror}{hint}"
    for kind, meaning in _KINDS:
        if isinstance(error, kind):
            return False, meaning.format(error)
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if _is_of_tensorflow(error):
        text = _first_lines(text)
    for pattern, meaning in _NAMELESS:
        if pattern.match(text):
            return False, meaning or text
    if " " not in text.strip():
        return False, f"cannot be used: {text!r} ({type(error).__name__})"
    return True, text


def _is_of_tensorflow(error: Exception) -> bool:
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(error, tensorflow.errors.OpError)


def _first_lines(text: str) -> str:
    """Leave out the graph's nodes and the source lines that made them."""
    lines = [line for line in text.splitlines() if line.strip() and not _OF_A_GRAPH.match(line)]
    return " ".join(" ".join(lines[:3]).split("[Op:")[0].split())[:_MAX_GRAPH] or text[:_MAX_GRAPH]


def _name_command(words: Sequence[str], program: str) -> str:
    shown = [word if len(word) <= _MAX_WORD else f"{word[: _MAX_WORD - 3]}..." for word in words]
    more = " ..." if len(shown) > _MAX_WORDS else ""
    return f"in `{program} {shlex.join(shown[:_MAX_WORDS])}{more}`"


def _find_place(error: Exception) -> str:
    """Find the innermost line of this package that an error passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "official_yolact" in frame.filename] or list(frames)
    if not ours:
        return "no place known"
    _, _, path = ours[-1].filename.rpartition("official_yolact")
    return f"official_yolact{path}:{ours[-1].lineno}"
