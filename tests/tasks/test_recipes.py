"""Every recipe that ships builds its model and does a training and an evaluation step, in small.

Small are the input and the depth of our backbones; tests/configs/test_experiments.py builds them whole.
"""

import glob
import json
import os

import numpy as np
import pytest
import tensorflow as tf

from official.core import task_factory
from official.core import train_utils
from official.modeling import optimization
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.modeling.backbones import yolact_darknet
from official_yolact.modeling.backbones import yolact_resnet

RECIPES = [os.path.basename(path) for path in sorted(glob.glob(os.path.join(loading.YAML_DIR, "*.yaml")))]
# An experiment that a recipe builds on is run by it.
OTHERS = set(experiments.EXPERIMENTS) - {loading.load_config(name).experiment for name in RECIPES}
PARTS = ("class_loss", "box_loss", "mask_loss", "semantic_loss")


@pytest.fixture
def shallow(monkeypatch):
    """Give every stage of our backbones a single block, or two where deformable ones alternate."""
    monkeypatch.setattr(yolact_resnet, "BLOCKS", {50: (1, 1, 1, 1), 101: (1, 1, 2, 1)})
    monkeypatch.setattr(yolact_darknet, "BLOCKS", {53: (1, 1, 1, 1, 1)})


def reduced(name, records, *overrides):
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "task.train_data.global_batch_size=2,task.validation_data.global_batch_size=2",
        "task.train_data.shuffle_buffer_size=4,task.init_checkpoint=''",
        "task.model.input_size=[65,97],task.model.num_classes=7",
    ]
    return loading.load_config(name, [*terms, *overrides])


def make_optimizer(task, params, model):
    optimizer = train_utils.create_optimizer(task, params)
    if isinstance(optimizer, optimization.ExponentialMovingAverage):
        # Model Garden's trainer does so.
        optimizer.shadow_copy(model)
    return optimizer


@pytest.fixture(scope="module")
def read_batches():
    """Read one batch for training, or all for validation; recipes whose data are the same share them."""
    known = {}

    def read(task, section):
        config = task.task_config.as_dict()
        shown = {name: config["model"][name] for name in ("input_size", "num_classes", "normalization")}
        key = json.dumps([config["seed"], config[section], shown, config["model"]["min_level"]])
        if key not in known:
            batches = task.build_inputs(getattr(task.task_config, section))
            known[key] = list(batches.take(1) if section == "train_data" else batches)
        return known[key]

    return read


def run_one_step_of_each(params, read_batches):
    task = task_factory.get_task(params.task)
    model = task.build_model()
    optimizer = make_optimizer(task, params, model)
    before = [variable.numpy() for variable in model.trainable_variables]
    metrics = task.build_metrics(training=True)
    (inputs,) = read_batches(task, "train_data")
    train = tf.function(lambda x: task.train_step(x, model, optimizer, metrics))
    # The first step of a warm-up may have a learning rate of 0, and with a last gamma of 0 the rest of
    # a residual block has no gradient until that has moved.
    logs = [train(inputs) for _ in range(3)][-1]
    moved = [np.any(a != b.numpy()) for a, b in zip(before, model.trainable_variables, strict=True)]
    state = None
    step = tf.function(lambda x: task.validation_step(x, model))
    for batch in read_batches(task, "validation_data"):
        state = task.aggregate_logs(state, {k: (v,) for k, v in step(batch).items()})
    return logs, moved, task.reduce_aggregated_logs(state)


@pytest.mark.parametrize("name", [*RECIPES, *sorted(OTHERS)])
def test_a_recipe_trains_a_step_and_evaluates(name, tiny_records, shallow, read_batches):
    params = reduced(name, tiny_records)
    logs, moved, scores = run_one_step_of_each(params, read_batches)
    parts = [*PARTS, "mask_iou_loss"] if params.task.model.mask_rescoring else PARTS
    for key in parts:
        assert np.isfinite(logs[key]), key
    assert np.mean(moved) > 0.5
    np.testing.assert_allclose(logs["total_loss"], sum(float(logs[key]) for key in parts), rtol=1e-5)
    for key in ("box_AP", "box_AP50", "mask_AP", "mask_AP50"):
        assert -1 <= scores[key] <= 1


def test_weight_decay_moves_every_trainable_tensor_by_rate_times_weight(tiny_records):
    """SGD of one step with and without decay differ by exactly rate x decay x weight."""
    after = []
    for decay in (0.0, 0.5):
        params = reduced(
            "yolact_tiny_shapes",
            tiny_records,
            f"task.losses.weight_decay={decay}",
            "{runtime: {mixed_precision_dtype: null}, trainer: {optimizer_config: {warmup: {type: null},"
            " learning_rate: {type: constant, constant: {learning_rate: 0.01}},"
            " optimizer: {type: sgd, sgd: {momentum: 0.0}}}}}",
        )
        task = task_factory.get_task(params.task)
        model = task.build_model()
        start = [variable.numpy() for variable in model.trainable_variables]
        inputs = next(iter(task.build_inputs(params.task.train_data)))
        task.train_step(inputs, model, make_optimizer(task, params, model))
        after.append([variable.numpy() for variable in model.trainable_variables])
    for weight, plain, decayed in zip(start, *after, strict=True):
        np.testing.assert_allclose(plain - decayed, 0.01 * 0.5 * weight, rtol=1e-3, atol=3e-6)
