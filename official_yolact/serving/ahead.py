"""Steps that go on side by side: while a network computes, pictures are read and others written."""

from __future__ import annotations

import collections
import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent import futures
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_LOOK_SECONDS = 0.1
_WAIT_SECONDS = 5.0


def map_ahead(
    function: Callable[[_Item], _Result], items: Iterable[_Item], ahead: int, workers: int = 1
) -> Iterator[_Result]:
    """Apply a function in threads to items, before their results are asked for.

    The items are made in the caller's thread, so that steps can be chained: each chain has one thread that
    waits, and an interruption (Ctrl-C) reaches it. At the end, also by an error or because the caller stops
    early, what has begun is finished and what has not is given up.

    Args:
      function: called in threads.
      items: perhaps endless.
      ahead: items that are made beyond the one whose result is asked for, at most. A result that is there is
        not kept back for more of them.
      workers: threads.

    Yields:
      The results in the order of the items; an error of the function is raised at the place of its item.
    """
    pool = futures.ThreadPoolExecutor(workers, thread_name_prefix="yolact-ahead")
    begun: collections.deque[futures.Future[_Result]] = collections.deque()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            while begun and (len(begun) > ahead or begun[0].done()):
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        _close(items)  # a step before this one


def make_ahead(items: Iterable[_Item], ahead: int) -> Generator[_Item, None, None]:
    """Make items in a thread of their own, before they are asked for.

    Args:
      items: perhaps endless; made and closed in the thread.
      ahead: items that wait to be asked for, at most.

    Yields:
      The items; an error of theirs is raised behind the last one. When the caller stops early, no further
      item is made.
    """
    made: queue.Queue[tuple[_Item | None, BaseException | None] | None] = queue.Queue(max(1, ahead))
    stop = threading.Event()

    def put(entry: tuple[_Item | None, BaseException | None] | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                made.put(entry, timeout=_LOOK_SECONDS)
                return

    def make() -> None:
        maker = iter(items)
        try:
            for item in maker:
                put((item, None))
                if stop.is_set():
                    break
            put(None)
        except BaseException as error:  # whatever it is, the caller's thread has to know
            put((None, error))
        finally:
            _close(maker)

    thread = threading.Thread(target=make, name="yolact-ahead", daemon=True)
    thread.start()
    try:
        while (entry := made.get()) is not None:
            item, error = entry
            if error is not None:
                raise error
            yield item  # type: ignore[misc]  # an entry without an error has an item
    finally:
        stop.set()
        thread.join(_WAIT_SECONDS)  # longer hangs what waits for a stream; its thread ends with the process


def _close(items: object) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()
