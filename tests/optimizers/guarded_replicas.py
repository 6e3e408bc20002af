"""Clipping, loss scale and moving average under a guarded update, against NumPy; argument: replicas."""

import sys
import types

import numpy as np
import tensorflow as tf
import tf_keras

from official_yolact.optimizers import guarded_update
from official_yolact.optimizers import moving_average
from official_yolact.optimizers import torch_sgd

REPLICAS = int(sys.argv[1])
TWO = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], TWO)
NAMES = [f"CPU:{i}" for i in range(REPLICAS)]
STRATEGY = tf.distribute.MirroredStrategy(NAMES) if REPLICAS > 1 else tf.distribute.get_strategy()
SHAPES = [(3, 2), (4,), (1,)]
GRADIENTS = [np.random.default_rng(3).normal(size=shape).astype(np.float32) * 3 for shape in SHAPES]


def build(wrap, **options):
    with STRATEGY.scope():
        variables = [tf.Variable(np.ones(shape, np.float32)) for shape in SHAPES]
        optimizer = wrap(torch_sgd.TorchSGD(0.1, momentum=0.5, **options))
        if isinstance(optimizer, moving_average.MovingAverage):
            optimizer.shadow_copy(types.SimpleNamespace(trainable_variables=variables))
        optimizer._create_all_weights(variables)

    @tf.function
    def step(factor):
        def replica():
            context = tf.distribute.get_replica_context()
            share = tf.cast(context.replica_id_in_sync_group + 1, tf.float32) / sum(range(1, REPLICAS + 1))
            gradients = [tf.constant(g) * share * factor for g in GRADIENTS]
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
            guarded_update.apply_where(finite, tf.constant(True), optimizer, gradients, variables)

        STRATEGY.run(replica)

    return optimizer, variables, step


def check(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-5)


def check_clipping():
    norm = np.sqrt(sum((g**2).sum() for g in GRADIENTS))
    assert norm > 2.0
    by_variable = [g * min(1.0, 1.5 / np.linalg.norm(g)) for g in GRADIENTS]
    for options, clipped in (
        ({}, GRADIENTS),
        ({"global_clipnorm": 2.0}, [g * 2.0 / norm for g in GRADIENTS]),
        ({"global_clipnorm": 100.0}, GRADIENTS),
        ({"clipnorm": 1.5}, by_variable),
        ({"clipvalue": 0.7}, [np.clip(g, -0.7, 0.7) for g in GRADIENTS]),
    ):
        _, variables, step = build(lambda optimizer: optimizer, **options)
        step(1.0)
        check(variables, [1.0 - 0.1 * g for g in clipped])


def check_scale_and_average():
    scale = {"initial_scale": 8.0, "dynamic_growth_steps": 2}

    def wrap(optimizer):
        scaled = tf_keras.mixed_precision.LossScaleOptimizer(optimizer, **scale)
        return moving_average.MovingAverage(scaled, average_decay=0.75, dynamic_decay=False)

    optimizer, variables, step = build(wrap)
    scaler = guarded_update.find_scaler(optimizer)
    weights, velocity = [np.ones(s) for s in SHAPES], [np.zeros(s) for s in SHAPES]
    averages = [np.zeros(s) for s in SHAPES]
    scales = []
    for factor in (1.0, np.inf, 1.0, 1.0, np.nan):
        step(tf.constant(factor, tf.float32))
        scales.append(float(scaler.loss_scale))
        if not np.isfinite(factor):
            continue
        velocity = [0.5 * v + g for v, g in zip(velocity, GRADIENTS, strict=True)]
        weights = [w - 0.1 * v for w, v in zip(weights, velocity, strict=True)]
        averages = [a - 0.25 * (a - w) for a, w in zip(averages, weights, strict=True)]
    check(variables, weights)
    check(optimizer._average_weights, averages)
    assert int(optimizer.iterations.numpy()) == 5
    # Halved by each overflow, doubled by two good steps in a row.
    assert scales == [8.0, 4.0, 4.0, 8.0, 4.0], scales
    assert optimizer.learning_rate == 0.1 or abs(float(optimizer.learning_rate.numpy()) - 0.1) < 1e-6


if __name__ == "__main__":
    check_clipping()
    check_scale_and_average()
