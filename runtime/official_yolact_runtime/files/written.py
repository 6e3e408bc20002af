"""Which files this program wrote: a note at the file itself, or in a list beside it.

A file that this program wrote has its sha256 in the extended attribute `user.official_yolact`; where a
file system has none, `.yolact-written` beside it has a line with sha256 and name. Both are compared with
what is there: a file that another program wrote, replaced or changed since is not taken for our own.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator
from typing import IO

from official_yolact_runtime.files import inputs

ATTRIBUTE = "user.official_yolact"
"""Extended attribute of a file: the sha256 with which it was written."""

LEDGER = ".yolact-written"
"""Name of the list of what was written into a folder, where files have no extended attributes."""

_NO_ATTRIBUTES = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EINVAL)
_SAFELY = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
"""Flags of opening, as far as the system has them."""
_known: dict[str, tuple[int, set[bytes]]] = {}
"""Per list: how far it was read, and its lines."""


def mark(file: IO[bytes], digest: str) -> bool:
    """Note the sha256 at the file itself; False: its file system cannot.

    Args:
      file: open for writing.
      digest: the sha256 of its content.

    Raises:
      OSError: the disk is full.
    """
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.setxattr(file.fileno(), ATTRIBUTE, digest.encode())
    except OSError as error:
        if error.errno in _NO_ATTRIBUTES:
            return False
        raise
    return True


def is_own(path: str) -> bool:
    """Tell whether a file is there and as this program wrote it."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) and _is_ours(path)
    except OSError:
        return False


def _is_ours(path: str) -> bool:
    with inputs.open_input(path) as file:
        found = inputs.measure(file)[1]
    return is_marked(path, found) or _line(path, found) in _read_ledger(_ledger(path))


def is_marked(path: str, digest: str) -> bool:
    """Tell whether a file has the note of a sha256 at itself."""
    if hasattr(os, "getxattr"):
        with contextlib.suppress(OSError):
            return os.getxattr(path, ATTRIBUTE) == digest.encode()
    return False


def _ledger(path: str) -> str:
    return os.path.join(os.path.realpath(os.path.dirname(path) or "."), LEDGER)


def _line(path: str, digest: str) -> bytes:
    name = os.fsencode(os.path.basename(path)).replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    return digest.encode() + b"  " + name


def _read_ledger(ledger: str) -> set[bytes]:
    """Give the lines of a list; what was read before is not read again."""
    try:
        descriptor = _open_ledger(ledger, os.O_RDONLY)
    except (OSError, ValueError):
        return set()
    with open(descriptor, "rb") as file:
        end, lines = _known.get(ledger, (0, set[bytes]()))
        if os.fstat(descriptor).st_size < end:
            end, lines = 0, set()
        file.seek(end)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    lines = lines | set(whole.splitlines()) if whole else lines
    _known[ledger] = end + len(whole), lines
    return lines


def _open_ledger(ledger: str, flags: int) -> int:
    """Open a list; a pipe of its name is not waited for.

    Raises:
      OSError: it cannot be opened.
      ValueError: it is no regular file.
    """
    if not os.path.lexists(ledger) or stat.S_ISREG(os.lstat(ledger).st_mode):
        descriptor = os.open(ledger, flags | _SAFELY, 0o666)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    raise ValueError(f"{ledger}: is no regular file: remove it, so that what is written can be noted there")


@contextlib.contextmanager
def noted(path: str, digest: str) -> Iterator[None]:
    """Note what is about to be written: a file that this program wrote is never taken for another's.

    Args:
      path: of the file, which is written within the context; where that fails, the note is taken back.
      digest: its sha256.

    Raises:
      OSError: the list beside it cannot be written.
      ValueError: the list is no regular file.
    """
    ledger, line = _ledger(path), _line(path, digest)
    if line in _read_ledger(ledger):
        yield
        return
    descriptor = _open_ledger(ledger, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    with open(descriptor, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            _append(file, line, size)
            yield
        except BaseException:
            _known.pop(ledger, None)
            with contextlib.suppress(OSError):
                _take_back(file, ledger, size, line)
            raise


def _append(file: io.FileIO, line: bytes, size: int) -> None:
    """Append a line in one call, so that processes do not mix theirs; a torn last line is ended first."""
    file.seek(max(0, size - 1))
    torn = size > 0 and file.read(1) != b"\n"
    entry = (b"\n" if torn else b"") + line + b"\n"
    if file.write(entry) != len(entry):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _take_back(file: io.FileIO, ledger: str, size: int, line: bytes) -> None:
    """Remove the note of a file that was not written; another process's notes behind it are kept."""
    if os.fstat(file.fileno()).st_size > size + len(line) + 2:
        return
    if size:
        file.truncate(size)
    else:
        os.remove(ledger)
