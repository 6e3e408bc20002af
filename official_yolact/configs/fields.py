"""Keys and types of what a configuration file says, against the dataclasses."""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import functools
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from official.modeling.hyperparams import base_config
from official.modeling.hyperparams import oneof
from official_yolact.configs import finding

_MAX_INTEGER = 2**63
_SURE = 0.8  # likeness above which a key is a slip of the pen, not one of another section
_SECOND_TERM = re.compile(r"[;,]\s*[A-Za-z_][\w.]*\s*=")
_WRITTEN = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
_WORDS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


def take_known(
    mapping: Mapping[str, Any], config: base_config.Config, prefix: str = "", root: Any = None
) -> tuple[dict[str, Any], list[finding.Finding]]:
    """Separate the keys and values that a configuration can have from those that it cannot.

    Args:
      mapping: keys and values of a file or an override.
      config: the section that they override.
      prefix: key path of the section, with a dot at its end.
      root: the whole configuration: an unknown key may be one of another section.

    Returns:
      The mapping without unknown keys and values of wrong types, and a finding for each of those.
    """
    root = config if root is None else root
    known: dict[str, Any] = {}
    findings: list[finding.Finding] = []
    hints = _type_hints(config)
    for key, value in mapping.items():
        path = f"{prefix}{key}"
        if key not in hints:
            findings.append(_unknown_key(key, value, path, list(hints), root))
            continue
        section = _section(config, key, hints[key])
        if section is not None and isinstance(value, Mapping):
            known[key], below = take_known(value, section, f"{path}.", root)
            findings += below
        elif below := list(_check_value(value, hints[key], path, section)):
            findings += below
        else:
            known[key] = value
    return known, findings


def check_types(config: base_config.Config, prefix: str = "") -> Iterator[finding.Finding]:
    """Find attributes that no class declares, and values of the wrong type.

    Args:
      config: a whole configuration, however it was made.
      prefix: key path of the section, with a dot at its end.

    Yields:
      Findings; of sections that are chosen by `type`, the others are left out.
    """
    hints = _type_hints(config)
    for name in vars(config):
        if name not in hints and name not in config.RESERVED_ATTR:
            yield _unknown_key(name, getattr(config, name), f"{prefix}{name}", list(hints), config)
    chosen = {"type", config.type} if isinstance(config, oneof.OneOfConfig) else set(hints)
    for name in [name for name in hints if name in chosen]:
        value, path = getattr(config, name), f"{prefix}{name}"
        section = _section(config, name, hints[name])
        if isinstance(value, base_config.Config) and section is not None:
            yield from check_types(value, f"{path}.")
        else:
            yield from _check_value(value, hints[name], path, section)


def _type_hints(config: base_config.Config) -> dict[str, Any]:
    kind: Any = type(config)
    return _class_hints(kind)


@functools.cache
def _class_hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints.get(field.name, Any) for field in dataclasses.fields(kind)}


def _section(config: base_config.Config, name: str, hint: Any) -> base_config.Config | None:
    """Find the section under a name; where it is None, one of its class with the defaults."""
    value = getattr(config, name)
    if isinstance(value, base_config.Config):
        return value
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    # A bare `Config` declares no key, so that there is nothing to check a mapping against.
    kinds = [
        kind for kind in options if _is_section(kind) and kind is not base_config.Config and len(options) <= 2
    ]
    return kinds[0]() if kinds else None


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, base_config.Config)


def _check_value(value: Any, hint: Any, path: str, section: Any) -> Iterator[finding.Finding]:
    """Find what is wrong with the value of one field."""
    shown = finding.show(value)
    if section is not None and not (value is None and is_instance(None, hint, strict=True)):
        rule = "is no value for a section" if value is not None else "is empty (null), expected a section"
        keys = ", ".join(list(_type_hints(section))[:3])
        cure = f"write its keys ({keys}, ...) below it, indented, or delete the line"
        yield finding.Finding(path, shown, rule, cure)
    elif section is not None:
        return
    elif isinstance(value, Mapping):
        cure = "write the value after the colon; the lines below it are no keys of a section"
        yield finding.Finding(path, shown, f"is a mapping, expected {_name(hint)}", cure)
    elif isinstance(value, str) and _SECOND_TERM.search(value):
        cure = "separate key=value terms by spaces, or by commas inside one of --params_override"
        yield finding.Finding(path, shown, "holds a second key=value", cure)
    elif not is_instance(value, hint):
        rule = f"is {type(value).__name__}, expected {_name(hint)}"
        yield finding.Finding(path, shown, rule, _cure_type(value, hint))
    elif not all(math.isfinite(number) for number in _numbers(value)):
        yield finding.Finding(path, shown, "is not a finite number", "write a number with digits")
    elif any(isinstance(number, int) and abs(number) >= _MAX_INTEGER for number in _numbers(value)):
        yield finding.Finding(path, shown, "does not fit into 64 bits", "write a smaller number")


