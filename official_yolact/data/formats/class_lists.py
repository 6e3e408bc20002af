"""Lists of class names that the user gives: text or YAML."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from typing import Any

from official_yolact.configs import yaml_document
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

_YAML = (".yaml", ".yml")
_NAMES = "names"


def read(path: str, first: int) -> dict[int, str]:
    """Read class names.

    Args:
      path: text with a name on each line, or YAML with a list of names, a mapping of numbers to names,
        or either under `names`.
      first: number of the first name, where the file does not number them.

    Returns:
      Number to name.

    Raises:
      OSError: the file cannot be read.
      ValueError: names the file, what is wrong in it and the cure.
    """
    if path.lower().endswith(_YAML):
        content = read_yaml(path)
        return check(path, content.get(_NAMES, content) if isinstance(content, dict) else content, first)
    lines = [line.strip() for line in io.StringIO(inputs.read_text(path), newline=None)]
    # Lines count from the top, so only those at the end may be empty.
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        json_text.refuse_control(line, f"{path}: line {number}")
    return check(path, lines, first)


def read_yaml(path: str, keys: Collection[str] = ()) -> Any:
    """Read YAML of other programs by the rules for configurations.

    Args:
      path: of the file.
      keys: those at the top that are used, where the file is a mapping with `names`: what is wrong below
        others, such as a date, is passed over.

    Raises:
      OSError: the file cannot be read.
      ValueError: names the file, the line, what is wrong and the cure.
    """
    document = yaml_document.YamlDocument(inputs.read_text(path, "YAML"), path)
    content = document.data
    is_mapping = isinstance(content, dict) and any(key in content for key in (_NAMES, *keys))
    used = ("", _NAMES, *keys)
    for found in document.findings:
        if not is_mapping or re.split(r"[.\[]", found.path, maxsplit=1)[0] in used:
            raise ValueError(str(found))
    return content


def check(path: str, names: Any, first: int) -> dict[int, str]:
    """Check a list or mapping of class names.

    Args:
      path: begins each error message.
      names: as the file has them.
      first: number of the first name of a list.

    Returns:
      Number to name.

    Raises:
      ValueError: there are no names, a name is not text or occurs twice, or a number is none.
    """
    if isinstance(names, list):
        names = dict(enumerate(names, start=first))
    if not isinstance(names, dict) or not names:
        raise ValueError(
            f"{path}: the classes are {values.shorten(names)}: give a list of names, or numbers with names"
        )
    result: dict[int, str] = {}
    for key, name in names.items():
        number = values.parse_int(path, "number of a class", key)
        if number < 0:
            raise ValueError(f"{path}: class {number} ({values.shorten(name)}): numbers start at 0")
        if not isinstance(name, (str, int)) or isinstance(name, bool) or not str(name).strip():
            raise ValueError(f"{path}: class {number} is {values.shorten(name)}: give its name")
        json_text.refuse_control(str(name), f"{path}: class {number}")
        if str(name) in result.values():
            raise ValueError(f"{path}: class {number}: the name {name!r} occurs twice: give each its own")
        result[number] = str(name)
    return result


def describe(names: dict[int, str]) -> str:
    """Show a few names in an error message."""
    return values.shorten([names[number] for number in sorted(names)])
