"""Shards over processes that end with their parent, whatever ends it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from multiprocessing import connection
from multiprocessing import resource_tracker
from typing import Any

from official_yolact.data.conversion import shard_writer
from official_yolact.data.conversion import work_folder

_REPORT_EVERY_SECONDS = 0.2


def write_all(
    writer: shard_writer.ShardWriter,
    jobs: Iterable[shard_writer.ShardJob],
    workers: int,
    folder: str,
    count: shard_writer.Count,
) -> None:
    """Write shards.

    Args:
      writer: writes one.
      jobs: what each is made of; an iterator is advanced as workers become free.
      workers: processes; 1 writes in this one.
      folder: work folder, which the processes lock.
      count: is called as images are done.

    Raises:
      OSError: a file cannot be read or written, or a process ended.
      ValueError: names file, record, field, value and cure.
    """
    if workers == 1:
        for job in jobs:
            writer.write(job, count)
        return
    waiting = iter(jobs)
    pool: dict[Any, Any] = {}
    try:
        for job in waiting:
            ours, process = _start(writer, folder)
            pool[ours] = process
            _send(ours, process, job)
            if len(pool) == workers:
                break
        while pool:
            for ready in connection.wait(list(pool)):
                _receive(ready, pool, waiting, count)
    finally:
        for process in pool.values():
            process.kill()
        for ours, process in pool.items():
            process.join()
            ours.close()


def _start(writer: shard_writer.ShardWriter, folder: str) -> tuple[Any, Any]:
    # Not fork: whoever calls may hold the threads of TensorFlow.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, writer, folder), daemon=True)
    with _interrupts_held():
        process.start()
    theirs.close()
    return ours, process


def _receive(ready: Any, pool: dict[Any, Any], waiting: Iterator[Any], count: shard_writer.Count) -> None:
    try:
        kind, value = ready.recv()
    except (EOFError, ConnectionError):
        raise _ended(pool[ready]) from None
    if kind == "error":
        raise value
    if kind == "images":
        count(value)
        return
    job = next(waiting, None)
    _send(ready, pool[ready], job)
    if job is None:
        pool.pop(ready).join()
        ready.close()


def _send(pipe: Any, process: Any, job: shard_writer.ShardJob | None) -> None:
    try:
        pipe.send(job)
    except ConnectionError:
        raise _ended(process) from None


def _ended(process: Any) -> OSError:
    process.join()
    return OSError(
        f"a worker process ended with exit code {process.exitcode} (-9: killed, perhaps for want of memory):"
        " use fewer workers; the same command continues"
    )


def _serve(pipe: Any, writer: shard_writer.ShardWriter, folder: str) -> None:
    """Write shards until none is sent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    report = _Report(pipe)
    with work_folder.work_in(folder):
        while (job := pipe.recv()) is not None:
            try:
                writer.write(job, report.add)
                report.flush()
                message = ("done", job.name)
            except Exception as error:
                if not isinstance(error, OSError | ValueError):
                    # The traceback does not pass between processes.
                    error = RuntimeError(f"{type(error).__name__}: {error}")
                message = ("error", error)
            pipe.send(message)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Report:
    """Sends the parent the number of images done, not after each one."""

    def __init__(self, pipe: Any) -> None:
        self._pipe, self._done, self._at = pipe, 0, time.monotonic()

    def add(self, number: int) -> None:
        self._done += number
        if time.monotonic() - self._at > _REPORT_EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._pipe.send(("images", self._done))
        self._done, self._at = 0, time.monotonic()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started meanwhile: the parent ends them."""
    # Its start, which is part of that of the first process, would let them through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
