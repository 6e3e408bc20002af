"""Finding the stage of an input pipeline that makes no progress."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib import parse

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import shards as shards_lib
from official_yolact.files import storage

_READ_BYTES = 1 << 16
_MAX_LISTED = 5


class InputStage:
    """Probes the stages of an input one after the other, from threads of its own.

    The stages of a running pipeline cannot be seen from outside. So each probe repeats the work of one
    stage: a probe that hangs most likely hangs where the pipeline does.
    """

    def __init__(self, data: configs.DataConfig, build_inputs: Callable[[], Any], timeout: float = 20.0):
        """Build the probes of an input.

        Args:
          data: its section of the configuration.
          build_inputs: builds another pipeline like it.
          timeout: seconds that a probe may take.
        """
        self._data = data
        self._build_inputs = build_inputs
        self._timeout = timeout

    def describe(self) -> str:
        """Name the stage that makes no progress, and the observation that shows it."""
        if self._data.enable_tf_data_service:
            return self._describe_service(str(self._data.tf_data_service_address))
        (files,) = _try_all([lambda: shards_lib.list_files(self._data.input_path)], self._timeout)
        if isinstance(files, BaseException):
            return f"reading records: {self._data.input_path} cannot be listed: {_explain(files)}"
        return self._describe_files(files) or self._describe_pipeline(len(files))

    def _describe_service(self, address: str) -> str:
        place = parse.urlsplit(address if "//" in address else f"//{address}")
        (answer,) = _try_all([lambda: _connect(place.hostname, place.port, self._timeout)], self._timeout)
        if isinstance(answer, BaseException):
            return f"tf.data service: nothing answers at {address}: {_explain(answer)}"
        return (
            f"tf.data service: its dispatcher at {address} takes connections, but no batch comes from the "
            "workers; their logs say more"
        )

    def _describe_files(self, files: Sequence[str]) -> str | None:
        probes = [lambda file=file: read_first_bytes(file) for file in files]
        results = zip(files, _try_all(probes, self._timeout), strict=True)
        silent = [
            f"{file} ({_explain(result)})" for file, result in results if isinstance(result, BaseException)
        ]
        if not silent:
            return None
        more = f" and {len(silent) - _MAX_LISTED} more" if len(silent) > _MAX_LISTED else ""
        return (
            f"reading records: {len(silent)} of {len(files)} files cannot be read: "
            f"{', '.join(silent[:_MAX_LISTED])}{more}; open in this process: {_list_open(files)}"
        )

    def _describe_pipeline(self, num_files: int) -> str:
        begin, cpu_begin = time.monotonic(), time.process_time()
        (batch,) = _try_all([lambda: next(iter(self._build_inputs()))], self._timeout)
        seconds = time.monotonic() - begin
        cores = (time.process_time() - cpu_begin) / max(seconds, 1e-6)
        if not isinstance(batch, BaseException):
            return (
                f"batching or prefetching: all {num_files} files can be read and a new pipeline decodes, "
                f"augments and batches in {seconds:.1f} s, so only the running one stands still"
            )
        state = (
            f"is busy ({cores:.1f} cores): it may only be slow"
            if cores > 0.5 * min(2, os.cpu_count() or 1)
            else f"is idle ({cores:.1f} cores): it waits for something"
        )
        return (
            f"decoding or augmenting: all {num_files} files can be read, but a new pipeline makes no batch "
            f"({_explain(batch)}); the process {state}"
        )


def _try_all(probes: Sequence[Callable[[], Any]], timeout: float) -> list[Any]:
    """Run probes in parallel; list what each returns or raises, TimeoutError for one that hangs.

    The probes run in daemon threads: a pool would wait at the end of the process for one that hangs.
    """
    done: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()

    def run(index: int) -> None:
        try:
            done.put((index, probes[index]()))
        except BaseException as error:  # whatever it is, it is the answer
            done.put((index, error))

    results: list[Any] = [TimeoutError(f"no answer within {timeout:g} s") for _ in probes]
    for index in range(len(probes)):
        threading.Thread(target=run, args=(index,), name=f"input probe {index}", daemon=True).start()
    end = time.monotonic() + timeout
    for _ in probes:
        try:
            index, result = done.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        results[index] = result
    return results


def _connect(host: str | None, port: int | None, timeout: float) -> None:
    with socket.create_connection((host or "localhost", port or 0), timeout):
        pass


def read_first_bytes(file: str) -> int:
    """Read the first 64 KiB of a file; return how many bytes came."""
    with storage.open_input(file) as stream:
        return len(stream.read(_READ_BYTES))


def _explain(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _list_open(files: Sequence[str]) -> str:
    """Name the files among these that this process has open, where the system lists them."""
    known = {os.path.realpath(file) for file in files}
    found = set()
    try:
        for number in os.listdir("/proc/self/fd"):
            try:
                found.add(os.readlink(f"/proc/self/fd/{number}"))
            except OSError:
                continue
    except OSError:
        return "unknown"
    return ", ".join(sorted(found & known)[:_MAX_LISTED]) or "none of them"
