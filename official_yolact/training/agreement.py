"""Agreement of all workers on whether to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def make_agreement(strategy: tf.distribute.Strategy) -> Callable[[bool], bool]:
    """Make a function that says whether any worker has a request.

    A signal may reach one host only, or several at different steps; all workers have to stop after
    the same step, since reading their variables needs all of them.

    Args:
      strategy: of the run.

    Returns:
      A function of this worker's flag. With several workers each of them must call it, in the same
      order among other collectives; otherwise it gives the flag back.
    """
    if strategy.num_replicas_in_sync == 1 or not strategy.extended._in_multi_worker_mode():
        return bool

    @tf.function
    def count(flag: Any) -> Any:
        flags = strategy.run(tf.identity, (flag,))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, flags, axis=None)

    return lambda flag: bool(count(tf.constant(float(flag))) > 0)
