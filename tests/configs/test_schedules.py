"""A schedule carried over to another batch size, by the original's rule and its own examples."""

import pytest
import yaml

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import batch_scaling
from official_yolact.configs import loading

RATE = "trainer.optimizer_config.learning_rate"


def load(batch, *overrides, name="yolact_resnet50_coco"):
    return loading.load_experiment(name, [], [f"task.train_data.global_batch_size={batch}", *overrides])


@pytest.mark.parametrize(
    ("batch", "rate", "steps", "boundaries"),
    [
        (8, 1e-3, 800_000, [280_000, 600_000, 700_000, 750_000]),
        (16, 2e-3, 400_000, [140_000, 300_000, 350_000, 375_000]),
        (32, 4e-3, 200_000, [70_000, 150_000, 175_000, 187_500]),
        (4, 5e-4, 1_600_000, [560_000, 1_200_000, 1_400_000, 1_500_000]),
        (12, 1.5e-3, 533_333, [186_666, 400_000, 466_666, 500_000]),
    ],
)
def test_the_papers_schedule_follows_the_batch(batch, rate, steps, boundaries):
    params = load(batch)
    stepwise = params.trainer.optimizer_config.learning_rate.stepwise
    assert params.trainer.train_steps == steps
    assert list(stepwise.boundaries) == boundaries
    assert list(stepwise.values) == pytest.approx([rate * 0.1**k for k in range(5)], rel=1e-11)
    assert stepwise.values[0] == rate
    assert params.schedule_batch_size == batch


def test_steps_and_intervals_keep_their_share_of_the_training_and_the_papers_warm_up_its_steps():
    one, four = load(8), load(32)
    for name in ("train_steps", "validation_interval", "checkpoint_interval"):
        assert getattr(four.trainer, name) == getattr(one.trainer, name) // 4
    assert four.trainer.optimizer_config.warmup.as_dict() == one.trainer.optimizer_config.warmup.as_dict()
    for name in ("steps_per_loop", "summary_interval"):
        assert getattr(four.trainer, name) == getattr(one.trainer, name)
    assert four.trainer.optimizer_config.learning_rate.stepwise.offset == -1


@pytest.mark.parametrize(
    ("optimizer", "rate", "warmup"),
    [("torch_sgd", 4e-3, 500), ("sgd", 4e-3, 500), ("adam", 2e-3, 125), ("adamw", 2e-3, 125)],
)
def test_the_optimizer_decides_how_rate_and_warm_up_follow_the_batch(optimizer, rate, warmup):
    override = yaml.safe_dump(
        {"trainer": {"optimizer_config": {"optimizer": {"type": optimizer, optimizer: {}}}}}
    )
    params = load(32, override)
    assert params.trainer.optimizer_config.learning_rate.stepwise.values[0] == pytest.approx(rate)
    assert params.trainer.optimizer_config.warmup.linear.warmup_steps == warmup
    assert params.trainer.train_steps == 200_000


def test_an_interval_that_means_never_stays():
    assert batch_scaling.scale_steps(-1, 8, 32) == -1


def test_a_written_configuration_reads_back_to_itself(tmp_path):
    params = load(24)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params.as_dict()))
    assert loading.load_config(str(path)).as_dict() == params.as_dict()


def test_numbers_of_a_file_and_of_the_command_line_are_scaled_alike():
    params = load(16, "trainer.train_steps=1000", f"{RATE}.stepwise.values=[1.0,2.0,3.0,4.0,5.0]")
    assert params.trainer.train_steps == 500
    assert list(params.trainer.optimizer_config.learning_rate.stepwise.values) == [2, 4, 6, 8, 10]


def test_nothing_is_scaled_where_no_batch_is_named_or_it_is_the_batch():
    for term in ("schedule_batch_size=0", "schedule_batch_size=16"):
        assert load(16, term).trainer.train_steps == 800_000
    for name, steps in (("yolact_tiny_shapes", 2000), ("yolact_mobilenetv2_coco", 800_000)):
        unpublished = load(4, name=name)
        assert (unpublished.trainer.train_steps, unpublished.schedule_batch_size) == (steps, 0)


def test_few_steps_never_become_none():
    assert load(64, "trainer.train_steps=2").trainer.train_steps == 1
    assert load(64, "trainer.train_steps=0").trainer.train_steps == 0


@pytest.mark.parametrize(
    ("section", "scaled"),
    [
        ({"type": "constant", "constant": {"learning_rate": 0.1}}, {"learning_rate": 0.4}),
        (
            {"type": "cosine", "cosine": {"initial_learning_rate": 0.1, "decay_steps": 100, "alpha": 0.5}},
            {"initial_learning_rate": 0.4, "decay_steps": 25, "alpha": 0.5},
        ),
        (
            {
                "type": "polynomial",
                "polynomial": {"initial_learning_rate": 0.1, "end_learning_rate": 0.01, "decay_steps": 100},
            },
            {"initial_learning_rate": 0.4, "end_learning_rate": 0.04, "decay_steps": 25, "power": 1.0},
        ),
        (
            {
                "type": "exponential",
                "exponential": {"initial_learning_rate": 0.1, "decay_rate": 0.5, "decay_steps": 100},
            },
            {"initial_learning_rate": 0.4, "decay_rate": 0.5, "decay_steps": 25},
        ),
        (
            {
                "type": "step_cosine_with_offset",
                "step_cosine_with_offset": {"boundaries": [40, 80], "values": [0.1, 0.05]},
            },
            {"boundaries": [10, 20], "values": [0.4, 0.2]},
        ),
    ],
    ids=lambda value: value.get("type", ""),
)
def test_every_rate_with_a_scale_is_scaled(section, scaled):
    override = yaml.safe_dump({"trainer": {"optimizer_config": {"learning_rate": section}}})
    rate = load(32, override).trainer.optimizer_config.learning_rate.get().as_dict()
    assert {name: rate[name] for name in scaled} == scaled


@pytest.mark.parametrize("kind", ["power", "power_linear", "power_with_offset"])
def test_a_power_of_the_step_is_refused_with_a_cure(kind):
    fields = {"initial_learning_rate": 0.01, **({"total_decay_steps": 9} if kind == "power_linear" else {})}
    section = {"type": kind, kind: fields}
    override = yaml.safe_dump({"trainer": {"optimizer_config": {"learning_rate": section}}})
    with pytest.raises(ValueError, match=rf"'{kind}' cannot be scaled .* set schedule_batch_size=16"):
        load(16, override)
    assert load(8, override).schedule_batch_size == 8


def test_a_negative_batch_size_is_refused():
    with pytest.raises(ValueError, match="schedule_batch_size: -8, expected 0"):
        load(8, "schedule_batch_size=-8")


def test_a_shipped_recipe_for_eight_devices_has_the_scaled_numbers():
    for name in ("yolact_resnet50_coco_8gpu.yaml", "yolact_resnet50_coco_tpu.yaml"):
        trainer = loading.load_config(name).trainer
        stepwise = trainer.optimizer_config.learning_rate.stepwise
        assert (trainer.train_steps, trainer.validation_interval) == (100_000, 4000)
        assert list(stepwise.boundaries) == [35_000, 75_000, 87_500, 93_750]
        assert list(stepwise.values) == [8e-3, 8e-4, 8e-5, 8e-6, 8e-7]
        assert trainer.optimizer_config.warmup.linear.warmup_steps == 1000
