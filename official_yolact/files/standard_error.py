"""What native libraries write to standard error, where none of their options hides it."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator

_DESCRIPTOR = 2
_MOST_BYTES = 1 << 16
_INFORMATION = re.compile(r"I\d{4} |WARNING: All log messages before absl::InitializeLog\(\) is called")
_lock = threading.RLock()


@contextlib.contextmanager
def hear() -> Iterator[Callable[[], str]]:
    """Lead what any thread writes to the descriptor of standard error into memory, and nowhere else.

    Yields:
      A function that returns what was written so far, 64 KiB of it at most.
    """
    with _lock:
        if sys.stderr is not None:
            sys.stderr.flush()
        memory = os.memfd_create("standard error")
        try:
            kept = os.dup(_DESCRIPTOR)
        except OSError:
            # There is no standard error.
            kept = -1
        try:
            os.dup2(memory, _DESCRIPTOR)
            yield lambda: os.pread(memory, _MOST_BYTES, 0).decode("utf-8", "replace")
        finally:
            if kept >= 0:
                os.dup2(kept, _DESCRIPTOR)
                os.close(kept)
            else:
                os.close(_DESCRIPTOR)
            os.close(memory)


@contextlib.contextmanager
def without_information() -> Iterator[None]:
    """Drop lines of information, which parts of TensorFlow log at every level; others come at the end."""
    said = ""
    try:
        with hear() as listen:
            try:
                yield
            finally:
                said = listen()
    finally:
        write("".join(line for line in said.splitlines(keepends=True) if not _INFORMATION.match(line)))


def write(text: str) -> None:
    """Write text to the descriptor of standard error, if there is one."""
    if text:
        with contextlib.suppress(OSError):
            os.write(_DESCRIPTOR, text.encode())
