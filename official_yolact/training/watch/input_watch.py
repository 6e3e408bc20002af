"""A watch over the waiting for batches."""

from __future__ import annotations

import contextlib
import faulthandler
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from absl import logging

from official_yolact.files import storage
from official_yolact.training import errors
from official_yolact.training import run_log

_IDLE_SECONDS = 60.0


class InputWatch:
    """Reports where the input hangs when no batch comes, and then ends the run.

    A thread that hangs inside TensorFlow cannot be interrupted from Python. After the first timeout
    the log names the stage that hangs and the line that each Python thread is in. After the second the
    process ends.
    """

    def __init__(
        self,
        timeout: float,
        diagnose: Callable[[], str],
        end: Callable[[int], None] = storage.end_process,
        kind: str = "training",
    ):
        """Start watching.

        Args:
          timeout: seconds; 0: never.
          diagnose: names the stage that hangs; called in the watching thread.
          end: ends the process.
          kind: of batches, for messages.
        """
        self._timeout = timeout
        self._diagnose = diagnose
        self._end = end
        self._kind = kind
        self._since: float | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Watch the fetching of a batch, which is done inside."""
        with self._lock:
            self._since = time.monotonic()
            if self._timeout > 0 and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="input watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            self._since = None

    def close(self) -> None:
        """End the thread; left alone, it ends after a minute without a fetch."""
        self._closed.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        reported: float | None = None
        active = time.monotonic()
        while not self._closed.wait(min(1.0, self._timeout / 4)):
            now, since = time.monotonic(), self._since
            if since is None:
                if now - active > _IDLE_SECONDS and self._end_if_idle():
                    return
                continue
            active = now
            if now - since > 2 * self._timeout and reported == since:
                self._end_run(now - since)
            elif now - since > self._timeout and reported != since:
                reported = since
                self._report(now - since)

    def _end_if_idle(self) -> bool:
        """End this thread, which keeps the trainer alive, unless a fetch has begun by now."""
        with self._lock:
            if self._since is None:
                self._thread = None
            return self._since is None

    def _end_run(self, waited: float) -> None:
        logging.error(
            "no %s batch for %.0f s: ending the run. What is saved stays; give the same command again to go "
            "on",
            self._kind,
            waited,
        )
        _flush()
        run_log.expect_end()
        self._end(errors.EXIT_CODE)

    def _report(self, waited: float) -> None:
        logging.error("no %s batch for %.0f s (trainer.input_timeout)", self._kind, waited)
        try:
            logging.error("the input stands still: %s", self._diagnose())
        except Exception as error:  # the diagnosis must not hide that there is something to diagnose
            logging.error("the input stands still; finding out where failed: %s", error)
        _flush()
        with contextlib.suppress(OSError, ValueError):
            faulthandler.dump_traceback(_find_stream(), all_threads=True)


def _find_stream() -> Any:
    """Find the stream that people read, if it is one that `faulthandler` can write to."""
    try:
        sys.stderr.fileno()
        return sys.stderr
    except (OSError, ValueError, AttributeError):
        return sys.__stderr__


def _flush() -> None:
    logging.flush()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
