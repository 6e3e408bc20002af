"""Progress on standard error: one line that is rewritten on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

_LINE_EVERY_SECONDS = 10.0
_REDRAW_EVERY_SECONDS = 0.1


class Progress:
    """Shows how many things are done and the time left."""

    def __init__(self, what: str, only_long: bool = False, rate: bool = False) -> None:
        """Start the clock.

        Args:
          what: is counted, for example `images`.
          only_long: print nothing at the end where nothing was printed before.
          rate: say how many a second are done.
        """
        self._what = what
        self._is_silent = only_long
        self._has_rate = rate
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._is_open = False

    def __call__(self, done: int, total: int | None) -> None:
        """Show the state, not too often, and always at the end.

        Args:
          done: so many.
          total: of so many; None: nobody knows, as of a stream, and the last state is shown by `end`.
        """
        now = time.monotonic()
        pause = _REDRAW_EVERY_SECONDS if self._terminal else _LINE_EVERY_SECONDS
        is_last = done == total
        if not is_last and now - self._shown < pause:
            return
        if is_last and self._is_silent:
            return
        self._shown, self._is_silent = now, False
        text = self._describe(done, total, now - self._start)
        if self._terminal:
            self._is_open = not is_last
            print(f"\r{text}\x1b[K", end="\n" if is_last else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """End the line on a terminal, so that what follows does not begin within it."""
        if self._is_open:
            self._is_open = False
            print(file=sys.stderr, flush=True)

    def _describe(self, done: int, total: int | None, seconds: float) -> str:
        text = f"{done} {self._what}" if total is None else f"{done}/{total} {self._what}"
        if self._has_rate and seconds:
            text += f", {done / seconds:.3g} a second"
        if total is not None and done < total:
            text += f", {_format_seconds(seconds / max(done, 1) * (total - done))} left"
        return text


def report_comparisons() -> Callable[[str, int, int], None]:
    """Make a report of comparisons with the ground truth, which shows those that go on for long."""
    shown: dict[str, Progress] = {}

    def report(kind: str, done: int, total: int) -> None:
        if kind not in shown:
            shown[kind] = Progress(f"comparisons of {kind}", only_long=True)
        shown[kind](done, total)

    return report


def say(line: str) -> None:
    """Print a line for people; standard output is left to results."""
    print(line, file=sys.stderr, flush=True)


def _format_seconds(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
