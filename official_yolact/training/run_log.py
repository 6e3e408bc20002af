"""The messages of a run: all of them in a file of its directory, those that help a person on standard error.

TensorFlow's own code writes to file descriptor 2, whatever Python's `sys.stderr` is. So descriptor 2 becomes
the file, and what people are to see goes to a copy of the descriptor as it was. No thread and no other
process stands in between: the file of a killed process holds all that it wrote.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import faulthandler
import logging
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import traceback
from typing import Any, TextIO, cast

from absl import logging as absl_logging

import official_yolact
from official_yolact.files import screen
from official_yolact.files import storage
from official_yolact.training import end_watch
from official_yolact.training import errors

FILE_NAME = "log.txt"
MAX_BYTES = 2**25
"""Of the file: a larger one becomes `log.1.txt`, in place of the one that was put aside before."""

DETAIL = {"audience": "file"}
"""As `extra` of a message: it is in the file alone."""

_HEADING = "===== "
_FORMAT = "%(asctime)s %(levelname)s %(filename)s:%(lineno)d %(message)s"
_LEVELS = {logging.WARNING: "warning: ", logging.ERROR: "error: ", logging.CRITICAL: "error: "}
_PACKAGE = os.path.dirname(os.path.abspath(official_yolact.__file__)) + os.sep

_active: list[RunLog] = []


def progress(line: str) -> dict[str, str]:
    """Make the `extra` of a message that, on a terminal, a short line in place stands for."""
    return {"audience": "progress", "line": line}


def show(line: str) -> bool:
    """Show a line of progress in place.

    Returns:
      False: there is no terminal to show it on.
    """
    return bool(_active) and _active[-1].screen.show(line)


def find_path() -> str | None:
    """Find the file with all messages of the run; None: there is none."""
    return _active[-1].path if _active and not _active[-1].is_temporary else None


def is_terminal() -> bool:
    """Tell whether people look at a terminal."""
    return bool(_active) and _active[-1].screen.is_terminal


def say(text: str) -> None:
    """Show lines that stay, on the terminal alone: the file has what they say in another form."""
    _active[-1].screen.write(f"{text}\n")


def attach(folder: str, worker: int = 0) -> None:
    """Continue the messages of this process in the file of a run, which is made; without a RunLog do nothing.

    Args:
      folder: of the run, on this machine.
      worker: number of this process among several; each but the first has a file of its own.
    """
    if _active:
        _active[-1].move(os.path.join(folder, f"log-worker-{worker}.txt" if worker else FILE_NAME))


def write_error(error: BaseException) -> None:
    """Write where an error came from into the file alone."""
    for log in _active:
        log.write("".join(traceback.format_exception(error)))


def expect_end() -> None:
    """Say that the process is about to end as it should, without Python's own end."""
    for log in _active:
        log.tell_watch("end")


