"""The folder in which files of published weights are kept, and how they get there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from official_yolact.files import downloads
from official_yolact.files import locks
from official_yolact.files import storage
from official_yolact.weights import named_weights

CACHE_VARIABLE = "OFFICIAL_YOLACT_CACHE"
"""Environment variable: the cache folder. Without it: `official_yolact` in `XDG_CACHE_HOME` or `~/.cache`."""

MIRROR_VARIABLE = "OFFICIAL_YOLACT_WEIGHTS_URL"
"""Environment variable: address of a folder that has all files, in place of the published addresses."""

Note = Callable[[str], None]

_WAIT_SECONDS = 4 * 3600.0


def find_folder(kind: str = "weights") -> str:
    """Name the folder of files of a kind, which need not be there."""
    chosen = os.environ.get(CACHE_VARIABLE, "")
    if not chosen:
        above = os.environ.get("XDG_CACHE_HOME", "")
        # Source: the XDG Base Directory Specification; a relative path is to be ignored.
        above = above if os.path.isabs(above) else os.path.expanduser("~/.cache")
        chosen = os.path.join(above, "official_yolact")
    return os.path.join(chosen, kind)


def find_file(entry: named_weights.NamedWeights) -> str:
    """Name the place of a file in the cache."""
    return os.path.join(find_folder(), entry.file_name)


def find_url(entry: named_weights.NamedWeights, mirror: str | None = None) -> str:
    """Give the address of a file: of a mirror, if an argument or the environment names one."""
    mirror = mirror or os.environ.get(MIRROR_VARIABLE, "")
    return f"{mirror.rstrip('/')}/{entry.file_name}" if mirror else entry.url


def fetch(
    entry: named_weights.NamedWeights,
    *,
    mirror: str | None = None,
    pause: float = 1.0,
    progress: downloads.Progress | None = None,
    note: Note | None = None,
) -> str:
    """Give the file from the cache; download what of it is missing.

    A file that somebody has put there is checked as a download is.

    Args:
      entry: the weights.
      mirror: address of a folder that has the file; None: as the environment says.
      pause: seconds before the second attempt.
      progress: is called with the bytes that are there and their total.
      note: is called with lines for people.

    Returns:
      The path.

    Raises:
      OSError: the file cannot be had, or the folder not be written; the message says where to put the file.
      ValueError: it is another file than the one that was meant.
    """
    path = find_file(entry)
    if os.path.exists(path):
        check_file(entry, path)
        return path
    with hold(path, note):
        if os.path.exists(path):  # another process has put it there meanwhile
            check_file(entry, path)
            return path
        try:
            downloads.download(
                find_url(entry, mirror),
                path,
                sha256=entry.sha256 or None,
                size=entry.size if entry.is_size_exact else None,
                pause=pause,
                progress=progress,
                note=note,
            )
        except OSError as error:
            raise OSError(
                f"{entry.name}: {storage.describe(error)}. Without a network: download {entry.url} on another"
                f" machine and put {entry.file_name} into {os.path.dirname(path)}"
            ) from error
        except ValueError as error:
            raise ValueError(f"{entry.name}: {error}") from error
    return path


def check_file(entry: named_weights.NamedWeights, path: str) -> None:
    """Compare a file with what is known of the published one.

    Raises:
      OSError: it cannot be read.
      ValueError: its size or sum is another one.
    """
    size, found = storage.measure(path)
    if entry.is_size_exact and size != entry.size:
        raise ValueError(f"{path}: has {size} bytes, {entry.name} has {entry.size}: remove the file")
    if entry.sha256 and found != entry.sha256:
        raise ValueError(f"{path}: its sha256 is {found}, that of {entry.name} is {entry.sha256}: remove it")


@contextlib.contextmanager
def hold(path: str, note: Note | None = None) -> Iterator[None]:
    """Be the only process that makes a file or folder of the cache; wait for another one.

    Raises:
      OSError: the cache cannot be written, or the other process does not end.
    """
    lock = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.lock")
    try:
        descriptor = _acquire(lock, path, note)
    except BlockingIOError as error:
        raise OSError(f"{path}: another process has been writing it for hours: end that process") from error
    except OSError as error:
        raise OSError(
            f"{os.path.dirname(path)}: cannot be written ({storage.describe(error)}): name another cache"
            f" folder in the environment variable {CACHE_VARIABLE}"
        ) from error
    try:
        yield
    finally:
        if locks.is_at(descriptor, lock):
            os.unlink(lock)
        os.close(descriptor)


def _acquire(lock: str, path: str, note: Note | None) -> int:
    try:
        return locks.acquire(lock)[0]
    except BlockingIOError:
        if note:
            note(f"{path}: another process fetches it; waiting")
        return locks.acquire(lock, seconds=_WAIT_SECONDS)[0]
