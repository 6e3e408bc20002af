"""What `yolact serve` was told."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence

from official_yolact_runtime.files import inputs
from official_yolact_runtime.images import formats

TOKEN_VARIABLE = "YOLACT_SERVE_TOKEN"
"""In the environment: the token that a request has to carry."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TOKEN = re.compile(r"[!-~]+")
_ORIGIN = re.compile(r"https?://[^/\s]+|\*")
_SUFFIXES = (".tflite", ".onnx")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Bounds and permissions of a server.

    Attributes:
      workers: that compute, each with a runtime of its own.
      queue: requests that wait for a worker, at most.
      batch_size: requests that pass the network at once, at most.
      max_bytes: of a request's body.
      max_pixels: of the pictures of a request together.
      max_held_bytes: of the bodies of all requests together.
      body_seconds: in which a body has to arrive.
      header_seconds: in which the head of a request has to arrive; also, in which an answer has to move.
      drain_seconds: in which a server that ends finishes what it has accepted.
      token: that requests have to carry; empty: none.
      origins: of other sites whose pages may send requests.
      access_log: whether each request is written to standard output.
    """

    workers: int = 1
    queue: int = 32
    batch_size: int = 1
    max_bytes: int = 20_000_000
    max_pixels: int = formats.MAX_PIXELS
    max_held_bytes: int = 500_000_000
    body_seconds: float = 60.0
    header_seconds: float = 20.0
    drain_seconds: float = 60.0
    token: str = ""
    origins: Sequence[str] = ()
    access_log: bool = True


def read_models(words: Sequence[str]) -> dict[str, str]:
    """Read the models of the command line, NAME=PATH or PATH.

    Args:
      words: one for each model.

    Returns:
      The path of each by its name; where none is given, the name of the file or folder is taken.

    Raises:
      ValueError: no name for an address, or one name twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, path = _split(word)
        if name in found:
            raise ValueError(
                f"two models are called {name}: {found[name]} and {path}: name them, as in other={path}"
            )
        found[name] = path
    return found


def _split(word: str) -> tuple[str, str]:
    name, equals, path = word.partition("=")
    if equals and path and _NAME.fullmatch(name) and not os.path.lexists(word):
        return name, path
    last = os.path.basename(os.path.abspath(word))
    stem = next((last.removesuffix(suffix) for suffix in _SUFFIXES if last.endswith(suffix)), last)
    if not _NAME.fullmatch(stem):
        raise ValueError(
            f"{word}: {stem!r} cannot be a part of an address, which has letters, digits, `_`, `-` and `.`:"
            f" name the model, as in model={word}"
        )
    return stem, word


def read_token(path: str | None, environment: Mapping[str, str]) -> str:
    """Read the token from a file, or from the environment where no file is named.

    Args:
      path: of the file; None: none.
      environment: its variables.

    Returns:
      The token; empty: there is none.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is empty, or holds what no header can carry.
    """
    if path is None:
        token, where = environment.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE
        if TOKEN_VARIABLE not in environment:
            return ""
    else:
        token, where = inputs.read_text(path), path
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError(
            f"{where}: the token is empty, or has spaces or characters beyond ASCII: write one word"
        )
    return token


def check_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """Check the sites whose pages may send requests.

    Raises:
      ValueError: one is no origin.
    """
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"--cors is {origin!r}: expected an origin, such as https://example.org, or *")
    return tuple(origins)
