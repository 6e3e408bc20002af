"""What a configuration file may hold, and what is said when it holds something else."""

import glob
import os

import pytest
import yaml

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.configs import yolact

SHIPPED = sorted(glob.glob(os.path.join(loading.YAML_DIR, "*.yaml")))


def write(folder, text, name="config.yaml"):
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("path", SHIPPED, ids=os.path.basename)
def test_every_shipped_file_loads_checks_and_serialises_to_itself(path, tmp_path):
    params = loading.load_config(path)
    again = write(tmp_path, yaml.safe_dump(params.as_dict()))
    assert loading.load_config(again).as_dict() == params.as_dict()


@pytest.mark.parametrize("path", SHIPPED, ids=os.path.basename)
def test_every_shipped_file_states_command_hardware_hours_and_expectation(path):
    with open(path, encoding="utf-8") as file:
        header = [line for line in file if line.startswith("#")]
    for word in ("# command:", "# hardware:", "# hours:", "# expected:"):
        assert any(line.startswith(word) for line in header), word


@pytest.mark.parametrize("name", sorted(experiments.EXPERIMENTS))
def test_every_experiment_is_registered_under_the_name_it_carries(name):
    assert loading.load_experiment(name).experiment == name


def test_the_paper_recipe_has_the_papers_numbers():
    params = loading.load_config("yolact_resnet50_coco_1gpu.yaml")
    optimizer = params.trainer.optimizer_config
    assert params.task.train_data.global_batch_size == 8
    assert params.trainer.train_steps == 800_000
    assert optimizer.learning_rate.stepwise.boundaries == [280_000, 600_000, 700_000, 750_000]
    assert optimizer.learning_rate.stepwise.values == [1e-3, 1e-4, 1e-5, 1e-6, 1e-7]
    assert (optimizer.warmup.linear.warmup_steps, optimizer.warmup.linear.warmup_learning_rate) == (500, 1e-4)
    assert optimizer.optimizer.torch_sgd.momentum == 0.9
    assert params.task.losses.weight_decay == 5e-4
    losses = params.task.losses
    assert (losses.class_weight, losses.box_weight, losses.mask_weight, losses.semantic_weight) == (
        1,
        1.5,
        6.125,
        1,
    )
    assert params.task.train_data.parser.augment.preset == "paper"
    assert yolact.resolve_losses(params.task).min_negatives == 0


def test_overrides_win_over_files_and_later_files_over_earlier(tmp_path):
    first = write(tmp_path, "experiment: yolact_tiny_shapes\ntask: {seed: 1, init_checkpoint: a}\n", "a.yaml")
    second = write(tmp_path, "task: {seed: 2}\n", "b.yaml")
    params = loading.load_experiment(
        None, [first, second], ["task.losses.weight_decay=1e-3,task.model.freeze_bn=true"]
    )
    assert (params.task.seed, params.task.init_checkpoint) == (2, "a")
    assert params.task.losses.weight_decay == 1e-3
    assert params.task.model.freeze_bn is True


def test_shipped_files_are_found_by_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "yolact_resnet50_coco_tpu.yaml"
    assert loading.load_experiment(None, [name]).as_dict() == loading.load_config(name).as_dict()
    own = write(tmp_path, "experiment: yolact_tiny_shapes\n", name)  # one's own goes before
    assert loading.load_experiment(None, [name]).as_dict() == loading.load_config(own).as_dict()


