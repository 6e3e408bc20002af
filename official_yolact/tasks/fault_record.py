"""A record of the training steps that were not finite, written on the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from official_yolact.schema import Tensor

MAX_FAULTS = 8


class Fault(NamedTuple):
    """A step that was not finite.

    Attributes:
      step: updates done before it.
      terms: names of the loss terms that were not finite.
      gradient: name of the first variable whose gradient was not finite; empty: all were.
      num_gradients: how many variables had such a gradient.
      image_ids: of its batch, on the replicas of this process.
    """

    step: int
    terms: tuple[str, ...]
    gradient: str
    num_gradients: int
    image_ids: tuple[int, ...]


class FaultRecord:
    """Holds the first faults since it was last read, in variables that are in no checkpoint.

    The step writes without a branch and without waiting for the host. Each replica has a record; the
    records differ in the image ids only.
    """

    def __init__(self, names: tuple[str, ...], batch: int, variables: list[Any]) -> None:
        """Create the variables; in the scope of the distribution strategy.

        Args:
          names: of the loss terms.
          batch: images of a replica.
          variables: trainable ones of the model, in the order of the gradients.
        """
        self._strategy = tf.distribute.get_strategy()
        self._names = names
        self._variables = [variable.name for variable in variables]
        self.count = _create([], tf.int32, "count")
        self._numbers = _create([MAX_FAULTS, 3], tf.int64, "numbers")
        self._terms = _create([MAX_FAULTS, len(names)], tf.bool, "terms")
        self._image_ids = _create([MAX_FAULTS, batch], tf.int64, "image_ids")

    def write(
        self, is_fault: Tensor, step: Tensor, terms: Tensor, gradients: Tensor, image_ids: Tensor
    ) -> None:
        """Record a step if it is a fault and the record is not full.

        Args:
          is_fault: bool scalar.
          step: integer scalar, updates done before it.
          terms: bool [T] whether each loss term is not finite, on any replica.
          gradients: bool [V] likewise for each gradient.
          image_ids: int64 [B] of this replica.
        """
        # [MAX_FAULTS, 1], true for the entry to write
        is_entry = tf.logical_and(is_fault, tf.range(MAX_FAULTS) == self.count)[:, tf.newaxis]
        numbers = (step, tf.argmax(tf.cast(gradients, tf.int32)), tf.math.count_nonzero(gradients))
        values = (
            (self._numbers, tf.stack([tf.cast(number, tf.int64) for number in numbers])),
            (self._terms, terms),
            (self._image_ids, image_ids),
        )
        for variable, value in values:
            variable.assign(tf.where(is_entry, value[tf.newaxis], variable))
        self.count.assign_add(tf.cast(is_fault, tf.int32))

    def take(self) -> tuple[int, list[Fault]]:
        """Return the number of faults since the last call and the first of them, and empty the record."""
        count = int(self.count.numpy())
        if not count:
            return 0, []
        numbers, terms = self._numbers.numpy(), self._terms.numpy()
        replicas = self._strategy.experimental_local_results(self._image_ids)
        image_ids = [replica.numpy() for replica in replicas]
        faults = []
        for entry in range(min(count, MAX_FAULTS)):
            step, first, num_gradients = (int(number) for number in numbers[entry])
            faults.append(
                Fault(
                    step=step,
                    terms=tuple(name for name, bad in zip(self._names, terms[entry], strict=True) if bad),
                    gradient=self._variables[first] if num_gradients else "",
                    num_gradients=num_gradients,
                    image_ids=tuple(int(number) for ids in image_ids for number in ids[entry]),
                )
            )
        self.count.assign(0)
        return count, faults


def _create(shape: list[int], dtype: tf.DType, name: str) -> tf.Variable:
    return tf.Variable(
        tf.zeros(shape, dtype),
        trainable=False,
        name=f"faults/{name}",
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