class RunLog:
    """Splits the messages of this process, as long as it is active, in two: for people, and all of them.

    Until `attach` names the run's file, the messages are in a temporary one, which goes if there is no run.

    Attributes:
      screen: what people see.
      path: the file with all messages.
      is_temporary: whether it is not that of a run.
    """

    def __init__(self) -> None:
        self.path = ""
        self.is_temporary = True
        self._streams: tuple[Any, Any] = (sys.stdout, sys.stderr)
        self._undo = contextlib.ExitStack()
        self._watch: subprocess.Popen[str] | None = None

    def __enter__(self) -> RunLog:
        self.start()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            write_error(error)
        self.stop()

    def start(self) -> None:
        """Begin to split; it ends with `stop`, or with the process.

        With `YOLACT_DEBUG` all messages stay on standard error, and standard output is left to a debugger.
        """
        if os.environ.get(errors.DEBUG):
            absl_logging.use_absl_handler()
            return
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
        _open_if_closed(2)
        for stream in filter(None, self._streams):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        descriptor, self.path = tempfile.mkstemp(prefix="yolact-", suffix=".log")
        user = os.dup(2)
        is_ours = self._streams[1] is None or _is_on(self._streams[1], 2)
        self.screen = screen.Screen(_open(user) if is_ours else self._streams[1])
        self._user = user
        os.dup2(descriptor, 2)
        os.close(descriptor)
        sys.stderr = cast(TextIO, self.screen)
        # Orbit prints what it logs.
        sys.stdout = _open(2)
        self._split_python()
        self._start_watch()
        _active.append(self)
        atexit.register(self.stop)

    def _split_python(self) -> None:
        """Send the messages of Python's loggers where they belong."""
        root, package = logging.getLogger(), logging.getLogger("official_yolact")
        handlers = [_FileHandler(self), _ScreenHandler(self.screen)]
        for handler in handlers:
            root.addHandler(handler)
            self._undo.callback(root.removeHandler, handler)
        absl_handler = absl_logging.get_absl_handler()
        absl_handler.addFilter(_refuse)
        self._undo.callback(absl_handler.removeFilter, _refuse)
        self._undo.callback(setattr, package, "handlers", package.handlers)
        self._undo.callback(setattr, package, "propagate", package.propagate)
        package.handlers, package.propagate = [], True
        logging.captureWarnings(True)
        self._undo.callback(logging.captureWarnings, False)
        if not faulthandler.is_enabled():
            faulthandler.enable(self._user)
            self._undo.callback(faulthandler.disable)

    def _start_watch(self) -> None:
        with contextlib.suppress(OSError):
            self._watch = subprocess.Popen(
                [sys.executable, "-I", "-S", end_watch.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._user,
                text=True,
                start_new_session=True,  # what the terminal sends to the training does not end it
            )
        self.tell_watch(f"0 {self.path}")

    def tell_watch(self, line: str) -> None:
        """Send a line to the program that waits for the end of this one."""
        if self._watch is not None and self._watch.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self._watch.stdin.write(line.replace("\n", " ") + "\n")
                self._watch.stdin.flush()

    def move(self, path: str) -> None:
        """Continue in another file, which is appended to; one that cannot be written is named once."""
        if _is_same(path, (self._user, 1)):
            path = f"{os.path.splitext(path)[0]}-2.txt"  # a shell writes there what people see
        if path == self.path:
            return
        before = self.path
        try:
            with open(before, "rb") as file:
                self._open(path, f"{_HEADING}{_now()} {shlex.join(sys.argv)}\n".encode() + file.read())
        except OSError as error:
            absl_logging.warning("%s: %s: the messages are not kept", path, error.strerror or error)
            return
        if self.is_temporary:
            os.unlink(before)
        self.is_temporary = False

    def _open(self, path: str, begin: bytes) -> None:
        _put_aside(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{path} is no regular file")
            self.tell_watch(f"{os.fstat(descriptor).st_size} {os.path.abspath(path)}")
            os.dup2(descriptor, 2)
            os.write(2, begin)
        finally:
            os.close(descriptor)
        self.path = path

    def write(self, text: str) -> None:
        """Append to the file; a full disk loses the text."""
        with contextlib.suppress(OSError):
            os.write(2, f"{text}\n".encode(errors="backslashreplace"))
            if not self.is_temporary and os.fstat(2).st_size > MAX_BYTES:
                self._open(self.path, f"{_HEADING}{_now()} goes on\n".encode())

    def stop(self) -> None:
        """Make all as it was before `start`."""
        if self not in _active:
            return
        _active.remove(self)
        atexit.unregister(self.stop)
        self.screen.clear()
        for stream in (sys.stdout, self.screen):
            stream.flush()
        sys.stdout, sys.stderr = self._streams
        os.dup2(self._user, 2)
        self._undo.close()
        self.tell_watch("end")
        if self._watch is not None and self._watch.stdin is not None:
            with contextlib.suppress(OSError):
                self._watch.stdin.close()
            self._watch.wait()
        if self.is_temporary:
            os.unlink(self.path)
        with contextlib.suppress(OSError):
            os.close(self._user)


class _FileHandler(logging.Handler):
    """Writes every message to the file."""

    def __init__(self, log: RunLog) -> None:
        super().__init__()
        self._log = log
        self.setFormatter(logging.Formatter(_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        self._log.write(self.format(record))


class _ScreenHandler(logging.Handler):
    """Shows people the messages of this package, and of other code its errors."""

    def __init__(self, stream: screen.Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message."""
        audience = getattr(record, "audience", "people")
        is_own = os.path.abspath(record.pathname).startswith(_PACKAGE)
        if audience == "file" or not (is_own or record.levelno >= logging.ERROR):
            return
        if audience == "progress" and self._screen.show(getattr(record, "line", record.getMessage())):
            return
        self._screen.write(f"{_LEVELS.get(record.levelno, '')}{record.getMessage()}\n")


def _refuse(record: logging.LogRecord) -> bool:
    del record
    return False


def _put_aside(path: str) -> None:
    """Rename a file that is too large; what another program wrote under the other name stays."""
    stem, ending = os.path.splitext(path)
    aside = f"{stem}.1{ending}"
    if not os.path.isfile(path) or os.path.getsize(path) <= MAX_BYTES:
        return
    if os.path.lexists(aside):
        with open(aside, "rb") as file:
            if file.read(len(_HEADING)) != _HEADING.encode():
                return
    storage.rename(path, aside, durable=False)


def _open_if_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)


def _open(descriptor: int) -> TextIO:
    """Open a descriptor, which stays open when the stream is closed."""
    return os.fdopen(descriptor, "w", buffering=1, errors="backslashreplace", closefd=False)


def _is_on(stream: Any, descriptor: int) -> bool:
    try:
        return bool(stream.fileno() == descriptor)
    except (OSError, ValueError, AttributeError):
        return False


def _is_same(path: str, descriptors: tuple[int, ...]) -> bool:
    try:
        there = os.stat(path)
        return any(os.path.samestat(there, os.fstat(descriptor)) for descriptor in descriptors)
    except OSError:
        return False


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
