"""Files that are written whole or not at all, on a disk or in a bucket."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import NoReturn

import tensorflow as tf

from official_yolact.files import inputs
from official_yolact.files import outputs as local_files

TEMPORARY = ".tmp"
_CHUNK = 2**20
_temporary_folders: list[str] = []


def list_names(directory: str) -> list[str]:
    """List what is in a directory, sorted; nothing if it does not exist."""
    try:
        return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(directory))
    except tf.errors.NotFoundError:
        return []


def read_text(path: str) -> str:
    """Read a text file.

    Raises:
      OSError: it cannot be read.
      ValueError: it is not UTF-8.
    """
    inputs.check(path)
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content: bytes = file.read()
    except tf.errors.OpError as error:
        raise OSError(f"{path}: cannot be read: {error.message}") from error
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not text: {error}") from error


@contextlib.contextmanager
def fetch(path: str) -> Iterator[str]:
    """Give a file of that content on this machine, for readers that know no buckets: itself, or a copy."""
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, os.path.basename(path))
        tf.io.gfile.copy(path, copy)
        yield copy


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


def write_text(path: str, text: str) -> None:
    """Replace a text file in one step; a process that is killed leaves the old one.

    Args:
      path: the file.
      text: its new content.

    Raises:
      OSError: it cannot be written; the old one stays.
    """
    if not is_remote(path):
        local_files.store(path, [text.encode()])
        sync(os.path.dirname(path))
        return
    temporary = path + TEMPORARY
    try:
        with tf.io.gfile.GFile(temporary, "w") as remote:
            remote.write(text)
        move(temporary, path)
    except (OSError, tf.errors.OpError) as error:
        remove(temporary)
        raise OSError(f"{path}: cannot be written: {describe(error)}") from error


def move(source: str, target: str) -> None:
    """Rename a file or a folder, over a file of that name."""
    tf.io.gfile.rename(source, target, overwrite=True)


def remove(path: str) -> None:
    """Remove a file or a folder with all in it, if it is there."""
    try:
        if tf.io.gfile.isdir(path):
            tf.io.gfile.rmtree(path)
        else:
            tf.io.gfile.remove(path)
    except tf.errors.NotFoundError:
        pass


def sync(path: str) -> None:
    """Make the disk hold what was written to a file or folder; a bucket does so by itself."""
    if is_remote(path):
        return
    descriptor = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def measure(path: str) -> tuple[int, str]:
    """Give a file's size in bytes and its sha256.

    Raises:
      tf.errors.OpError: it cannot be read.
    """
    inputs.check(path)
    digest, size = hashlib.sha256(), 0
    with tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def is_remote(path: str) -> bool:
    """Tell whether a path is an address such as `gs://bucket/run`."""
    return "://" in path


def describe(error: BaseException) -> str:
    """Give an error's message in one line, without a graph's names."""
    text = getattr(error, "message", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split("[Op:")[0].split())[:300]
