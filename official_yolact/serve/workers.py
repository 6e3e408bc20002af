"""Workers that compute, and the bounded queue before them."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from official_yolact.serve import models
from official_yolact.serve import refusals
from official_yolact_runtime import predictor

Picture = NDArray[np.uint8]
Row = Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Answer:
    """The body of an answer.

    Attributes:
      content: its bytes.
      media_type: its type.
      headers: beside the usual ones.
      detections: how many objects it tells of.
    """

    content: bytes
    media_type: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    detections: int = 0


class Work(Protocol):
    """What a worker does for one request; a worker runs it as a whole, and no other request's beside it."""

    def read(self, model: predictor.Predictor) -> Sequence[Picture]:
        """Read the pictures of the request; raises RefusedError."""
        ...

    def answer(self, model: predictor.Predictor, found: Sequence[tuple[Picture, Row]]) -> Answer:
        """Write the answer; `found` has each picture with what `Predictor.detect` gives of it."""
        ...


@dataclasses.dataclass
class _Job:
    model: models.Model
    work: Work
    future: concurrent.futures.Future[Answer]
    since: float


class Pool:
    """Threads that do work one after another.

    Attributes:
      room: jobs that wait, at most.
      seconds: that a job took, on average, of late.
    """

    def __init__(self, workers: int, room: int, batch_size: int = 1) -> None:
        """Start the threads.

        Args:
          workers: number of threads.
          room: jobs that wait, at most.
          batch_size: jobs of one model whose pictures pass the network at once, at most. On a processor that
            is no faster than one after another; on a GPU it may be.
        """
        self.room, self.seconds = room, 0.1
        self._batch_size = batch_size
        self._waiting: collections.deque[_Job] = collections.deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._run, args=(index,), name=f"worker-{index}", daemon=True)
            for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        """Count the jobs that wait."""
        return len(self._waiting)

    def submit(self, model: models.Model, work: Work) -> concurrent.futures.Future[Answer]:
        """Put work into the queue.

        Args:
          model: that computes.
          work: of one request.

        Returns:
          What gives the answer, raises the RefusedError of the work, or can be cancelled while it waits.

        Raises:
          RefusedError: the queue is full, or closed.
        """
        job = _Job(model, work, concurrent.futures.Future(), time.monotonic())
        with self._changed:
            if self._is_closed:
                raise refusals.busy("the server ends: send the request to another", 5)
            if len(self._waiting) >= self.room:
                # Those whose clients have gone need no room.
                self._waiting = collections.deque(one for one in self._waiting if not one.future.cancelled())
            if len(self._waiting) >= self.room:
                raise refusals.busy(
                    f"{self.room} requests wait already: send it again later", self.estimate()
                )
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def estimate(self) -> int:
        """Estimate after how many seconds the queue will have moved on: 1 or more."""
        return max(1, round(len(self._waiting) * self.seconds / len(self._threads)))

    def close(self) -> None:
        """Do what waits, then end the threads."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self, index: int) -> None:
        while jobs := self._take():
            start = time.monotonic()
            _do(jobs, jobs[0].model.predictors[index])
            self.seconds += 0.1 * ((time.monotonic() - start) / len(jobs) - self.seconds)
            del jobs  # their pictures, while it waits for the next

    def _take(self) -> list[_Job]:
        """Wait for a job; gives those that are done at once, none at the end."""
        with self._changed:
            while True:
                jobs = self._take_waiting()
                if jobs or self._is_closed:
                    return jobs
                self._changed.wait()

    def _take_waiting(self) -> list[_Job]:
        jobs: list[_Job] = []
        while self._waiting and len(jobs) < self._batch_size:
            if jobs and self._waiting[0].model is not jobs[0].model:
                break
            job = self._waiting.popleft()
            if job.future.set_running_or_notify_cancel():
                jobs.append(job)
        return jobs


def _do(jobs: Sequence[_Job], model: predictor.Predictor) -> None:
    """Do jobs of one model; what is wrong with one of them, that one alone is told."""
    pictures: list[tuple[int, Picture]] = []
    for index, job in enumerate(jobs):
        try:
            pictures += [(index, picture) for picture in job.work.read(model)]
        except Exception as error:
            job.future.set_exception(error)
    left = [index for index, job in enumerate(jobs) if not job.future.done()]
    try:
        rows = list(model.detect(pictures))
    except Exception as error:
        for index in left:
            if len(left) > 1:
                _do([jobs[index]], model)
            else:
                jobs[index].future.set_exception(error)
        return
    for index in left:
        found = [(picture, row) for owner, picture, row in rows if owner == index]
        try:
            jobs[index].future.set_result(jobs[index].work.answer(model, found))
        except Exception as error:
            jobs[index].future.set_exception(error)
