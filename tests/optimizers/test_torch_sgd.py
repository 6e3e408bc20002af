"""PyTorch's momentum against loops in NumPy, and against Keras where the learning rate changes."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official.modeling import optimization
from official_yolact import registry_imports  # noqa: F401  registers torch_sgd
from official_yolact.configs import training
from official_yolact.optimizers import torch_sgd

SHAPES = {"kernel": (3, 3, 2, 4), "bias": (4,), "gamma": (4,)}


def schedule():
    """Warm up for 5 steps from 0.01 to 0.1, then divide by 10 from step 12 on."""
    config = training.OptimizationConfig(
        {
            "optimizer": {"type": "torch_sgd"},
            "learning_rate": {
                "type": "stepwise",
                "stepwise": {"boundaries": [12], "values": [0.1, 0.01], "offset": -1},
            },
            "warmup": {"type": "linear", "linear": {"warmup_steps": 5, "warmup_learning_rate": 0.01}},
        }
    )
    return optimization.OptimizerFactory(config).build_learning_rate()


def rate_at(step):
    return 0.01 + (0.1 - 0.01) * step / 5 if step <= 5 else 0.1 if step < 12 else 0.01


def start(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def gradients(steps, seed=1):
    rng = np.random.default_rng(seed)
    return [
        {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
        for _ in range(steps)
    ]


def run_numpy(steps, momentum=0.9, nesterov=False, rate=rate_at):
    weights = {name: value.astype(np.float64) for name, value in start().items()}
    velocities = {}
    for step, grads in enumerate(gradients(steps)):
        for name, grad in grads.items():
            velocity = grad if name not in velocities else momentum * velocities[name] + grad
            velocities[name] = velocity
            move = grad + momentum * velocity if nesterov else velocity
            weights[name] = weights[name] - rate(step) * move
    return weights


def run_optimizer(optimizer, steps, jit=False, first=0, variables=None):
    variables = variables or {name: tf.Variable(value, name=name) for name, value in start().items()}
    optimizer._create_all_weights(list(variables.values()))

    @tf.function(jit_compile=jit)
    def step_fn(grads):
        optimizer.apply_gradients([(grads[name], variables[name]) for name in SHAPES])

    for grads in gradients(steps)[first:]:
        step_fn({name: tf.constant(grad) for name, grad in grads.items()})
    return {name: variable.numpy() for name, variable in variables.items()}


def assert_close(ours, expected, rtol=2e-6):
    for name in SHAPES:
        np.testing.assert_allclose(ours[name], expected[name], rtol=rtol, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("nesterov", [False, True])
def test_weights_follow_the_formula_through_warm_up_and_a_step_of_the_rate(jit, nesterov):
    optimizer = torch_sgd.TorchSGD(schedule(), momentum=0.9, nesterov=nesterov)
    assert_close(run_optimizer(optimizer, 20, jit), run_numpy(20, nesterov=nesterov))


def test_keras_agrees_while_the_rate_stands_still_and_parts_where_it_changes():
    def rate(step):
        return 0.1 if step < 5 else 0.01

    class Rate(tf_keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return tf.where(step < 5, 0.1, 0.01)

    def keras(steps):
        return run_optimizer(tf_keras.optimizers.legacy.SGD(Rate(), momentum=0.9), steps)

    assert_close(keras(5), run_numpy(5, rate=rate))
    # After the change Keras still moves by 0.9 of a velocity that was made with ten times the rate.
    velocity = sum(0.9 ** (4 - i) * grads["bias"].astype(np.float64) for i, grads in enumerate(gradients(5)))
    extra = run_numpy(6, rate=rate)["bias"] - keras(6)["bias"]
    np.testing.assert_allclose(extra, 0.9 * (0.1 - 0.01) * velocity, rtol=1e-4)
    assert_close(run_optimizer(torch_sgd.TorchSGD(Rate(), momentum=0.9), 6), run_numpy(6, rate=rate))


def test_no_momentum_is_plain_descent():
    optimizer = torch_sgd.TorchSGD(0.1, momentum=0.0)
    assert_close(run_optimizer(optimizer, 3), run_numpy(3, momentum=0.0, rate=lambda _: 0.1))


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match="momentum is .*expected 0 to below 1"):
        torch_sgd.TorchSGD(0.1, momentum=momentum)


def test_velocities_and_step_come_back_from_a_checkpoint(tmp_path):
    variables = {name: tf.Variable(value) for name, value in start().items()}
    optimizer = torch_sgd.TorchSGD(schedule())
    run_optimizer(optimizer, 8, variables=variables)
    path = tf.train.Checkpoint(optimizer=optimizer, **variables).save(str(tmp_path / "ckpt"))
    fresh = {name: tf.Variable(np.zeros_like(value)) for name, value in start().items()}
    restored = torch_sgd.TorchSGD(schedule())
    restored._create_all_weights(list(fresh.values()))
    tf.train.Checkpoint(optimizer=restored, **fresh).restore(path).assert_existing_objects_matched()
    assert int(restored.iterations) == 8
    assert_close(run_optimizer(restored, 20, first=8, variables=fresh), run_numpy(20))


def test_rows_without_a_gradient_go_on_with_their_velocity():
    variable = tf.Variable(np.ones((4, 2), np.float32))
    optimizer = torch_sgd.TorchSGD(0.1)
    dense = np.zeros((4, 2))
    weights, velocity = np.ones((4, 2)), np.zeros((4, 2))
    for rows in ([0, 2, 2], [1]):
        values = np.ones((len(rows), 2), np.float32)
        optimizer.apply_gradients(
            [(tf.IndexedSlices(tf.constant(values), tf.constant(rows), [4, 2]), variable)]
        )
        dense[:] = 0
        np.add.at(dense, rows, values)
        velocity = 0.9 * velocity + dense
        weights -= 0.1 * velocity
    np.testing.assert_allclose(variable.numpy(), weights, rtol=1e-6)


def test_the_loss_scale_and_the_moving_average_wrap_it():
    scaled = tf_keras.mixed_precision.LossScaleOptimizer(torch_sgd.TorchSGD(0.1))
    variable = tf.Variable([1.0])
    scaled.apply_gradients([(tf.constant([2.0]), variable)])
    np.testing.assert_allclose(variable.numpy(), [0.8], rtol=1e-6)
    config = training.OptimizationConfig(
        {
            "optimizer": {"type": "torch_sgd"},
            "ema": {"average_decay": 0.5},
            "learning_rate": {"type": "constant", "constant": {"learning_rate": 0.1}},
        }
    )
    averaged = optimization.OptimizerFactory(config).build_optimizer(0.1)
    model = tf_keras.Sequential([tf_keras.layers.Dense(1, use_bias=False, input_shape=[1])])
    model.trainable_variables[0].assign([[1.0]])
    averaged.shadow_copy(model)
    averaged.apply_gradients([(tf.constant([[2.0]]), model.trainable_variables[0])])
    np.testing.assert_allclose(model.trainable_variables[0].numpy(), [[0.8]], rtol=1e-6)


def test_settings_make_the_same_optimizer_again():
    config = torch_sgd.TorchSGD(0.1, momentum=0.8, nesterov=True, clipnorm=2.0).get_config()
    assert torch_sgd.TorchSGD.from_config(config).get_config() == config
