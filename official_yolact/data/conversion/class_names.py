"""Names of classes as people type them: lists with commas, pairs with an equals sign; names may have both."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_ESCAPED = re.compile(r"\\([\\,=])")
_COMMA = re.compile(r"(?<!\\)(?:\\\\)*,")
_SIGN = re.compile(r"(?<!\\)(?:\\\\)*=")

HOW_TO_NAME = (
    r"write \, for a comma and \= for an equals sign in a name, or give --classes once for each class"
)


def parse_lists(texts: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    r"""Read lists of names.

    Args:
      texts: each a list with commas; `\,` is a comma in a name.
      known: names that there are.

    Returns:
      The names. A piece of a list that is a known name is one name, the longest first, whatever commas are in
      it; spaces around a name count only where the name has them.
    """
    return tuple(name for text in texts for name in _parse_list(text, known))


def _parse_list(text: str, known: Collection[str]) -> list[str]:
    edges = [0, *(found.end() for found in _COMMA.finditer(text)), len(text) + 1]
    names, at = [], 0
    while at + 1 < len(edges):
        pieces = [(end, text[edges[at] : edges[end] - 1]) for end in range(len(edges) - 1, at, -1)]
        chosen = next((piece for piece in pieces if _find(piece[1], known) is not None), pieces[-1])
        name = _find(chosen[1], known) or unescape(chosen[1].strip())
        names += [name] if name else []
        at = chosen[0]
    return names


def parse_renames(texts: Sequence[str], known: Collection[str]) -> tuple[tuple[str, str], ...]:
    r"""Read pairs OLD=NEW, in which `\=` is an equals sign in a name.

    Args:
      texts: the pairs.
      known: names that there are.

    Returns:
      Old and new names.

    Raises:
      ValueError: no pair, or one that can be read in several ways.
    """
    return tuple(_parse_pair(text, known) for text in texts)


def _parse_pair(text: str, known: Collection[str]) -> tuple[str, str]:
    check_pair(text)
    pairs = [(text[: found.end() - 1], text[found.end() :]) for found in _SIGN.finditer(text)]
    pairs = [(old, new) for old, new in pairs if old and new]
    named = [(_find(old, known), unescape(new)) for old, new in pairs]
    usable = [(old, new) for old, new in named if old is not None]
    if len(usable) > 1:
        shown = " or ".join(repr(old) for old, _ in usable)
        raise ValueError(f"rename is {text!r}: the old name may be {shown}: {HOW_TO_NAME}")
    return usable[0] if usable else (unescape(pairs[0][0]), unescape(pairs[0][1]))


def check_pair(text: str) -> None:
    """Refuse a text that is no pair OLD=NEW; raises ValueError."""
    if not any(text[: found.end() - 1] and text[found.end() :] for found in _SIGN.finditer(text)):
        raise ValueError(rf"rename is {text!r}: give it as OLD=NEW; \= is an equals sign in a name")


def unescape(text: str) -> str:
    """Read what is written for a comma, an equals sign or a backslash."""
    return _ESCAPED.sub(r"\1", text)


def _find(text: str, known: Collection[str]) -> str | None:
    """Find the known name that a text is, as it stands, without spaces around it, or unescaped."""
    forms = (text, text.strip(), unescape(text), unescape(text.strip()))
    return next((form for form in forms if form and form in known), None)
