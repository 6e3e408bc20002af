"""The loop over training steps: one compiled step, run from Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from absl import logging

from official_yolact import hosts
from official_yolact.training import run_log
from official_yolact.training import stopping
from official_yolact.training import strategies
from official_yolact.training.watch import input_watch
from official_yolact.training.watch import watcher


class TrainLoop:
    """Runs steps one by one, so that each can be timed and the run can be stopped after any of them.

    The batch is fetched outside the compiled step. Orbit's own loop is a `tf.while_loop` that fetches
    inside: the host can neither time its steps nor leave it. On a TPU, where each return to the host
    costs time, Orbit's loop is used.

    Attributes:
      times: durations of the steps of the last call.
    """

    def __init__(
        self,
        step: Callable[[Any], Any],
        strategy: tf.distribute.Strategy,
        stop: stopping.StopSignals,
        watch: input_watch.InputWatch | None = None,
        ends_early: Callable[[], bool] = lambda: False,
        observe: Callable[[int, float | None], None] = lambda _done, _seconds: None,
    ):
        """Build a loop.

        Args:
          step: does one step on the inputs of every replica; a `tf.function`.
          strategy: that the step runs under.
          stop: a request to end the run, looked at after each step.
          watch: reports a batch that does not come.
          ends_early: called after each step; True ends the loop, not the run.
          observe: called after each step with the number of steps of this loop so far, and the seconds that
            the last one took; None: it was compiled, too.
        """
        self._step = step
        self._strategy = strategy
        self._stop = stop
        self._watch = watch
        self._ends_early = ends_early
        self._observe = observe
        self._devices = [name for name in strategies.list_devices(strategy) if "GPU" in name.upper()]
        self._is_any = hosts.build_any(strategy)
        self._is_compiled = False
        self.times = watcher.LoopTimes()

    def __call__(self, iterator: Any, num_steps: Any) -> None:
        """Do steps until there are enough or the run is to stop; at least one.

        Args:
          iterator: of the inputs.
          num_steps: int or int32 [].

        Raises:
          ValueError: the inputs came to an end.
        """
        steps: list[tuple[float, float]] = []
        first_timed = 0 if self._is_compiled else 1
        for _ in range(int(num_steps)):
            begin = time.monotonic()
            inputs = self._fetch(iterator)
            wait_seconds = time.monotonic() - begin
            self._run_step(inputs)
            steps.append((time.monotonic() - begin, wait_seconds))
            self._observe(len(steps), None if len(steps) <= first_timed else steps[-1][0])
            if self._is_any(self._stop.is_requested or self._ends_early()):
                break
        timed = steps[first_timed:]
        self.times = watcher.LoopTimes(
            len(timed), sum(step[0] for step in timed), sum(step[1] for step in timed)
        )

    def _fetch(self, iterator: Any) -> Any:
        try:
            if self._watch is None:
                return next(iterator)
            with self._watch.waiting():
                return next(iterator)
        except (StopIteration, tf.errors.OutOfRangeError) as error:
            raise ValueError("the training data came to an end, which they never should") from error

    def _run_step(self, inputs: Any) -> None:
        if self._is_compiled:
            self._step(inputs)
            self._synchronize()
            return
        said = "compiling the training step ..."
        logging.info("%s", said, extra=run_log.progress(said))
        begin = time.monotonic()
        self._step(inputs)
        self._synchronize()
        self._is_compiled = True
        said = f"compiled the training step and did it once in {time.monotonic() - begin:.1f} s"
        logging.info("%s", said, extra=run_log.progress(said))

    def _synchronize(self) -> None:
        """Wait for the GPUs: else the time that they compute would count as waiting for the input."""
        for device in self._devices:
            with tf.device(device):
                tf.raw_ops.SyncDevice()


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether a strategy runs on TPUs."""
    return isinstance(strategy, tf.distribute.TPUStrategy | tf.distribute.experimental.TPUStrategy)
