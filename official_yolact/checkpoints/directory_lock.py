"""One writer at a time in a model directory: a training or an import."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
from collections.abc import Iterator

from absl import logging

from official_yolact.files import locks
from official_yolact.files import storage

FILE_NAME = ".training.lock"


@contextlib.contextmanager
def hold(model_dir: str) -> Iterator[None]:
    """Hold a model directory for one writer; the chief of several workers does so for all of them.

    The operating system releases the lock when the process ends, also by a crash or SIGKILL. The file
    that is left then, `.training.lock`, blocks nobody. Only the lock of a host that has vanished from a
    network file system may last, until the lease that the server gave it ends.

    Args:
      model_dir: the directory, which is made. In a bucket (`gs://...`) nothing can be locked: a warning
        says so.

    Raises:
      OSError: another one holds it; the message names its host and process.
    """
    if storage.is_remote(model_dir):
        logging.warning(
            "%s: a bucket has no locks: see to it that no other training writes there at the same time",
            model_dir,
        )
        yield
        return
    path = os.path.join(model_dir, FILE_NAME)
    descriptor = _acquire(path, model_dir)
    try:
        yield
    finally:
        if locks.is_at(descriptor, path):
            os.unlink(path)
        os.close(descriptor)


def _acquire(path: str, model_dir: str) -> int:
    try:
        descriptor, locked = locks.acquire(path)
    except BlockingIOError:
        raise OSError(
            f"{model_dir}: {_read_holder(path)} writes to this directory now: wait for it, stop it, or give "
            f"another directory; if that host is gone, delete {path}"
        ) from None
    if not locked:
        logging.warning(
            "%s: this file system has no locks: see to it that no other training writes there at the same "
            "time",
            model_dir,
        )
    _write_holder(descriptor)
    return descriptor


def _write_holder(descriptor: int) -> None:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": now})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _read_holder(path: str) -> str:
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(4096))
        return f"process {int(found['process'])} on host {str(found['host'])!r} (since {found['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
