"""A sum over the parts of a batch, one part in memory at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def sum_parts(
    compute: Callable[[Any], Any], batch: Any, start: Any, num_parts: int, has_collectives: bool = False
) -> Any:
    """Add up what a function gives for each part of a batch.

    Args:
      compute: takes a part, gives a structure of float tensors; it may change variables.
      batch: structure of tensors [B, ...], B static.
      start: structure of zeros like what `compute` gives.
      num_parts: k; each part is of B / k examples that follow one another.
      has_collectives: `compute` talks to the other replicas, which must not happen in a loop of the
        graph: the parts are then written out one after the other.

    Returns:
      The structure of sums.

    Raises:
      ValueError: B is not known or does not divide.
    """
    if num_parts == 1:
        return compute(batch)
    parts = tf.nest.map_structure(lambda tensor: _cut(tensor, num_parts), batch)

    def add(index: Any, sums: Any) -> Any:
        part = tf.nest.map_structure(lambda tensor: tf.gather(tensor, index), parts)
        return tf.nest.map_structure(tf.add, sums, compute(part))

    if not has_collectives:
        _, sums = tf.while_loop(
            lambda index, _: index < num_parts,
            lambda index, sums: (index + 1, add(index, sums)),
            (tf.constant(0), start),
            parallel_iterations=1,
        )
        return sums
    sums = start
    for index in range(num_parts):
        # Side by side, all parts would have their activations in memory.
        with tf.control_dependencies(tf.nest.flatten(sums)):
            sums = add(tf.constant(index), sums)
    return sums


def _cut(tensor: Any, num_parts: int) -> Any:
    size = tensor.shape[0]
    if size is None or size % num_parts:
        raise ValueError(
            f"trainer.gradient_accumulation: {num_parts} parts do not divide the {size} images of a replica:"
            " task.train_data.global_batch_size must be a multiple of replicas x gradient_accumulation"
        )
    return tf.reshape(tensor, [num_parts, size // num_parts, *tensor.shape[1:]])
