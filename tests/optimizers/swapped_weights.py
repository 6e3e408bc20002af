"""Swapping weights and their averages, twice, bit for bit, under every kind of strategy."""

import types

import numpy as np
import tensorflow as tf
import tf_keras

from official_yolact.optimizers import moving_average
from official_yolact.optimizers import torch_sgd

TWO = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], TWO)
NAMES = ["CPU:0", "CPU:1"]
STRATEGIES = {
    "none": tf.distribute.get_strategy,
    "one_device": lambda: tf.distribute.OneDeviceStrategy("CPU:1"),
    "mirrored": lambda: tf.distribute.MirroredStrategy(NAMES),
    "merging": lambda: tf.distribute.MirroredStrategy(NAMES, tf.distribute.HierarchicalCopyAllReduce()),
}


def read(strategy, variables):
    local = [value for variable in variables for value in strategy.experimental_local_results(variable)]
    return [value.numpy().tobytes() for value in local]


def check(strategy):
    draw = np.random.default_rng(0)
    with strategy.scope():
        layers = [tf_keras.layers.Dense(50), tf_keras.layers.BatchNormalization()]
        model = tf_keras.Sequential([tf_keras.Input([40]), *layers])
        weights = model.variables
        optimizer = moving_average.MovingAverage(torch_sgd.TorchSGD(0.1), trainable_weights_only=False)
        optimizer.shadow_copy(types.SimpleNamespace(variables=weights))
        averages = optimizer._average_weights
        for variable in (*weights, *averages):
            # Of very different sizes: adding and subtracting would lose bits.
            value = draw.normal(size=variable.shape) * 10.0 ** draw.integers(-6, 6, variable.shape)
            variable.assign(value.astype(np.float32))
        before = read(strategy, weights), read(strategy, averages)
        assert before[0] != before[1]
        optimizer.swap_weights()
        assert (read(strategy, averages), read(strategy, weights)) == before
        optimizer.swap_weights()
        assert (read(strategy, weights), read(strategy, averages)) == before
        # The two are not one piece of memory now.
        weights[0].assign_add(tf.ones_like(weights[0]))
        assert read(strategy, averages) == before[1]


if __name__ == "__main__":
    tf_keras.mixed_precision.set_global_policy("mixed_float16")
    for name, build in STRATEGIES.items():
        print(name)
        check(build())
