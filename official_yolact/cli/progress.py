"""Progress on standard error: one line that is rewritten on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

_LINE_EVERY_SECONDS = 10.0
_REDRAW_EVERY_SECONDS = 0.1


class Progress:
    """Shows how many things are done and the time left."""

    def __init__(self, what: str, only_long: bool = False) -> None:
        """Start the clock.

        Args:
          what: is counted, for example `images`.
          only_long: print nothing at the end where nothing was printed before.
        """
        self._what = what
        self._is_silent = only_long
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        """Show the state, not too often, and always at the end."""
        now = time.monotonic()
        pause = _REDRAW_EVERY_SECONDS if self._terminal else _LINE_EVERY_SECONDS
        if done < total and now - self._shown < pause:
            return
        if done == total and self._is_silent:
            return
        self._shown, self._is_silent = now, False
        left = (now - self._start) / max(done, 1) * (total - done)
        text = f"{done}/{total} {self._what}" + (f", {_format_seconds(left)} left" if done < total else "")
        if self._terminal:
            print(f"\r{text}\x1b[K", end="" if done < total else "\n", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)


def say(line: str) -> None:
    """Print a line for people; standard output is left to results."""
    print(line, file=sys.stderr, flush=True)


def _format_seconds(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
