"""The functions of `conv_norm` as a processor computes them fastest. Skip this file to read the network.

The results are those of the plain form. Much of a step on a processor is waiting for memory, so that each
difference spares a pass over it:

- A norm on stored statistics is a factor and an offset for each channel. The kernel is multiplied by the
  factor, and the offset becomes the bias: a pass over the kernel in place of one over the activations.
- The gradient of a 1x1 convolution by its kernel is a matrix product, 2 to 4 times faster than TensorFlow's
  own. Bias, shortcut and ReLU belong to the same function, or TensorFlow could not run them as one operation.
- The gradient of a ReLU in bfloat16 is computed on integers, in half the time.
- The gradient of a shortcut is added by the convolution that computes the gradient of the other branch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.schema import Tensor

_RELUS = (tf.nn.relu, tf_keras.activations.relu)  # Model Garden looks "relu" up as the second.


def on_processor() -> bool:
    """Tell whether there are only processors to compute on."""
    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


def is_faster(conv: Any, norm: Any, training: bool | None) -> bool:
    """Tell whether this file computes a convolution and its norm, if any, faster than the layers do."""
    if not (on_processor() and isinstance(conv, tf_keras.layers.Conv2D)):
        return False
    if norm is None:
        return bool(training and conv.built)
    return not (training and norm.trainable) and not conv.use_bias


def convolve(
    conv: Any,
    inputs: Tensor,
    training: bool | None,
    norm: Any,
    activation: Callable[[Tensor], Tensor],
    shortcut: Tensor | None,
) -> Tensor:
    """Compute `conv_norm.convolve`."""
    kernel, bias = _read_weights(conv, norm, inputs)
    is_relu = activation in _RELUS
    if training and conv.kernel_size == (1, 1) and (is_relu or activation is tf.identity):
        shortcuts = () if shortcut is None else (shortcut,)
        return _convolve_pointwise(conv.strides[0], is_relu, inputs, kernel, bias, *shortcuts)
    x = tf.nn.bias_add(conv.convolution_op(inputs, kernel), bias)
    x = x if shortcut is None else x + shortcut
    return _relu(x) if training and is_relu else activation(x)


def convolve_and_share(
    conv: Any, inputs: Tensor, training: bool | None, norm: Any, activation: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Compute `conv_norm.convolve_and_share`."""
    if not (training and conv.kernel_size == conv.strides == (1, 1) and activation in _RELUS):
        return convolve(conv, inputs, training, norm, activation, None), inputs
    kernel, bias = _read_weights(conv, norm, inputs)
    outputs, same = _convolve_pointwise(1, True, inputs, kernel, bias, shares_inputs=True)
    return outputs, same


