"""Stopping a training on request: at the next step boundary, with everything saved."""

from __future__ import annotations

import signal
import socket
import threading
import time
from types import FrameType
from types import TracebackType
from typing import Any

from absl import logging

from official_yolact.files import storage
from official_yolact.training import run_log

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_ONE_REQUEST_SECONDS = 0.3


class StopRequested(SystemExit):
    """Ends the process with 128 + signal; raised where nothing is left to save."""

    def __init__(self, signal_number: int):
        super().__init__(128 + signal_number)


class StopSignals:
    """Turns the first SIGTERM or SIGINT into a request and the second into the end of the process.

    Python runs its signal handlers between two instructions of the main thread, so never while that
    waits for a batch or a step. The handler of the interpreter itself writes the signal's number to a
    socket at any time; a thread reads it there.

    Launchers that pass on what the terminal has sent already, or that send both signals, make two of one
    request: those within 0.3 seconds count once.

    Used as a context, in the main thread; elsewhere it does nothing. An interrupt that was ignored when
    the process began, as in a shell's background jobs, stays ignored.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._time = 0.0
        self._handlers: dict[int, Any] = {}
        self._old_fd = -1
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_requested(self) -> bool:
        """Whether a signal came."""
        return self.signal_number is not None

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is not threading.main_thread():
            return self
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        self._sockets = (reader, writer)
        self._old_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, _do_nothing)
        self._thread = threading.Thread(target=self._listen, args=(reader,), name="stop signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sockets is None or self._thread is None:
            return
        # In this order: a signal between the two finds the handlers of before.
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._handlers.clear()
        reader, writer = self._sockets
        writer.close()  # ends the thread
        self._thread.join()
        reader.close()
        self._sockets = self._thread = None

    def _listen(self, reader: socket.socket) -> None:
        while received := reader.recv(16):
            for number in received:
                if number in self._handlers:
                    self._take(number)

    def _take(self, number: int) -> None:
        name = signal.Signals(number).name
        now = time.monotonic()
        if self.signal_number is not None:
            if now - self._time < _ONE_REQUEST_SECONDS:
                return
            logging.error("%s again: stopping at once, nothing more is saved", name)
            logging.flush()
            run_log.expect_end()
            storage.end_process(128 + number)
        self._time = now
        self.signal_number = number
        logging.warning("%s: stopping after this step and saving; once more stops at once", name)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Be a handler, so that the interpreter reports the signal instead of ending the process."""
    del number, frame
