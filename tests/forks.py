"""Programs of the tests in forks of a process that has imported TensorFlow and not used it.

A fork may make logical CPUs, train, be killed: nothing else sees it, and it need not import again. It ends without
what is registered with `atexit`, and so leaves temporary folders behind: a test of such folders starts a program.
"""

from __future__ import annotations

import atexit
import multiprocessing.context
import os
import pathlib
import runpy
import sys
import tempfile
from collections.abc import Callable
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["official_yolact.train"])


def run_beside(test_file: str, name: str, *arguments: str) -> tuple[str, str]:
    """Run a program in the folder of a test; it must end well.

    Returns:
      What it has printed: its output, its messages.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, log = (os.path.join(folder, stream) for stream in ("out", "log"))
        process = start(out, log, run_file, str(pathlib.Path(test_file).with_name(name)), *arguments)
        process.join()
        messages = pathlib.Path(log).read_text(errors="replace")
        assert process.exitcode == 0, messages[-6000:]
        return pathlib.Path(out).read_text(), messages


def start(
    out: str, log: str, function: Callable[..., None], *arguments: Any, **environment: str
) -> multiprocessing.context.ForkServerProcess:
    """Start a function of a module in a fork; what it prints is appended to `out`, its messages to `log`."""
    process = CONTEXT.Process(target=_begin, args=(out, log, environment, function, arguments))
    process.start()
    return process


def run_file(path: str, *arguments: str) -> None:
    """Run a file as `python PATH ARGUMENTS` does."""
    sys.path.insert(0, os.path.dirname(path))
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")


def run_command(*words: str) -> None:
    """Run `yolact` with these words."""
    from official_yolact.cli import main

    sys.exit(main.main(list(words)))


def _begin(
    out: str, log: str, environment: dict[str, str], function: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(environment)
    tempfile.tempdir = None  # The server has looked it up in its own environment.
    for stream, path in ((1, out), (2, log)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    try:
        function(*arguments)
    finally:
        atexit._run_exitfuncs()  # A fork of multiprocessing leaves them out, a program does not.