def _read_weights(conv: Any, norm: Any, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Read kernel and bias; with a norm its factor is in the kernel and its offset is the bias."""
    if norm is None:
        return tf.cast(conv.kernel, inputs.dtype), tf.cast(conv.bias, inputs.dtype)
    if not (conv.built and norm.built):
        norm(conv(inputs), training=False)
    factor = tf.math.rsqrt(_in_float32(norm.moving_variance) + norm.epsilon) * _in_float32(norm.gamma)
    offset = _in_float32(norm.beta) - _in_float32(norm.moving_mean) * factor
    # The product is rounded, not its factors.
    return tf.cast(_in_float32(conv.kernel) * factor, inputs.dtype), tf.cast(offset, inputs.dtype)


def _in_float32(variable: Any) -> Tensor:
    """Read a variable without the cast that mixed precision puts around it."""
    return tf.convert_to_tensor(getattr(variable, "_variable", variable))


def _convolve_pointwise(
    stride: int,
    is_relu: bool,
    inputs: Tensor,
    kernel: Tensor,
    bias: Tensor,
    *shortcuts: Tensor,
    shares_inputs: bool = False,
) -> Any:
    """Convolve [B, H, W, C] with a kernel [1, 1, C, F]; add at most one shortcut; apply ReLU if asked.

    Returns:
      float [B, ceil(H / stride), ceil(W / stride), F]; with `shares_inputs`, which needs stride 1, also
      the inputs.
    """

    @tf.custom_gradient
    def run(inputs: Tensor, kernel: Tensor, bias: Tensor, *shortcuts: Tensor) -> Any:
        x = sum(shortcuts, tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, stride, "VALID"), bias))
        outputs = tf.nn.relu(x) if is_relu else x

        def differentiate(upstream: Tensor, beside: Tensor | None = None) -> tuple[Tensor, ...]:
            if is_relu:
                upstream = _differentiate_relu(upstream, outputs)
            by_inputs = _differentiate_by_inputs(upstream, inputs, kernel, stride, beside)
            by_kernel, by_bias = _differentiate_by_weights(upstream, inputs, kernel, stride)
            return by_inputs, by_kernel, by_bias, *(upstream for _ in shortcuts)

        return (outputs, tf.identity(inputs)) if shares_inputs else outputs, differentiate

    return run(inputs, kernel, bias, *shortcuts)


def _differentiate_by_inputs(
    upstream: Tensor, inputs: Tensor, kernel: Tensor, stride: int, beside: Tensor | None
) -> Tensor:
    """Compute the gradient by the inputs, and add the one of their other use, `beside`."""
    if beside is not None and inputs.dtype == tf.bfloat16:
        with tf.control_dependencies([upstream]):  # Later than it could, which spares memory.
            transposed = tf.transpose(kernel, [0, 1, 3, 2])
        by_inputs = tf.nn.conv2d(upstream, transposed, 1, "VALID")
        # TensorFlow makes convolution, bias and sum one operation, but a sum alone it leaves outside. A bias
        # that it knows to be zeros it removes first; it does not know of these.
        zeros = tf.minimum(tf.abs(kernel[0, 0, :, 0]), tf.zeros([], kernel.dtype))  # [C]
        return tf.nn.bias_add(by_inputs, zeros) + beside
    by_inputs = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(inputs),
        filter=kernel,
        out_backprop=upstream,
        strides=[1, stride, stride, 1],
        padding="VALID",
    )
    return by_inputs if beside is None else by_inputs + beside


def _differentiate_by_weights(
    upstream: Tensor, inputs: Tensor, kernel: Tensor, stride: int
) -> tuple[Tensor, Tensor]:
    """Compute the gradients by kernel, [1, 1, C, F], and bias, [F]."""
    with tf.control_dependencies([upstream]):  # Later than it could, which spares memory.
        # Every `stride`-th pixel. The mean of one pixel is 20 times faster than a slice with steps.
        seen = inputs if stride == 1 else tf.nn.avg_pool2d(inputs, 1, stride, "VALID")
    columns, rows = (tf.reshape(x, [-1, x.shape[-1]]) for x in (seen, upstream))  # [B H' W', C], [B H' W', F]
    ones = tf.ones([tf.shape(rows)[0], 1], rows.dtype)
    by_kernel = tf.reshape(tf.matmul(columns, rows, transpose_a=True), kernel.shape)
    return by_kernel, tf.matmul(ones, rows, transpose_a=True)[0]


@tf.custom_gradient
def _relu(x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    outputs = tf.nn.relu(x)
    return outputs, lambda upstream: _differentiate_relu(upstream, outputs)


def _differentiate_relu(upstream: Tensor, outputs: Tensor) -> Tensor:
    """Set the gradient to zero where a ReLU's output is 0."""
    if upstream.dtype != tf.bfloat16:
        return tf.raw_ops.ReluGrad(gradients=upstream, features=outputs)
    # The result of a function has no static shape where TensorFlow joins operations; this restores it.
    return tf.reshape(_differentiate_relu_bits(upstream, outputs), tf.shape(outputs))


@tf.function(autograph=False, experimental_attributes={"_noinline": True})
def _differentiate_relu_bits(upstream: Tensor, outputs: Tensor) -> Tensor:
    """Read bfloat16 as int16: a positive number has positive bits, and the gradient's are copied or not.

    This takes half the time, unless the result is written over the gradient. TensorFlow writes over no
    argument of a function: hence a function that is not inlined.
    """
    gradients, features = (tf.bitcast(values, tf.int16) for values in (upstream, outputs))
    return tf.bitcast(tf.raw_ops.ReluGrad(gradients=gradients, features=features), tf.bfloat16)
