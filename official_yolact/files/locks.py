"""Locks on files: one process holds a lock, and the end of the process, however it comes, releases it."""

from __future__ import annotations

import errno
import fcntl
import os

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def lock(descriptor: int, how: int) -> bool:
    """Lock an open file without waiting.

    Args:
      descriptor: of the file.
      how: `fcntl.LOCK_EX` or `fcntl.LOCK_SH`.

    Returns:
      False: the file system knows no locks, and nothing is locked.

    Raises:
      BlockingIOError: another process holds the lock.
      OSError: the lock failed otherwise.
    """
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def is_at(descriptor: int, path: str) -> bool:
    """Tell whether an open file is still the one at a path, and not removed or replaced meanwhile."""
    try:
        found, opened = os.stat(path), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
