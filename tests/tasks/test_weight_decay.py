"""Weight decay reaches every trainable tensor."""

import numpy as np

from official.core import task_factory
from official.core import train_utils
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading


def load(records, decay):
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        "task.train_data.global_batch_size=2,task.train_data.shuffle_buffer_size=4",
        "task.model.input_size=[65,97],task.model.num_classes=7",
        f"task.losses.weight_decay={decay}",
        "{runtime: {mixed_precision_dtype: null}, trainer: {optimizer_config: {ema: null, warmup: {type: null},"
        " learning_rate: {type: constant, constant: {learning_rate: 0.01}},"
        " optimizer: {type: sgd, sgd: {momentum: 0.0}}}}}",
    ]
    return loading.load_config("yolact_tiny_shapes", terms)


def test_weight_decay_moves_every_trainable_tensor_by_rate_times_weight(tiny_records):
    """SGD of one step with and without decay differ by exactly rate x decay x weight."""
    after = []
    for decay in (0.0, 0.5):
        params = load(tiny_records, decay)
        task = task_factory.get_task(params.task)
        model = task.build_model()
        start = [variable.numpy() for variable in model.trainable_variables]
        inputs = next(iter(task.build_inputs(params.task.train_data)))
        task.train_step(inputs, model, train_utils.create_optimizer(task, params))
        after.append([variable.numpy() for variable in model.trainable_variables])
    for weight, plain, decayed in zip(start, *after, strict=True):
        np.testing.assert_allclose(plain - decayed, 0.01 * 0.5 * weight, rtol=1e-3, atol=3e-6)
