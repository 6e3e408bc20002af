"""The one way to open a file that is read: pipes never end, devices neither, and opening waits for them."""

from __future__ import annotations

import difflib
import errno
import hashlib
import io
import itertools
import os
import stat
from typing import IO

_BLOCK = 1 << 20
_MOST_LISTED = 10_000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Windows has no such pipes."""
_CURE = "save it as UTF-8"


def open_input(path: str) -> io.BufferedReader:
    """Open a regular file for reading.

    Args:
      path: the file, or a link to it.

    Raises:
      OSError: it does not exist, may not be read, or is a folder, pipe, socket or device; named.
      ValueError: no file has such a name.
    """
    _check_status(os.stat(path), path)
    # What has become a pipe since does not make the opening wait.
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_WAIT))  # noqa: SIM115  given back open
    try:
        _check_status(os.fstat(file.fileno()), path)
    except BaseException:
        file.close()
        raise
    return file


def read(path: str) -> bytes:
    """Read a whole file: as `open_input`."""
    with open_input(path) as file:
        return file.read()


def measure(file: IO[bytes]) -> tuple[int, str]:
    """Give the size in bytes and the sha256 of what an open file has left to read."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def read_text(path: str, kind: str = "text") -> str:
    """Read a whole file of text: as `open_input` and `decode`."""
    return decode(read(path), path, kind)


def decode(data: bytes, where: str, kind: str = "text") -> str:
    """Turn the bytes of a text file into characters, without a byte order mark.

    Args:
      data: all bytes.
      where: they come from, for the message.
      kind: of text that is expected, such as JSON, for the message.

    Raises:
      ValueError: they are not UTF-8.
    """
    refuse_utf16(data, where, kind)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: not {kind} in UTF-8: {error}: {_CURE}") from None


def refuse_utf16(start: bytes, where: str, kind: str = "text") -> None:
    """Refuse text whose first bytes are those of UTF-16 or UTF-32.

    Raises:
      ValueError: names the file and the cure.
    """
    if start.startswith(_UTF16) or b"\0" in start[:4]:
        raise ValueError(f"{where}: not {kind} in UTF-8: it is UTF-16 or UTF-32: {_CURE}")


def check(path: str) -> None:
    """Refuse what is there and is no regular file; for readers that open files by themselves.

    Args:
      path: of a file; what is missing, or is an address such as `gs://bucket/file`, is left to the reader.

    Raises:
      OSError: it is a folder, pipe, socket or device; named.
    """
    if "://" in path:
        return
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return
    _check_status(status, path)


def is_inside(path: str, folder: str) -> bool:
    """Tell whether a path lies in a folder once links are followed."""
    root = os.path.realpath(folder)
    return os.path.commonpath([root, os.path.realpath(path)]) == root


def suggest(path: str) -> str:
    """Find the file or folder that a path means most likely, where nothing has that path.

    Args:
      path: of something that was looked for.

    Returns:
      The path of what is there and is named most like it, folder by folder; empty where nothing is near,
      where `path` itself exists, and for an address such as `gs://bucket/file`.
    """
    if "://" in path or "\0" in path or os.path.lexists(path):
        return ""
    found = os.sep if os.path.isabs(path) else ""
    for name in filter(None, path.split(os.sep)):
        exact = os.path.join(found, name)
        near = exact if os.path.lexists(exact) else _find_near(found, name)
        if not near:
            return ""
        found = near
    return found


def hint(path: str) -> str:
    """Write the end of a message about a path that is not there: `: did you mean runs/a?`, or nothing."""
    near = suggest(path)
    return f": did you mean {near}?" if near else ""


def _find_near(folder: str, name: str) -> str:
    try:
        with os.scandir(folder or os.curdir) as entries:
            names = [entry.name for entry in itertools.islice(entries, _MOST_LISTED)]
    except OSError:
        return ""
    same = sorted(other for other in names if other.lower() == name.lower())
    near = same or difflib.get_close_matches(name, sorted(names), n=1)
    return os.path.join(folder, near[0]) if near else ""


def _check_status(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is a pipe, socket or device, not a file", path)
