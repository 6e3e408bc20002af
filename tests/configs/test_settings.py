"""Each field of a configuration is described where it is defined."""

import dataclasses

from official.modeling.hyperparams import base_config
from official.modeling.optimization import OptimizerConfig
from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.configs import model_garden
from official_yolact.configs import settings


def list_fields(config, path=""):
    """List (path, field, class) of all fields, those of all sections included."""
    for field in dataclasses.fields(config):
        yield f"{path}{field.name}", field, type(config)
        value = getattr(config, field.name)
        if isinstance(value, base_config.Config):
            yield from list_fields(value, f"{path}{field.name}.")


def test_each_field_of_ours_says_what_it_means():
    params = experiments.YolactExperiment()
    silent = [
        path
        for path, field, kind in list_fields(params)
        if kind.__module__.startswith("official_yolact") and field.name in kind.__annotations__
        if not isinstance(finding.read(params, path), base_config.Config)
        if settings.read(field)[0] is None or not settings.read(field)[0].meaning
    ]
    assert {path.rpartition(".")[2] for path in silent} <= {"type", "name"}


def test_what_is_said_of_fields_of_others_is_of_fields_that_they_have():
    optimizers = {name for section in vars(OptimizerConfig()).values() if section for name in vars(section)}
    for kind, listed in model_garden.SETTINGS.items():
        has = {field.name for field in dataclasses.fields(kind)}
        has |= optimizers if kind.__name__ == "BaseOptimizerConfig" else set()
        assert set(listed) <= has, kind


def test_what_a_section_says_of_the_fields_below_it_is_of_fields_that_it_has():
    params = experiments.YolactExperiment()
    below = {
        name: settings.read(field)[1] for name, field, _ in list_fields(params) if settings.read(field)[1]
    }
    assert set(below) == {"task.train_data", "task.validation_data"}
    for name in below:
        assert set(below[name]) <= set(vars(getattr(params.task, name.removeprefix("task."))))
