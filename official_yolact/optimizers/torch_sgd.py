"""Stochastic gradient descent with momentum in PyTorch's form."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.schema import Tensor


class TorchSGD(tf_keras.optimizers.legacy.Optimizer):
    """Updates v = momentum * v + g, then w -= learning_rate * v.

    With `nesterov` the second is w -= learning_rate * (g + momentum * v).

    Keras keeps the learning rate inside the velocity (v = momentum * v - learning_rate * g; w += v).
    With a constant rate both are the same. When the rate changes, the velocity of Keras still holds steps
    of the old rate, which decay slowly; here all steps have the new rate at once.

    It is a legacy optimizer because Model Garden's `create_optimizer` builds those, and its moving
    average of the weights wraps no other.

    Source: the original trains with `torch.optim.SGD`, whose first velocity is the first gradient:
    the same as a velocity that starts at 0, since dampening is 0.
    """

    _HAS_AGGREGATE_GRAD = True

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        momentum: float = 0.9,
        nesterov: bool = False,
        name: str = "TorchSGD",
        **kwargs: Any,
    ) -> None:
        """Keep the settings.

        Args:
          learning_rate: a number or a schedule.
          momentum: from 0 to below 1.
          nesterov: update by the gradient and the next velocity.
          name: of the optimizer.
          **kwargs: what every legacy optimizer of Keras takes (`clipnorm`, `gradient_aggregator`, ...).

        Raises:
          ValueError: `momentum` is out of range.
        """
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"optimizer torch_sgd: momentum is {momentum!r}, expected 0 to below 1")
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
        self._set_hyper("decay", self._initial_decay)
        self._momentum = float(momentum)
        self._nesterov = bool(nesterov)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            "momentum": self._momentum,
            "nesterov": self._nesterov,
        }

    def _create_slots(self, var_list: list[tf.Variable]) -> None:
        for variable in var_list:
            self.add_slot(variable, "momentum")

    def _resource_apply_dense(self, grad: Tensor, var: Any, apply_state: Any = None) -> tf.Operation:
        key = (var.device, var.dtype.base_dtype)
        coefficients = (apply_state or {}).get(key) or self._fallback_apply_state(*key)
        # TensorFlow's own momentum has the learning rate outside the velocity, as PyTorch's.
        return tf.raw_ops.ResourceApplyMomentum(
            var=var.handle,
            accum=self.get_slot(var, "momentum").handle,
            lr=coefficients["lr_t"],
            grad=grad,
            momentum=tf.constant(self._momentum, key[1]),
            use_locking=self._use_locking,
            use_nesterov=self._nesterov,
        )

    def _resource_apply_sparse(
        self, grad: Tensor, var: Any, indices: Tensor, apply_state: Any = None
    ) -> tf.Operation:
        # The velocity of a row without a gradient still moves the row, and decays.
        dense = tf.convert_to_tensor(tf.IndexedSlices(grad, indices, tf.shape(var)))
        return self._resource_apply_dense(dense, var, apply_state)
