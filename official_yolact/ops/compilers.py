"""What TensorFlow can compile here."""

from __future__ import annotations

import functools

import tensorflow as tf


@functools.cache
def has_xla() -> bool:
    """Tell whether this TensorFlow can compile for the processor."""
    try:
        with tf.init_scope(), tf.device("CPU:0"):
            tf.function(lambda value: value + 1, jit_compile=True, autograph=False)(tf.constant(1))
    except tf.errors.OpError:
        return False
    return True
