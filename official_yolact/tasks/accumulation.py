"""A sum over the parts of a batch, one part in memory at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def sum_parts(
    compute: Callable[[Any], Any], batch: Any, start: Any, num_parts: int, has_collectives: bool = False
) -> Any:
    """Sum the results of a function over the parts of a batch.

    Args:
      compute: computes a structure of float tensors from a part; it may change variables.
      batch: structure of tensors [B, ...], B static.
      start: structure of zeros, shaped like a result of `compute`.
      num_parts: k; each part has B / k consecutive examples.
      has_collectives: `compute` exchanges tensors with the other replicas, which a `tf.while_loop` does
        not allow: the graph then holds `compute` once for each part.

    Returns:
      The structure of sums.

    Raises:
      ValueError: B is not known or does not divide.
    """
    if num_parts == 1:
        return compute(batch)
    # [k, B / k, ...]
    parts = tf.nest.map_structure(lambda tensor: _cut(tensor, num_parts), batch)

    def add(index: Any, sums: Any) -> Any:
        # [B / k, ...]
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
        # Without this order, the activations of all parts would be in memory at once.
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
