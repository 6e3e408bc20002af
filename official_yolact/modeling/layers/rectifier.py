"""ReLU with a gradient in the form that a processor takes fastest.

Much of a backward pass on a processor is waiting for memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.schema import Tensor

_RELUS = (tf.nn.relu, tf_keras.activations.relu)  # The second is what Model Garden makes of its name.


def on_processor() -> bool:
    """Tell whether there are only processors to compute on."""
    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


def is_relu(activation: Any) -> bool:
    """Tell whether an activation is ReLU."""
    return activation in _RELUS


def relu(x: Tensor, training: bool | None) -> Tensor:
    """Apply ReLU; in training with the gradient of `differentiate`.

    Args:
      x: float, any shape.
      training: whether a gradient will be asked for.

    Returns:
      Like `x`.
    """
    if not training:
        return tf.nn.relu(x)

    @tf.custom_gradient
    def run(x: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        outputs = tf.nn.relu(x)
        return outputs, lambda upstream: differentiate(upstream, outputs)

    return run(x)


def differentiate(upstream: Tensor, outputs: Tensor) -> Tensor:
    """Zero the gradient where a ReLU's output is 0.

    Args:
      upstream: gradient by the outputs, any shape.
      outputs: of the ReLU, of the same dtype and shape.

    Returns:
      Like `upstream`.
    """
    if upstream.dtype == tf.bfloat16 and on_processor():
        # What comes out of a function has no shape for what joins operations; this says it again.
        return tf.reshape(_differentiate_bits(upstream, outputs), tf.shape(outputs))
    return tf.raw_ops.ReluGrad(gradients=upstream, features=outputs)


@tf.function(autograph=False, experimental_attributes={"_noinline": True})
def _differentiate_bits(upstream: Tensor, outputs: Tensor) -> Tensor:
    """Do it on bfloat16's bits taken for int16: a positive number's are positive, and x * 1 is exact.

    It takes half the time, if the result is not written over the gradient. That is why it is a function
    of its own: TensorFlow does not write over what a caller holds.
    """
    gradients, features = (tf.bitcast(values, tf.int16) for values in (upstream, outputs))
    return tf.bitcast(tf.raw_ops.ReluGrad(gradients=gradients, features=features), tf.bfloat16)