def test_an_override_may_hold_a_list_with_commas():
    params = loading.load_experiment("yolact_tiny_shapes", [], ["task.model.input_size=[96,160],task.seed=3"])
    assert (list(params.task.model.input_size), params.task.seed) == ([96, 160], 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "experiment: yolact_tiny_shapes\ntask: {seed: 1, seed: 2}\n",
            "config.yaml:2: task.seed: key 'seed' stands twice on line 2",
        ),
        (
            "experiment: yolact_tiny_shapes\ntrainer: {train_step: 5}\n",
            "config.yaml:2: trainer.train_step: 5 is the value of an unknown key; did you mean 'train_steps'",
        ),
        ("experiment: yolact_tiny_shapes\ntrainer: 5\n", "trainer: 5 is no value for a section"),
        (
            "experiment: yolact_tiny_shapes\ntrainer: {train_steps: abc}\n",
            "trainer.train_steps: 'abc' is str, expected int",
        ),
        (
            "experiment: yolact_tiny_shapes\ntrainer: {train_steps: true}\n",
            "trainer.train_steps: True is bool, expected int",
        ),
        (
            "experiment: yolact_tiny_shapes\ntrainer: {train_steps: -3}\n",
            "trainer.train_steps: -3, expected 0 or more",
        ),
        (
            "experiment: yolact_tiny_shapes\ntask: {model: {freeze_bn: 'no way'}}\n",
            "task.model.freeze_bn: 'no way' is str",
        ),
        (
            "experiment: yolact_tiny_shapes\ntask: {model: {num_classes: 1}}\n",
            "task.model.num_classes: 1, expected 2",
        ),
        (
            "experiment: yolact_tiny_shapes\ntask: {model: {max_level: 7}}\n",
            "anchor.scales: .* has 3 scales for the 5 levels 3..7",
        ),
        ("experiment: yolact_tiny_shapes\ntask: {model: {backbone: {type: resnext}}}\n", "backbone.*resnext"),
        (
            "experiment: yolact_tiny_shapes\ntask: {model: {backbone: {type: spinenet}, decoder: {type: identity},"
            " input_size: [100, 128]}}\n",
            "SpineNet needs sides divisible by 128",
        ),
        ("experiment: yolact_tiny_shapes\ntask: {model: {backbone: {type: spinenet}}}\n", "needs 'identity'"),
        ("experiment: yolact_tiny_shapes\ntask: {train_data: {cache: true}}\n", "task.train_data.cache"),
        (
            "experiment: yolact_tiny_shapes\ntask: {losses: {negative_iou: 0.6}}\n",
            "negative_iou: 0.6 must not be above",
        ),
        (
            "experiment: yolact_tiny_shape\n",
            "config.yaml:1: experiment: 'yolact_tiny_shape' is an unknown experiment; did you mean 'yolact_tiny_shapes'",
        ),
        ("task: {seed: 1}\n", "no experiment is named"),
        ("- 1\n- 2\n", "config.yaml: .1, 2. holds list, not a mapping"),
        ("", "config.yaml: holds nothing, not a mapping"),
        ("a: [1\n", "config.yaml:2: is not valid YAML"),
        ("a: !!python/name:os.system\n", "config.yaml:1: a: !!python/name:os.system is not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_used_gives_one_message_with_place_and_cure(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        loading.load_config(write(tmp_path, text))


def test_several_wrong_values_are_reported_together(tmp_path):
    text = "experiment: yolact_tiny_shapes\ntrainer: {train_steps: -3}\ntask: {losses: {crowd_iou: 2.0}}\n"
    with pytest.raises(
        ValueError,
        match=r"(?s)config.yaml:2: trainer.train_steps: -3.*config.yaml:3: task.losses.crowd_iou: 2.0",
    ):
        loading.load_config(write(tmp_path, text))


def test_a_file_and_a_flag_that_name_different_experiments_are_refused(tmp_path):
    path = write(tmp_path, "experiment: yolact_tiny_shapes\n")
    with pytest.raises(ValueError, match="but 'yolact_resnet50_coco' was asked for"):
        loading.load_experiment("yolact_resnet50_coco", [path])


def test_a_missing_file_is_named_with_the_files_that_exist():
    with pytest.raises(FileNotFoundError, match=r"nuts.yaml: no such file.*yolact_tiny_shapes_cpu.yaml"):
        loading.load_config("nuts.yaml")


@pytest.mark.parametrize("text", ["task.seed", "task seed 3"])
def test_an_override_without_a_value_is_refused(text):
    with pytest.raises(ValueError, match="write key.path=value"):
        loading.load_experiment("yolact_tiny_shapes", [], [text])


@pytest.mark.parametrize(
    ("preset", "stated", "resolved"),
    [("paper", None, 0), ("default", None, 8), ("none", None, 8), ("paper", 3, 3)],
)
def test_images_without_objects_teach_unless_the_preset_is_the_papers(preset, stated, resolved):
    terms = [f"task.train_data.parser.augment.preset={preset}"]
    terms += [f"task.losses.min_negatives={stated}"] if stated is not None else []
    task = loading.load_experiment("yolact_resnet50_coco", [], terms).task
    assert yolact.resolve_losses(task).min_negatives == resolved
    assert task.losses.min_negatives == stated
