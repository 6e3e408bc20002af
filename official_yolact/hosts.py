"""Bytes and decisions that go from every worker of a training on several hosts to every other.

They travel as the gradients do, through the strategy's collectives, so that nothing needs another
port, a shared folder, or memory on the accelerators beyond a few megabytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_BYTES_PER_ROUND = 2**23
_LENGTH_BYTES = 8
_WIDTHS = (2**10, 2**16)


def count_workers(strategy: Any) -> int:
    """Give the number of processes that run the same program; 1 where one process drives all devices.

    Args:
      strategy: `tf.distribute.Strategy`.
    """
    if strategy.num_replicas_in_sync == 1:
        return 1
    return int(strategy.num_replicas_in_sync // len(strategy.extended.worker_devices))


def is_chief(strategy: Any) -> bool:
    """Tell whether this process is the one of its workers that writes files; its row comes first."""
    return bool(strategy.extended.should_checkpoint)


def gather_bytes(payload: bytes, strategy: Any = None) -> list[bytes]:
    """Send bytes to every worker and receive theirs; all workers must call it at the same point.

    Args:
      payload: of this worker; workers may send different lengths, and none at all.
      strategy: of the workers; by default the current one.

    Returns:
      What each worker sent, the chief's first, in the same order everywhere.

    Raises:
      tf.errors.OpError: another worker has ended.
    """
    strategy = strategy or tf.distribute.get_strategy()
    workers = count_workers(strategy)
    if workers == 1:
        return [payload]
    sizes = _gather_rows(len(payload).to_bytes(_LENGTH_BYTES, "little"), _LENGTH_BYTES, strategy)
    lengths = [int.from_bytes(size.tobytes(), "little") for size in sizes]
    width = _choose_width(max(lengths), strategy.num_replicas_in_sync)
    received = [bytearray() for _ in lengths]
    for start in range(0, max(lengths), width):
        rows = _gather_rows(payload[start : start + width], width, strategy)
        for whole, row in zip(received, rows, strict=True):
            whole.extend(row.tobytes())
    return [bytes(whole[:length]) for whole, length in zip(received, lengths, strict=True)]


def send_from_chief(text: str, strategy: Any = None) -> str:
    """Give every worker the chief's text; all workers must call it at the same point.

    Args:
      text: only the chief's counts.
      strategy: of the workers; by default the current one.
    """
    strategy = strategy or tf.distribute.get_strategy()
    return gather_bytes(text.encode() if is_chief(strategy) else b"", strategy)[0].decode()


def build_any(strategy: Any) -> Callable[[bool], bool]:
    """Build a function that says whether any worker calls it with True.

    A signal may reach one host only, or several at different steps; all workers have to stop after
    the same step, since reading their variables needs all of them.

    Args:
      strategy: of the workers.

    Returns:
      A function of this worker's flag. With several workers each of them must call it, in the same
      order among other collectives; otherwise it returns the flag.
    """
    if count_workers(strategy) == 1:
        return bool

    @tf.function
    def count(flag: Any) -> Any:
        flags = strategy.run(tf.identity, (flag,))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, flags, axis=None)

    return lambda flag: bool(count(tf.constant(float(flag))) > 0)


def _choose_width(longest: int, replicas: int) -> int:
    """Choose the bytes of a row in a round from a few widths, as each is traced once."""
    limit = _BYTES_PER_ROUND >> (replicas - 1).bit_length()
    return next((width for width in _WIDTHS if longest <= width <= limit), max(limit, _WIDTHS[0]))


def _gather_rows(part: bytes, width: int, strategy: Any) -> list[NDArray[np.uint8]]:
    """Gather `width` bytes from each worker; a shorter part is filled up with zeros."""
    content = np.zeros(width, np.uint8)
    content[: len(part)] = np.frombuffer(part, np.uint8)
    # Two bytes to a float: every collective of every device takes float32, and holds 16 bits exactly.
    values = content.view("<u2").astype(np.float32)[np.newaxis]
    devices = len(strategy.extended.worker_devices)

    def choose(context: Any) -> Any:
        first = context.replica_id_in_sync_group % devices == 0
        return tf.constant(values if first else np.zeros_like(values))

    sent = strategy.experimental_distribute_values_from_function(choose)
    rows = _compile_gather(strategy)(sent).numpy()[::devices]
    return [row.astype("<u2").view(np.uint8) for row in rows]


@functools.lru_cache(maxsize=1)
def _compile_gather(strategy: Any) -> Any:
    """Compile once: eagerly, TensorFlow would trace each call anew."""
    return tf.function(lambda values: strategy.gather(values, axis=0), autograph=False)
