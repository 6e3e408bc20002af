"""Standard streams that may be closed, full or ASCII: what a command finds does not depend on them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast


class LenientStream:
    """A text stream that keeps its first failure instead of raising it, and drops all text after that.

    Attributes:
      error: the first failure; None while all was written.
    """

    def __init__(self, stream: TextIO) -> None:
        # Letters that the stream has no bytes for are escaped from now on.
        self._stream = stream
        self.error: OSError | ValueError | None = None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        """Leave everything else to the stream."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, unless writing has failed before."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, unless writing has failed before."""
        self._try(self._stream.flush)

    def close_quietly(self) -> None:
        """Flush; after a failure let the process end without a second one."""
        self.flush()
        if self.error is None:
            return
        # What is left in the buffer is flushed once more when Python ends.
        with contextlib.suppress(OSError, ValueError):
            descriptor = self._stream.fileno()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)

    def _try(self, action: Any) -> None:
        if self.error is not None:
            return
        try:
            action()
        except (OSError, ValueError) as error:  # ValueError: a stream that was closed
            self.error = error


@contextlib.contextmanager
def lenient() -> Iterator[None]:
    """Let no failure of standard output or standard error end or change what runs inside.

    A closed stream is opened on the null device: otherwise the next file that is opened would have its
    number, and what libraries print would end up in that file. At the end a failure of standard output is
    reported on standard error, unless the reader of a pipe has ended.
    """
    _fill_closed_descriptors()
    before = sys.stdout, sys.stderr
    out, err = (LenientStream(stream or _open_null()) for stream in before)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield
    finally:
        out.close_quietly()
        if out.error is not None and not isinstance(out.error, BrokenPipeError):
            reason = getattr(out.error, "strerror", None) or out.error
            print(f"yolact: standard output: {reason}: not all results were printed", file=sys.stderr)
        err.close_quietly()
        sys.stdout, sys.stderr = (stream or _open_null() for stream in before)


def _fill_closed_descriptors() -> None:
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one


def _open_null() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
