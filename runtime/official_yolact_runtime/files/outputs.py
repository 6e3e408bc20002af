"""The one rule for what is written: nothing that is there is lost, and a file is whole or absent.

Which files are this program's own, `written` knows.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import mimetypes
import os
import re
import secrets
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, NamedTuple

from official_yolact_runtime.files import inputs as inputs_lib
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import written

INCOMPLETE = ".incomplete"
"""Ends the name of what is being written."""

_TEMPORARY = re.compile(r"\.yolact-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.incomplete")
_OLD_SECONDS = 3600
_NO_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM)
"""Of a file system that cannot do so for folders, and of a folder that may be written and not read."""
_writing: set[str] = set()
"""Names of the temporary files that this process has open."""


class Folder(NamedTuple):
    """A folder of inputs: every file below it is one, whatever it is named.

    But for those that this program wrote and nobody changed since: a page may lie beside the photos.

    Attributes:
      path: of the folder.
      keeps_pictures: pictures that this program wrote are inputs all the same.
    """

    path: str
    keeps_pictures: bool = True


Inputs = Iterable[str | Folder | None]


def check(path: str, *, inputs: Inputs = (), force: bool = False, root: str | None = None) -> None:
    """Refuse a place where something would be lost, before work is spent on it.

    Args:
      path: the file that is to be written.
      inputs: files and folders that are read; they are looked at only if `path` exists.
      force: replace a file that this program did not write, and a link (not what it points to).
      root: the output folder, which links below it must not lead out of. None: the file's folder.

    Raises:
      ValueError: the place is taken; names it and the cure.
    """
    folder = os.path.dirname(path) or "."
    if root is not None and not inputs_lib.is_inside(folder, root):
        raise ValueError(
            f"{path}: a link in this path leads out of {root}, to {os.path.realpath(folder)}: remove the link"
        )
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    inputs = list(inputs)
    among = _find_folder(path, inputs)
    if among:
        raise ValueError(f"{path}: is one of the files that are read, those of {among}: name another file")
    other = find_input(path, inputs)
    if other:
        also = "" if other == path else f" ({other})"
        raise ValueError(f"{path}: is the file that is read{also}: name another file to write")
    if stat.S_ISLNK(status.st_mode):
        if not force:
            raise ValueError(
                f"{path}: is a link to {os.readlink(path)}: name another file, or replace the link itself"
                " with --force"
            )
    elif not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise ValueError(f"{path}: is {kind}: name another file to write")
    elif not force and not (status.st_mode & stat.S_IWUSR and written.is_own(path)):
        raise ValueError(
            f"{path} exists, and is not as this program wrote it: name another file, or replace it with"
            " --force"
        )


def write(
    path: str,
    content: bytes | str,
    *,
    inputs: Inputs = (),
    force: bool = False,
    root: str | None = None,
) -> None:
    """Write a file where nothing is lost by it, whole or not at all; its folder is made.

    Args:
      path: of the file.
      content: its bytes, or its text, which is written as UTF-8.
      inputs: as for `check`.
      force: as for `check`.
      root: as for `check`.

    Raises:
      OSError: it cannot be written; names the file, and nothing is left of it.
      ValueError: the place is taken; names it and the cure.
    """
    check(path, inputs=inputs, force=force, root=root)
    with named(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with create(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(
    path: str,
    content: Any,
    *,
    indent: int | None = None,
    inputs: Inputs = (),
    force: bool = False,
    root: str | None = None,
) -> None:
    """Write JSON as `write` writes text.

    Raises:
      OSError: it cannot be written; names the file, and nothing is left of it.
      ValueError: the place is taken, or a number is not finite; names the file and the number's place.
    """
    text = json_text.dump_finite(content, path, indent=indent)
    write(path, text, inputs=inputs, force=force, root=root)


class Output:
    """A file that is being written; nobody finds it before it is whole.

    Attributes:
      size: bytes written so far.
    """

    def __init__(self, path: str, file: IO[bytes]) -> None:
        """Take the name that the file will have, and the temporary file."""
        self.size = 0
        self._path, self._file, self._digest = path, file, hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The sum of what was written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, block: bytes) -> None:
        """Append bytes.

        Raises:
          OSError: the disk is full; names the file.
        """
        with named(self._path):
            self._file.write(block)
        self._digest.update(block)
        self.size += len(block)


@contextlib.contextmanager
def create(path: str, *, staged: bool = False) -> Iterator[Output]:
    """Write a file of the program's own on this machine, over what is there: whole at the end, or not at all.

    Args:
      path: of the file; what is there is not looked at.
      staged: the file is one that nobody but this program looks for, or `move` gives it its name later.

    Raises:
      OSError: it cannot be written; names the file, and nothing is left of it.
    """
    with _temporary(path) as (file, temporary):
        output = Output(path, file)
        yield output
        with named(path):
            noted = written.mark(file, output.sha256) or staged
            _finish(file)
            _publish(temporary, path, output.sha256, noted)


@contextlib.contextmanager
def create_by_name(path: str) -> Iterator[str]:
    """Let a library write a file by its name; as `create`.

    Args:
      path: of the file; what is there is not looked at.

    Yields:
      Name of an empty temporary file in the same folder. What it is at the end becomes the file, also where
      the disk has no room for the note that the file is our own.

    Raises:
      OSError: it cannot be written; names the file, and nothing is left of it.
    """
    with _temporary(path) as (_, temporary):
        yield temporary
        with named(path), open(temporary, "r+b") as whole:
            digest, noted = inputs_lib.measure(whole)[1], True
            with contextlib.suppress(OSError):
                noted = written.mark(whole, digest)
            _finish(whole)
            _publish(temporary, path, digest, noted)


def move(stored: str, path: str, digest: str) -> None:
    """Give a file of `create` the name by which it is found later; `check` knows it there as our own.

    Args:
      stored: the file, on the same file system.
      path: its new name; what is there is not looked at.
      digest: its sha256.

    Raises:
      OSError: names the new file.
    """
    with named(path):
        _keep_mode(stored, path)
        _publish(stored, path, digest, written.is_marked(stored, digest))


def rename(source: str, target: str, *, durable: bool = True) -> None:
    """Give a whole file or folder its final name, over a file of that name: the one place that does.

    Args:
      source: what is complete; a file's content is on the disk already.
      target: the name, on the same disk.
      durable: the disk holds the name at the end, too.

    Raises:
      OSError: it cannot be renamed.
    """
    os.replace(source, target)
    if durable:
        sync(os.path.dirname(target))


def sync(path: str) -> None:
    """Make the disk hold what was written to a file or folder."""
    try:
        descriptor = os.open(path or ".", os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def find_input(path: str, inputs: Inputs) -> str | None:
    """Find the input that is the same file, by whatever name or link; None: none is.

    Folders among the inputs are passed over; `check` looks into them.
    """
    places = {_place(status) for status in (_status(path, os.lstat), _status(path, os.stat)) if status}
    for other in inputs if places else ():
        status = _status(other, os.stat) if isinstance(other, str) else None
        if status and _place(status) in places:
            return str(other)
    return None


def _find_folder(path: str, inputs: Inputs) -> str | None:
    """Find the folder of inputs that a file belongs to: it lies below, or a link below leads to it."""
    status = _status(path, os.stat)
    for folder in inputs:
        if not isinstance(folder, Folder):
            continue
        if _lies_below(path, folder.path):
            is_picture = (mimetypes.guess_type(path)[0] or "").startswith("image/")
            if (folder.keeps_pictures and is_picture) or not written.is_own(path):
                return folder.path
        elif status and _place(status) in _follow_links(folder.path):
            return folder.path
    return None


def _lies_below(path: str, folder: str) -> bool:
    above = _status(folder, os.stat)
    for start in (os.path.realpath(os.path.dirname(path) or "."), os.path.dirname(os.path.realpath(path))):
        at = start
        while above:
            status = _status(at, os.stat)
            if status and _place(status) == _place(above):
                return True
            if at == os.path.dirname(at):
                break
            at = os.path.dirname(at)
    return False


def _follow_links(folder: str) -> frozenset[tuple[int, int]]:
    """Give the places that the links below a folder lead to."""
    status = _status(folder, os.stat)
    return _list_linked(os.path.realpath(folder), status.st_mtime_ns) if status else frozenset()


@functools.lru_cache(maxsize=8)
def _list_linked(folder: str, _changed: int) -> frozenset[tuple[int, int]]:
    found, waiting = set(), [folder]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_symlink() and (status := _status(entry.path, os.stat)):
                    found.add(_place(status))
    return frozenset(found)


@contextlib.contextmanager
def named(path: str) -> Iterator[None]:
    """Let every failure of the system name the file that was to be written."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, f"cannot be written: {os.strerror(error.errno)}", path) from error


