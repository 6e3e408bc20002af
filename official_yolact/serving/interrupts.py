"""Ctrl-C and SIGTERM: they end the reading, never a write that has begun."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Hold:
    """A context in which an interruption waits until its end; a second one does not wait."""

    def __init__(self) -> None:
        self._depth, self._waiting = 0, False

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._waiting and not self._depth:
            self._waiting = False
            raise KeyboardInterrupt

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Interrupt now, or at the end of the context."""
        if not self._depth or self._waiting:
            raise KeyboardInterrupt
        self._waiting = True


@contextlib.contextmanager
def holding() -> Iterator[Hold]:
    """Handle the two signals by a Hold; other threads than the main one leave them as they are."""
    hold = Hold()
    if threading.current_thread() is not threading.main_thread():
        yield hold
        return
    # What is ignored, as of a command in the background, stays so.
    before = {
        number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) != signal.SIG_IGN
    }
    for number in before:
        signal.signal(number, hold.handle)
    try:
        yield hold
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