def is_instance(value: Any, hint: Any, strict: bool = False) -> bool:
    """Tell whether a value is what an annotation says; whole numbers are floats, booleans are not.

    Args:
      value: any.
      hint: the annotation.
      strict: a section's class does not allow None.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or _is_section(hint):
        return hint is Any or (value is None and not strict) or isinstance(value, hint)
    if origin in (typing.Union, types.UnionType):
        # That a section could be None is no reason to let None be a string.
        allowed = [argument for argument in arguments if value is not None or not _is_section(argument)]
        return any(is_instance(value, argument, strict) for argument in allowed)
    if origin in (list, tuple, collections.abc.Sequence):
        element = arguments[0] if arguments else Any
        return isinstance(value, list | tuple) and all(is_instance(item, element) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def make_floats(config: base_config.Config) -> None:
    """Make floats, in place, of whole numbers in the fields whose annotation says float and not int.

    A learning rate that is written as `1` is an int for YAML. TensorFlow makes an int32 tensor of it, and
    schedules and averages then fail on the first product with a float.

    Args:
      config: a configuration whose types were checked; sections below it are changed too.
    """
    for name, hint in _type_hints(config).items():
        value = getattr(config, name)
        if isinstance(value, base_config.Config):
            make_floats(value)
        elif (changed := _as_float(value, hint)) is not value:
            setattr(config, name, changed)


def _as_float(value: Any, hint: Any) -> Any:
    origin = typing.get_origin(hint)
    options = typing.get_args(hint) if origin in (typing.Union, types.UnionType) else (hint,)
    if isinstance(value, list | tuple):
        elements = [part for option in options for part in typing.get_args(option)]
        takes_float = float in elements and int not in elements
        is_whole = any(type(item) is int for item in value)
        return type(value)(map(float, value)) if takes_float and is_whole else value
    return float(value) if type(value) is int and float in options and int not in options else value


def nearest(word: str, known: Sequence[str], likeness: float = 0.6) -> str | None:
    """Find the known word that is most like another, from a likeness of 0 to 1, if one is."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=likeness)
    return near[0] if near else None


def _unknown_key(key: str, value: Any, path: str, known: list[str], root: Any) -> finding.Finding:
    near = nearest(key, known, _SURE)
    elsewhere = None if near else _find_key(root, key, "")
    if not near and not elsewhere:
        near = nearest(key, known) or next((name for name in known if key in name.split("_")), None)
    if near:
        cure = f"did you mean {near!r}?"
    elif elsewhere:
        cure = f"it belongs under {elsewhere!r}"
    else:
        cure = f"valid here are {', '.join(sorted(known))}" if known else "delete it: the section has no keys"
    return finding.Finding(path, finding.show(value), "is the value of an unknown key", cure)


def _find_key(config: base_config.Config, key: str, prefix: str) -> str | None:
    """Find a key of this name in any section, but for those that `type` does not choose."""
    names = list(_type_hints(config))
    if key in names:
        return f"{prefix}{key}"
    if isinstance(config, oneof.OneOfConfig):
        names = [name for name in names if name == config.type]
    for name in names:
        value = getattr(config, name)
        found = isinstance(value, base_config.Config) and _find_key(value, key, f"{prefix}{name}.")
        if found:
            return str(found)
    return None


def _name(hint: Any) -> str:
    """Write an annotation in words that a person who writes YAML knows."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        words = [_name(argument) for argument in arguments if argument is not base_config.Config]
        return " or ".join(dict.fromkeys(words))
    if typing.get_origin(hint) in (list, tuple, collections.abc.Sequence):
        return f"a list of {_name(arguments[0])}" if arguments else "a list"
    return "null" if hint is type(None) else getattr(hint, "__name__", str(hint))


def _numbers(value: Any) -> list[Any]:
    values = value if isinstance(value, list | tuple) else [value]
    return [item for item in values if isinstance(item, int | float)]


def _cure_type(value: Any, hint: Any) -> str:
    """Say how to write a value so that it is of the type."""
    accepts = [kind for kind in (bool, int, float, str) if is_instance(kind(), hint)]
    if isinstance(value, list | tuple):
        return _cure_list(value, hint)
    if is_instance([value], hint):
        return f"write a list: [{value}]"
    if isinstance(value, str) and (plain := _unquote(value, accepts)):
        return f"write {plain} without quotes"
    if isinstance(value, bool) and str in accepts:
        return "put it in quotes: YAML reads yes, no, on and off as true and false"
    if isinstance(value, float) and value.is_integer() and int in accepts:
        return f"write {int(value)}"
    words = " or ".join(_WRITTEN[kind] for kind in accepts if kind is not int or float not in accepts)
    return f"write {words or 'its keys below it'}, or {finding.KEEP_DEFAULT}"


def _cure_list(value: Sequence[Any], hint: Any) -> str:
    if not is_instance([], hint):
        return f"write one value, {_name(hint)}"
    element = next(item for item in value if not is_instance([item], hint))
    return f"correct the element {finding.show(element)} of the list"


def _unquote(text: str, accepts: Sequence[type]) -> str | None:
    """Find the number or truth value that a quoted text means, if the field may have it."""
    word = text.strip().lower()
    if bool in accepts:
        return _WORDS.get(word)
    try:
        number = float(word.replace(",", "").replace("_", ""))
    except ValueError:
        return None
    if int in accepts and number.is_integer():
        return str(int(number))
    return f"{number:g}" if float in accepts and math.isfinite(number) else None
