"""YAML text read into values, each with its line, and everything that is wrong with the text.

PyYAML stops at the first fault, accepts a key that occurs twice, follows aliases without end, and reads
some numbers otherwise than they are meant. Source: YAML 1.1 as PyYAML reads it; differences: 1e-3 is a
number, and numbers with a leading zero (octal) or a colon (base 60) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from official_yolact.configs import finding
from official_yolact_runtime.files import json_text

_FLOAT = re.compile(r"^[-+]?(?:\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$")
_ODD_NUMBER = re.compile(r"^[-+]?0[0-7_]+$|^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?$")
_TAB = re.compile(r"^ *\t+[ \t]*(?=[^\s#])", re.MULTILINE)
_MAX_NODES = 100_000
_MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 60
"""Nesting of values that a text may have; configurations have 8."""

_MAX_BITS = 1023
"""Of a whole number; a float holds no more."""

_UNREADABLE = object()
_PLAIN_TYPES = (str, int, float, bool, type(None))


class _Loader(yaml.SafeLoader):
    """A safe loader that reads 1e-3 as a number, and follows no nesting without end."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node as PyYAML does, counting how deep it is."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark
            raise _DeepError(None, None, f"nested more than {MAX_DEPTH} deep", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _DeepError(yaml.MarkedYAMLError):
    """Values are nested too deeply."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


class YamlDocument:
    """What a YAML text holds, the line of each key, and what is wrong with it.

    Attributes:
      origin: file name or other source, for messages.
      data: the values; what could not be read is left out.
      lines: line, from 1, of each key path.
      findings: the faults, in the order of the text.
    """

    def __init__(self, text: str, origin: str):
        """Read a text; nothing is raised for what it holds.

        Args:
          text: YAML or JSON.
          origin: for messages.
        """
        self.origin = origin
        self.data: Any = None
        self.lines: dict[str, int] = {}
        self.findings: list[finding.Finding] = []
        try:
            self._read(text)
        except _DeepError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            rule = f"is nested more than {MAX_DEPTH} deep"
            self.add("", rule, "is this the right file? write it in block style, one key a line", line=line)
        except yaml.YAMLError as error:
            self._add_syntax_errors(text, error)
        except RecursionError:
            self.add("", "is nested too deeply", "write it in block style, one key a line")

    def _read(self, text: str) -> None:
        if len(text) > _MAX_CHARACTERS:
            size = f"has {len(text):,} characters"
            self.add("", size, "such a file has a few hundred lines: name the right one")
            return
        loader = _Loader(text)
        try:
            root = loader.get_node() if loader.check_node() else None
            if loader.check_node():
                mark = loader.peek_event().start_mark
                cure = "delete the line `---` between them, or write a file for each"
                self.add("", "holds several documents", cure, line=mark.line + 1)
            if root is not None and self._is_bounded(root):
                data = _Converter(loader, self).convert(root, "")
                self.data = None if data is _UNREADABLE else data
        finally:
            loader.dispose()

    def _is_bounded(self, root: yaml.Node) -> bool:
        """Count the values with each alias written out: a few lines of aliases can mean millions."""
        sizes: dict[int, int] = {}
        size = _expanded_size(root, sizes, set())
        if size is None:
            self.add("", "has an alias that holds itself", "write the values out", line=_line(root))
        elif size > _MAX_NODES:
            rule = f"has aliases that come to {size:,} values"
            self.add("", rule, "write the values out", line=_line(root))
        return size is not None and size <= _MAX_NODES

    def _add_syntax_errors(self, text: str, error: yaml.YAMLError) -> None:
        tabs = [text.count("\n", 0, match.start()) + 1 for match in _TAB.finditer(text)]
        for line in tabs:
            self.add("", "is not valid YAML: a tab indents the line", "indent with spaces", line=line)
        if tabs:
            return
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        if isinstance(error, yaml.reader.ReaderError):
            line = text.count("\n", 0, max(int(error.position), 0)) + 1
            self.add("", "is not valid YAML: it holds a control character", "delete it", line=line)
            return
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        cure = "look at the indentation, brackets, quotes and colons at and above this line"
        self.add("", f"is not valid YAML: {problem}", cure, line=mark.line + 1 if mark else None)

    def add(self, path: str, rule: str, cure: str, value: str = "", line: int | None = None) -> None:
        """Note a fault; arguments as the fields of a `Finding`."""
        self.findings.append(finding.Finding(path, value, rule, cure, origin=self.origin, line=line))


class _Converter:
    """Turns nodes into values, and notes lines and faults in the document."""

    def __init__(self, loader: _Loader, document: YamlDocument):
        self._loader = loader
        self._document = document

    def convert(self, node: yaml.Node, path: str) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._convert_scalar(node, path)
        standard = "map" if isinstance(node, yaml.MappingNode) else "seq"
        if node.tag != f"tag:yaml.org,2002:{standard}":
            self._refuse_tag(node, path)
            return _UNREADABLE
        if isinstance(node, yaml.MappingNode):
            return self._convert_mapping(node, path)
        items = [self.convert(child, f"{path}[{index}]") for index, child in enumerate(node.value)]
        return _UNREADABLE if any(item is _UNREADABLE for item in items) else items

    def _convert_mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        seen: dict[str, int] = {}
        own = {id(key) for key, _ in node.value}
        for key_node, _ in node.value:
            self._refuse_repeated(key_node, path, seen)
        self._loader.flatten_mapping(node)
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                rule, cure = "has a key that is no word", "write `key: value`"
                self._document.add(path, rule, cure, line=_line(key_node))
                continue
            key = key_node.value
            if json_text.has_control(key):
                rule, cure = "is a key with a control character", "delete that"
                self._document.add(path, rule, cure, json_text.shorten(key), _line(key_node))
                continue
            child = f"{path}.{key}" if path else key
            if id(key_node) not in own and key in seen:
                continue  # what a mapping says itself goes before what it merges
            self._document.lines[child] = _line(key_node)
            value = self.convert(value_node, child)
            if value is not _UNREADABLE:
                result[key] = value
        return result

    def _refuse_repeated(self, key_node: yaml.Node, path: str, seen: dict[str, int]) -> None:
        key, line = str(key_node.value), _line(key_node)
        if not isinstance(key_node, yaml.ScalarNode):
            return
        if key in seen and key != "<<":
            child = f"{path}.{key}" if path else key
            again = f"stands on line {seen[key]} and again on line {line}"
            rule = f"key {key!r} {again if seen[key] != line else f'stands twice on line {line}'}"
            self._document.add(child, rule, "keep one of the two", line=line)
        seen.setdefault(key, line)

    def _convert_scalar(self, node: yaml.ScalarNode, path: str) -> Any:
        try:
            value = self._loader.construct_object(node)
        except yaml.constructor.ConstructorError:
            self._refuse_tag(node, path)
            return _UNREADABLE
        except (ValueError, OverflowError):
            rule = "is written like a date or number, and is none"
            self._document.add(
                path, rule, "put it in quotes, or correct it", finding.show(node.value), _line(node)
            )
            return _UNREADABLE
        if not isinstance(value, _PLAIN_TYPES):
            rule, cure = f"is read as a {type(value).__name__}", "put it in quotes to have the text"
            self._document.add(path, rule, cure, finding.show(node.value), _line(node))
            return _UNREADABLE
        problem = _find_problem(value)
        if problem:
            self._document.add(path, *problem, json_text.shorten(str(node.value)), _line(node))
            return _UNREADABLE
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and node.style is None and _ODD_NUMBER.match(node.value) and value != 0:
            rule = f"is read as {value}, as YAML has it (octal or base 60)"
            cure = f"write {value} if that is meant, otherwise leave out the leading zero or the colon"
            self._document.add(path, rule, cure, node.value, _line(node))
        return value

    def _refuse_tag(self, node: yaml.Node, path: str) -> None:
        tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
        rule = "is not valid YAML here: a tag that makes an object"
        self._document.add(path, rule, "delete the tag, and write the plain value", tag, _line(node))


def _find_problem(value: Any) -> tuple[str, str] | None:
    """Tell what makes a plain value unusable: a number too large for a float, or text for no terminal."""
    if isinstance(value, str) and json_text.has_control(value, in_lines=True):
        return "holds a control character or half a character", "delete that"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > _MAX_BITS:
        return "is larger than any number that is used", "correct it"
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _expanded_size(node: yaml.Node, sizes: dict[int, int], open_nodes: set[int]) -> int | None:
    """Count the nodes below one, each as often as aliases repeat it; None where one holds itself."""
    if id(node) in open_nodes:
        return None
    if id(node) not in sizes:
        open_nodes.add(id(node))
        total = 1
        for child in _children(node):
            size = _expanded_size(child, sizes, open_nodes)
            if size is None:
                return None
            total += size
        open_nodes.discard(id(node))
        sizes[id(node)] = total
    return sizes[id(node)]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
