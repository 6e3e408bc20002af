"""A moving average of the weights that works with loss scaling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from official.modeling.optimization import ema_optimizer


class MovingAverage(ema_optimizer.ExponentialMovingAverage):
    """Model Garden's moving average, around any legacy optimizer or one that scales losses.

    Model Garden wraps the average in the loss scaling. Its trainer then finds no average to create or to
    evaluate, and the first step fails, since the average's `apply_gradients` has no argument for gradients
    that are summed already. Here the average is outermost and passes the argument on.
    """

    def apply_gradients(
        self, grads_and_vars: Any, name: str | None = None, experimental_aggregate_gradients: bool = True
    ) -> Any:
        """Update the variables, then their averages.

        Args:
          grads_and_vars: pairs.
          name: of the operations.
          experimental_aggregate_gradients: sum the gradients over the replicas first.
        """
        result = self._optimizer.apply_gradients(
            grads_and_vars, name=name, experimental_aggregate_gradients=experimental_aggregate_gradients
        )
        self.follow()
        return result

    def follow(self) -> None:
        """Move the averages towards the variables; in a replica's context."""
        ema_optimizer.maybe_merge_call(self.update_average, tf.distribute.get_strategy())

    def swap_weights(self) -> None:
        """Exchange the variables and their averages on each replica; a second call restores them.

        Model Garden adds and subtracts the two, which rounds: an evaluation would change the weights.

        Raises:
          ValueError: called in a replica's context.
        """
        self._update_averages(_exchange)

    def begin_at_weights(self) -> None:
        """Set the averages to the variables' present values."""
        self._update_averages(lambda average, variable: average.assign(variable.read_value()))

    def _update_averages(self, update: Callable[[tf.Variable, tf.Variable], object]) -> None:
        strategy = tf.distribute.get_strategy()
        if not tf.distribute.in_cross_replica_context() and tf.distribute.has_strategy():
            raise ValueError("averages are changed for all replicas at once, outside of strategy.run")
        for average, variable in zip(self._average_weights, self._model_weights, strict=True):
            strategy.extended.update(average, update, args=(variable,))

    @property
    def inner_optimizer(self) -> Any:
        """The optimizer whose weights are averaged."""
        return self._optimizer

    @property
    def learning_rate(self) -> Any:
        """Learning rate or schedule of the optimizer inside."""
        return self._optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._optimizer.learning_rate = value

    def _create_all_weights(self, var_list: Any) -> None:
        self._optimizer._create_all_weights(var_list)


def _exchange(average: tf.Variable, variable: tf.Variable) -> None:
    value = average.read_value()
    average.assign(variable.read_value())
    variable.assign(value)
