"""Each optimizer with another rate for some variables, against two of it with one rate each; on 1 and 2 replicas.

Those that have one rate for all variables refuse it, and train without.
"""

import types

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official_yolact import registry_imports  # noqa: F401  registers torch_sgd
from official_yolact.configs import contradictions
from official_yolact.configs import training
from official_yolact.configs import values
from official_yolact.optimizers import guarded_update
from official_yolact.optimizers import rate_multiplier
from official_yolact.tasks import yolact
from official_yolact.training import trainer

TWO = ["CPU:0", "CPU:1"]
MULTIPLIER = 0.1
START = np.linspace(-1, 2, 6).reshape(2, 3)
# (optimizer, where, precision, whether weights are averaged)
ONE, BOTH, MERGING = "one replica", "two replicas", "two replicas that merge"
CASES = [
    *((kind, ONE, "float32", False) for kind in contradictions.OF_MANY_RATES),
    ("adamw", ONE, "float16", True),
    ("adamw", BOTH, "float16", True),
    ("torch_sgd", MERGING, "bfloat16", True),
    ("adam", BOTH, "bfloat16", False),
]


def choose_strategy(where):
    if where == ONE:
        return tf.distribute.get_strategy()
    operations = tf.distribute.HierarchicalCopyAllReduce() if where == MERGING else None
    return tf.distribute.MirroredStrategy(TWO, operations)


def train(case, rate, multiplier):
    """Train two layers for a few steps of a falling rate; return their kernels."""
    kind, where, precision, averages = case
    strategy = choose_strategy(where)
    config = training.OptimizationConfig(
        {
            "optimizer": {"type": kind, "adamw": {"weight_decay_rate": 0.5}},
            "ema": {"average_decay": 0.9} if averages else None,
            "learning_rate": {"type": "cosine", "cosine": {"initial_learning_rate": rate, "decay_steps": 5}},
        }
    )
    runtime = training.RuntimeConfig(
        mixed_precision_dtype=precision, loss_scale="dynamic" if precision == "float16" else None
    )
    policy = precision if precision == "float32" else f"mixed_{precision}"
    with strategy.scope():
        layers = [tf_keras.layers.Dense(3, use_bias=False, dtype=policy) for _ in range(2)]
        for layer in layers:
            layer.build([None, 2])
            layer.kernel.assign(START)
        variables = [layer.kernel for layer in layers]
        optimizer = yolact.YolactTask.create_optimizer(config, runtime)
        if averages:
            optimizer.shadow_copy(types.SimpleNamespace(trainable_variables=variables))
        if multiplier != 1:
            rate_multiplier.multiply_rate(optimizer, variables[:1], multiplier)
        trainer.create_slots(optimizer, variables)

    def step(scale):
        def replica():
            gradients = [scale * (0.3 + tf.cast(variable, tf.float32)) for variable in variables]
            guarded_update.apply_where(tf.constant(True), tf.constant(True), optimizer, gradients, variables)

        strategy.run(replica)

    compiled = step if where == ONE else tf.function(step)  # strategies update in functions alone
    for scale in (1.0, -0.5, 2.0):
        compiled(tf.constant(scale))
    return [variable.numpy() for variable in variables]


def main():
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    for case in CASES:
        multiplied, other = train(case, 0.05, MULTIPLIER)
        slow, fast = train(case, 0.05 * MULTIPLIER, 1)[0], train(case, 0.05, 1)[1]
        np.testing.assert_allclose(multiplied, slow, rtol=1e-5, err_msg=str(case))
        np.testing.assert_allclose(other, fast, rtol=1e-6, err_msg=str(case))
        assert np.abs(slow - fast).max() > 1e-4, case
    others = set(training.OptimizationConfig().optimizer.as_dict()) - {"type", *values.NOT_BUILT}
    for kind in sorted(others - set(contradictions.OF_MANY_RATES)):
        config = training.OptimizationConfig(
            {"optimizer": {"type": kind}, "learning_rate": {"type": "constant"}}
        )
        optimizer = yolact.YolactTask.create_optimizer(config)
        with pytest.raises(ValueError, match="needs a legacy optimizer"):
            rate_multiplier.multiply_rate(optimizer, [], MULTIPLIER)
        first, second = train((kind, ONE, "float32", False), 0.05, 1)
        np.testing.assert_array_equal(first, second)
        assert np.abs(first - START).min() > 1e-4, kind


if __name__ == "__main__":
    main()
