"""The learning rate that stays and then falls: its values, its place in a configuration, its scaling."""

import math

import pytest

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.configs import schedules
from official_yolact.optimizers import flat_cosine
from official_yolact.tasks import yolact as tasks

KEY = "trainer.optimizer_config.learning_rate"
TERMS = (
    f"{KEY}.type=flat_cosine",
    f"{KEY}.flat_cosine.initial_learning_rate=4e-3",
    f"{KEY}.flat_cosine.flat_steps=1000",
    f"{KEY}.flat_cosine.decay_steps=2000",
    "trainer.optimizer_config.optimizer.type=adamw",
    "trainer.optimizer_config.optimizer.adamw.weight_decay_rate=0.05",
    "task.losses.weight_decay=0",
)


@pytest.mark.parametrize(
    ("step", "share"), [(0, 1), (999, 1), (1250, (1 + math.sqrt(0.5)) / 2), (1500, 0.5), (2000, 0), (9999, 0)]
)
def test_it_is_flat_and_then_half_a_cosine(step, share):
    rate = flat_cosine.FlatCosine(2.0, 1000, 2000, alpha=0.1)
    assert float(rate(step)) == pytest.approx(2.0 * (0.1 + 0.9 * share), rel=1e-5)


def test_a_configuration_names_it_beside_adam_with_decoupled_decay():
    params = loading.load_experiment("yolact_tiny_shapes", [], list(TERMS))
    optimizer = tasks.YolactTask.create_optimizer(params.trainer.optimizer_config)
    found = [float(optimizer.learning_rate(step)) for step in (50, 500, 1500, 2000)]
    assert found == pytest.approx([2e-3, 4e-3, 2e-3, 0.0], abs=1e-8)  # 100 steps of warm-up


def test_its_steps_and_rate_follow_the_batch():
    terms = [*TERMS, "schedule_batch_size=16", "task.train_data.global_batch_size=64"]
    params = loading.load_experiment("yolact_tiny_shapes", [], terms)
    schedules.scale_schedule(params)
    rate = params.trainer.optimizer_config.learning_rate.flat_cosine
    assert (rate.flat_steps, rate.decay_steps) == (250, 500)
    assert rate.initial_learning_rate == pytest.approx(8e-3)


def test_a_rate_that_stays_to_the_end_is_refused():
    with pytest.raises(ValueError, match=r"flat_steps: 2000 is not below decay_steps \(2000\)"):
        loading.load_experiment("yolact_tiny_shapes", [], [*TERMS, f"{KEY}.flat_cosine.flat_steps=2000"])
