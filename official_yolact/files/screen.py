"""Streams that people read: closed or full ones do no harm; a terminal keeps a line of progress in place."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, TextIO

_WIDTH = 80
"""Of a terminal that does not state its own."""


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
            with contextlib.suppress(OSError, ValueError):
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


class Screen(LenientStream):
    """A stream of messages whose last line, on a terminal, is one of progress: all other text goes above it.

    Attributes:
      is_terminal: whether there is such a line.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.is_terminal = _is_terminal(stream)
        self._line = ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write text in place of the line of progress, which comes back with the next `show`."""
        with self._lock:
            self.clear()
            return super().write(text)

    def show(self, line: str) -> bool:
        """Show a line of progress in place of the last one.

        Returns:
          False: this is no terminal, and nothing is shown.
        """
        if not self.is_terminal:
            return False
        with self._lock:
            width = self._find_width()
            self._line = line if len(line) < width else f"{line[: max(0, width - 4)]}..."
            super().write(f"\r{self._line}\x1b[K")
            self.flush()
        return True

    def clear(self) -> None:
        """Remove the line of progress."""
        if self._line:
            self._line = ""
            super().write("\r\x1b[K")

    def _find_width(self) -> int:
        try:
            return os.get_terminal_size(self.fileno()).columns or _WIDTH
        except (OSError, ValueError):
            return _WIDTH


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (OSError, ValueError):  # closed
        return False
