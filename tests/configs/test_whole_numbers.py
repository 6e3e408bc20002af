"""Whole numbers in YAML where a field is a float: `learning_rate: 1`."""

import dataclasses
import typing

import pytest

from official.modeling import optimization
from official.modeling.hyperparams import base_config
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.configs import loading

PREFIX = "trainer.optimizer_config."
RATES = {
    "constant": "learning_rate: 1",
    "stepwise": "boundaries: [5, 9], values: [3, 2, 1]",
    "exponential": "initial_learning_rate: 1, decay_steps: 10, decay_rate: 1",
    "polynomial": "initial_learning_rate: 1, decay_steps: 10, end_learning_rate: 0, power: 1",
    "cosine": "initial_learning_rate: 1, decay_steps: 10, alpha: 0",
}


def list_floats(config, path=""):
    """List (path, value) of the fields that are declared as floats, Optional and lists included."""
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{path}{field.name}"
        if isinstance(value, base_config.Config):
            yield from list_floats(value, f"{name}.")
        elif "float" in str(hints[field.name]) and "int" not in str(hints[field.name]):
            yield from ((name, item) for item in (value if isinstance(value, list | tuple) else [value]))


# Every schedule, and every optimizer.
@pytest.mark.parametrize(
    ("kind", "optimizer"), zip(RATES, ["torch_sgd", "adam", "adamw", "lars", "torch_sgd"], strict=True)
)
def test_rates_of_whole_numbers_can_be_computed_at_each_step(kind, optimizer):
    text = (
        f"{{trainer: {{optimizer_config: {{optimizer: {{type: {optimizer}}}, ema: {{average_decay: 1}},"
        f" warmup: {{type: linear, linear: {{warmup_steps: 2, warmup_learning_rate: 0}}}},"
        f" learning_rate: {{type: {kind}, {kind}: {{{RATES[kind]}}}}}}}}}}}"
    )
    params = loading.load_experiment("yolact_tiny_shapes", [], [text])
    factory = optimization.OptimizerFactory(params.trainer.optimizer_config)
    schedule = factory.build_learning_rate()
    rates = [float(schedule(step)) for step in (0, 1, 2, 7, 12)]
    assert rates[0] == 0.0
    assert all(0.0 <= rate <= 3.0 for rate in rates)
    assert factory.build_optimizer(schedule) is not None


@pytest.mark.parametrize("name", sorted(experiments.EXPERIMENTS))
def test_every_declared_float_is_one_after_loading(name):
    whole = "{task: {losses: {box_weight: 1, positive_iou: 1}, model: {class_prior: 0, anchor: {aspect_ratios: [1, 2]}}}}"
    params = loading.load_experiment(name, [], [whole])
    found = dict(list_floats(params))
    assert len(found) > 30
    assert {
        path: value for path, value in found.items() if value is not None and type(value) is not float
    } == {}
