"""An update under a condition that is a tensor, with any distribution strategy."""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.optimizers import moving_average
from official_yolact.schema import Tensor


class _Hidden:
    """Hides variables from a merge call, which would replace each by its replicas' components."""

    def __init__(self, variables: list[Any]) -> None:
        self.variables = variables


def find_scaler(optimizer: Any) -> Any:
    """Find the `LossScaleOptimizer` in an optimizer of optimizers, or None."""
    while optimizer is not None and not isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
        optimizer = getattr(optimizer, "inner_optimizer", None)
    return optimizer


def find_innermost(optimizer: Any) -> Any:
    """Find the optimizer that updates the weights in an optimizer of optimizers."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def apply_where(
    accepted: Tensor, judges_scale: Tensor, optimizer: Any, gradients: list[Any], variables: list[Any]
) -> None:
    """Update the variables if `accepted`; otherwise the optimizer only counts the step.

    Weights, slots and moving averages change together or not at all. A dynamic loss scale falls where
    gradients were not finite although the loss was, and grows with the updates, as in Keras.

    Args:
      accepted: bool scalar, the same on every replica.
      judges_scale: bool scalar, likewise: the losses were finite, so that a dynamic loss scale is updated.
      optimizer: an optimizer, which a `LossScaleOptimizer` and around that a `MovingAverage` may wrap.
      gradients: unscaled, summed over the replicas.
      variables: as many.
    """
    decide = functools.partial(_decide, optimizer)
    arguments = (accepted, judges_scale, gradients, _Hidden(variables))
    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        decide(None, *arguments)
    else:
        tf.distribute.get_replica_context().merge_call(decide, args=arguments)


def _decide(
    optimizer: Any, strategy: Any, accepted: Any, judges_scale: Any, gradients: Any, hidden: _Hidden
) -> None:
    """Branch on the decision; with a strategy in its cross-replica context, where a branch may update."""

    def update() -> Tensor:
        if strategy is None:
            _update(optimizer, gradients, hidden)
        else:
            change = functools.partial(_update, optimizer)
            strategy.extended.call_for_each_replica(change, args=(gradients, hidden))
        return tf.constant(True)

    def count() -> Tensor:
        find_innermost(optimizer).iterations.assign_add(1)
        return tf.constant(False)

    scaler = find_scaler(optimizer)
    if strategy is not None:
        accepted = strategy.experimental_local_results(accepted)[0]
        judges_scale = strategy.experimental_local_results(judges_scale)[0]
    if scaler is not None and scaler.dynamic:
        tf.cond(judges_scale, lambda: _rescale(strategy, scaler, accepted), lambda: tf.constant(False))
    tf.cond(accepted, update, count)


def _update(optimizer: Any, gradients: list[Any], hidden: _Hidden) -> None:
    find_innermost(optimizer).apply_gradients(
        list(zip(gradients, hidden.variables, strict=True)), experimental_aggregate_gradients=False
    )
    if isinstance(optimizer, moving_average.MovingAverage):
        optimizer.follow()


def _rescale(strategy: Any, scaler: Any, accepted: Any) -> Tensor:
    """Update the loss scale by a number in place of the gradients: NaN if they were not accepted."""
    signal = tf.where(accepted, 0.0, float("nan"))
    if strategy is not None:
        signal = strategy.extended.call_for_each_replica(tf.identity, args=(signal,))
    scaler._loss_scale.update([signal])
    return tf.constant(True)
