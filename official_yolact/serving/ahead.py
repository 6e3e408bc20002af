"""Steps that go on side by side: while a network computes, pictures are read and others written."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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
        close = getattr(items, "close", None)
        if close is not None:  # a step before this one
            close()
