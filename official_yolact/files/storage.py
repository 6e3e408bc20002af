"""Files on a disk or in a bucket: read, renamed, removed. TensorFlow is loaded for a bucket only.

What is written to a disk, `outputs` writes.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, NoReturn

from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import outputs

_BLOCK = 1 << 20

_temporary_folders: list[str] = []


def is_remote(path: str) -> bool:
    """Tell whether a path is an address such as `gs://bucket/run`."""
    return "://" in path


def list_names(directory: str) -> list[str]:
    """List what is in a directory, sorted; nothing if it does not exist."""
    try:
        if not is_remote(directory):
            return sorted(os.listdir(directory or "."))
        with _named(directory):
            return sorted(name.rstrip("/") for name in _gfile().listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextlib.contextmanager
def open_input(path: str) -> Iterator[IO[bytes]]:
    """Open a regular file, or one in a bucket, for reading.

    Raises:
      OSError: it is not there, or cannot be read; named.
      ValueError: no file has such a name.
    """
    if not is_remote(path):
        with inputs.open_input(path) as file:
            yield file
        return
    with _named(path), _gfile().GFile(path, "rb") as remote:
        yield remote


def read_text(path: str) -> str:
    """Read a text file.

    Raises:
      OSError: it cannot be read.
      ValueError: it is not UTF-8.
    """
    try:
        with open_input(path) as file:
            return file.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not text: {error}") from error
    except OSError as error:
        raise OSError(f"{path}: cannot be read: {describe(error)}") from error


def measure(path: str) -> tuple[int, str]:
    """Give a file's size in bytes and its sha256.

    Raises:
      OSError: it cannot be read.
    """
    with open_input(path) as file:
        return inputs.measure(file)


@contextlib.contextmanager
def fetch(path: str) -> Iterator[str]:
    """Give a file of that content on this machine, for readers that know no buckets: itself, or a copy.

    Raises:
      OSError: it cannot be copied from its bucket; names it.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, os.path.basename(path))
        with _named(path):
            _gfile().copy(path, copy)
        yield copy


def store(path: str, content: str | Iterable[bytes], *, staged: bool = False) -> tuple[int, str]:
    """Write a file of the program's own, on a disk as `outputs.create` does or in a bucket.

    Args:
      path: of the file; what is there is not looked at.
      content: text, or bytes in parts.
      staged: as for `outputs.create`.

    Returns:
      Its size in bytes and its sha256.

    Raises:
      OSError: names the file; nothing is left of it.
    """
    blocks = [content.encode()] if isinstance(content, str) else content
    if is_remote(path):
        data = b"".join(blocks)
        _upload(path, data)
        return len(data), hashlib.sha256(data).hexdigest()
    with outputs.create(path, staged=staged) as file:
        for block in blocks:
            file.write(block)
    return file.size, file.sha256


def store_json(path: str, content: Any, *, indent: int | None = None) -> None:
    """Write finite JSON that nobody but this program looks for; as `store`."""
    store(path, json.dumps(content, indent=indent, allow_nan=False), staged=True)


def _upload(path: str, content: bytes) -> None:
    """Write a file in a bucket, whole or not at all.

    Raises:
      OSError: it cannot be written; the old one stays.
    """
    temporary = f"{path}.tmp"
    try:
        with _named(path), _gfile().GFile(temporary, "wb") as remote:
            remote.write(content)
        rename(temporary, path)
    except OSError as error:
        remove(temporary)
        raise OSError(f"{path}: cannot be written: {describe(error)}") from error


def rename(source: str, target: str, *, durable: bool = True) -> None:
    """Give a whole file or folder its final name, over a file of that name: the one place that does.

    Args:
      source: what is complete; a file's content is on the disk already (`outputs`, `sync`).
      target: the name, on the same disk or in the same bucket.
      durable: the disk holds the name at the end, too.

    Raises:
      OSError: it cannot be renamed.
    """
    if is_remote(target):
        with _named(target):
            _gfile().rename(source, target, overwrite=True)
        return
    outputs.rename(source, target, durable=durable)


def remove(path: str) -> None:
    """Remove a file or a folder with all in it, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        if is_remote(path):
            with _named(path):
                _gfile().rmtree(path) if _gfile().isdir(path) else _gfile().remove(path)
        elif os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def sync(path: str) -> None:
    """Make the disk hold what was written to a file or folder; a bucket does so by itself."""
    if is_remote(path):
        return
    outputs.sync(path)


def make_temporary_folder() -> str:
    """Make a folder on this machine that lasts as long as this process, if no signal kills that."""
    if not _temporary_folders:
        atexit.register(_remove_temporary_folders)
    folder = tempfile.mkdtemp(prefix="yolact-")
    _temporary_folders.append(folder)
    return folder


def end_process(code: int) -> NoReturn:
    """End the process at once, whatever other threads are in; of all that Python does then, only tidy up."""
    _remove_temporary_folders()
    os._exit(code)


def _remove_temporary_folders() -> None:
    while _temporary_folders:
        shutil.rmtree(_temporary_folders.pop(), ignore_errors=True)


def describe(error: BaseException) -> str:
    """Give an error's message in one line; one of TensorFlow without a graph's names, and cut."""
    if of_tensorflow := getattr(error, "message", None):
        return " ".join(str(of_tensorflow).split("[Op:")[0].split())[:300]
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Let TensorFlow's failures at an address be those of a disk."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, describe(error), path) from error
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, describe(error), path) from error
