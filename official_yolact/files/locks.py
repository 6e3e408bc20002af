"""Locks on files: one process holds a lock, and the end of the process, however it comes, releases it."""

from __future__ import annotations

import errno
import fcntl
import os
import time

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_PAUSE_SECONDS = 0.05


def acquire(path: str, *, flags: int = 0, shared: bool = False, seconds: float = 0.0) -> tuple[int, bool]:
    """Open a file, which is made with its folder, and lock it; whoever closes it releases the lock.

    Args:
      path: of the file. Should its last holder have removed it meanwhile, it is made anew.
      flags: for `os.open`, beside those for reading and writing.
      shared: other holders of a shared lock are admitted.
      seconds: to wait for a process that holds the lock.

    Returns:
      The descriptor, and whether it is locked: not every file system has locks.

    Raises:
      BlockingIOError: another process holds the lock still.
      OSError: the file cannot be opened, or the lock failed otherwise.
    """
    end = time.monotonic() + seconds
    while True:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        try:
            locked = _lock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            if is_at(descriptor, path):
                return descriptor, locked
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(descriptor)
                raise
            time.sleep(_PAUSE_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def is_at(descriptor: int, path: str) -> bool:
    """Tell whether an open file is still the one at a path, and not removed or replaced meanwhile."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True