def list_left_over(folder: str) -> list[str]:
    """List the temporary files of writes whose process has ended without them.

    Args:
      folder: where files were written; may be missing.

    Returns:
      Paths. Files of processes that live on this host are not among them, nor those of other hosts that
      are younger than an hour.
    """
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if _is_left_over(folder, name)]


def _is_left_over(folder: str, name: str) -> bool:
    match = _TEMPORARY.fullmatch(name)
    if not match:
        return False
    if match[1] != _hash_host():
        status = _status(os.path.join(folder, name), os.lstat)
        return status is not None and time.time() - status.st_mtime > _OLD_SECONDS
    process = int(match[2])
    # In a container each process may have the number of the one before.
    return name not in _writing if process == os.getpid() else not is_alive(process)


def _hash_host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def is_alive(process: int) -> bool:
    """Tell whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextlib.contextmanager
def _temporary(path: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open a file beside the one that is to be written; it is gone at the end, whatever happens."""
    name = f".yolact-{_hash_host()}-{os.getpid()}-{secrets.token_hex(4)}{INCOMPLETE}"
    temporary = os.path.join(os.path.dirname(path), name)
    _writing.add(name)
    try:
        with named(path):
            file = open(temporary, "xb")  # noqa: SIM115  the caller's own errors are not to be named
        try:
            _keep_mode(temporary, path)
            yield file, temporary
        finally:
            with named(path):
                file.close()
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        _writing.discard(name)


def _keep_mode(new: str, path: str) -> None:
    """Give a file the mode of the one that it replaces, where that may be written."""
    status = _status(path, os.lstat)
    if status and stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWUSR:
        with contextlib.suppress(OSError):  # a file system without modes
            os.chmod(new, stat.S_IMODE(status.st_mode) & 0o777)


def _finish(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()  # Windows renames no open file


def _publish(temporary: str, path: str, digest: str, noted: bool) -> None:
    with contextlib.nullcontext() if noted else written.noted(path, digest):
        rename(temporary, path)


def _status(path: str, look: Callable[[str], os.stat_result]) -> os.stat_result | None:
    try:
        return look(path)
    except (OSError, ValueError):  # an input that cannot be found is the reader's to report
        return None


def _place(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
