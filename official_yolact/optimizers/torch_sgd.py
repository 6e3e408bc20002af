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
    While the rate stands still both are the same; where it changes, Keras goes on with steps of the
    old rate until they have died away, and here they change at once.

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
        """Take the settings.

        Args:
          learning_rate: a number or a schedule.
          momentum: from 0 to below 1.
          nesterov: look ahead by one velocity.
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
        """Give the settings, for `from_config`."""
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
        place = (var.device, var.dtype.base_dtype)
        coefficients = (apply_state or {}).get(place) or self._fallback_apply_state(*place)
        # TensorFlow's own momentum has the learning rate outside the velocity, as PyTorch's.
        return tf.raw_ops.ResourceApplyMomentum(
            var=var.handle,
            accum=self.get_slot(var, "momentum").handle,
            lr=coefficients["lr_t"],
            grad=grad,
            momentum=tf.constant(self._momentum, place[1]),
            use_locking=self._use_locking,
            use_nesterov=self._nesterov,
        )

    def _resource_apply_sparse(
        self, grad: Tensor, var: Any, indices: Tensor, apply_state: Any = None
    ) -> tf.Operation:
        # A row without a gradient keeps its velocity, which must move the row and decay.
        dense = tf.convert_to_tensor(tf.IndexedSlices(grad, indices, tf.shape(var)))
        return self._resource_apply_dense(dense, var, apply_state)
