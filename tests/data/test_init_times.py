"""`yolact data init` knows the machine, the time, and the model that it goes on from."""

from __future__ import annotations

import json
import pathlib
import re
import shlex
from typing import Any

import numpy as np
import pytest
import yaml

from official_yolact.cli import main
from official_yolact.data.recipes import anchor_grid
from official_yolact.data.recipes import schedule_plan
from official_yolact.data.recipes import step_cost
from official_yolact.environment import speed as speed_lib


def write(
    path: pathlib.Path,
    images: int,
    objects: int = 2,
    names: tuple[str, ...] = ("window", "door"),
    size: tuple[int, int] = (1024, 1024),
    sides: tuple[float, float] = (60, 140),
) -> str:
    """A set of photos with boxes at random places; the sides are in pixels."""
    rng = np.random.default_rng(images)
    height, width = size
    annotations = []
    for number in range(images * objects):
        h, w = rng.uniform(*sides, 2).tolist()
        box = [rng.uniform(0, width - w), rng.uniform(0, height - h), w, h]
        category = 1 + number % len(names)
        annotations.append(
            {"id": number, "image_id": number // objects, "category_id": category, "bbox": box}
        )
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": height, "width": width} for i in range(images)
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
    }
    path.write_text(json.dumps(content))
    return str(path)


@pytest.fixture
def init(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command on a machine of a known speed; return what it printed, its lines, and the file."""

    def run(
        *options: str, processors: float = 2.0, **shape: Any
    ) -> tuple[dict[str, Any], str, dict[str, Any]]:
        monkeypatch.setattr(speed_lib, "measure", lambda: speed_lib.Speed(processors=processors))
        train = write(tmp_path / "train.json", shape.pop("images", 400), **shape)
        val = write(tmp_path / "val.json", 80, **shape)
        output = tmp_path / "mine.yaml"
        words = ["--train", train, "--val", val, "--images", str(tmp_path), "--output", str(output)]
        assert main.main(["data", "init", *words, "--gpus", "0", "--json", *options]) == 0
        captured = capsys.readouterr()
        text = output.read_text(encoding="utf-8")
        output.unlink()
        return json.loads(captured.out), captured.err, yaml.safe_load(text)

    return run


@pytest.mark.parametrize("minutes", [2, 10, 45])
@pytest.mark.parametrize("start", ["none", "imagenet/mobilenetv2"])
def test_the_run_fits_into_the_minutes(init: Any, minutes: int, start: str) -> None:
    printed, said, config = init("--minutes", str(minutes), "--init-checkpoint", start)
    trainer = config["trainer"]
    assert printed["seconds"] <= 60 * minutes
    # A shorter run only where more steps are of no use: 50 epochs of 400 photos in batches of 4.
    assert printed["seconds"] > 0.9 * 60 * minutes or printed["steps"] == 5000
    assert trainer["train_steps"] == printed["steps"]
    assert trainer["optimizer_config"]["learning_rate"]["cosine"]["decay_steps"] == printed["steps"]
    first = trainer["validation_interval"] * printed["step_seconds"]
    assert first <= max(0.11 * printed["seconds"], 300)
    assert trainer["checkpoint_interval"] == trainer["validation_interval"]
    assert trainer["steps_per_loop"] * printed["step_seconds"] < 15
    assert re.search(r"about [\d.]+ (s|minutes|hours) on this machine \([\d.]+ s a step, ", said)


def test_little_time_makes_the_input_smaller_and_much_time_leaves_it(init: Any) -> None:
    areas = [
        int(np.prod(init("--minutes", minutes, "--init-checkpoint", "none")[0]["input_size"]))
        for minutes in ("3", "10", "60")
    ]
    assert areas == sorted(areas)
    assert areas[0] < areas[2]


def test_a_larger_machine_has_time_for_more(init: Any) -> None:
    few, many = (init("--minutes", "10", processors=number)[0] for number in (2, 8))
    assert few["step_seconds"] > many["step_seconds"]
    assert (few["input_size"], few["steps"]) < (many["input_size"], many["steps"])


def test_epochs_rule_and_the_time_is_said(init: Any) -> None:
    printed, said, _ = init("--epochs", "200")
    assert printed["steps"] == 200 * 400 // 4
    assert printed["seconds"] > 30 * 60
    assert "without --epochs, `--minutes 30` fits it into 30 minutes" in said


def test_too_little_time_is_said_with_what_would_do(init: Any) -> None:
    printed, said, _ = init("--minutes", "1", processors=1.0)
    assert printed["steps"] < 200
    (needed,) = re.findall(rf"{printed['steps']} steps teach little: `--minutes (\d+)` fits 200", said)
    assert init("--minutes", needed, processors=1.0)[0]["steps"] >= 200


@pytest.mark.parametrize("words", [("320x256",), ("320", "256")])
def test_the_input_size_that_is_asked_for_is_kept_and_anchors_are_fitted_at_it(
    init: Any, words: tuple[str, ...]
) -> None:
    model = init("--input-size", *words)[2]["task"]["model"]
    assert model["input_size"] == [320, 256]
    # Objects of 60 to 140 pixels of 1024 are 17 to 40 of 286.
    assert 12 < model["anchor"]["scales"][0] < 40


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input-size", "320"], "input-size is '320': give height and width"),
        (["--input-size", "1", "2", "3"], "input-size is '1 2 3'"),
        (["--input-size", "8x8"], "sides from 32 to 4,096"),
        (["--minutes", "0"], "minutes is 0.0: 1 to"),
        (["--minutes", "nan"], "minutes is nan: 1 to"),
        (["--init-checkpoint", "imagenet/mobilenet"], "did you mean imagenet/mobilenetv2"),
        (["--init-checkpoint", "nowhere/model"], "nowhere/model: no such"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_unusable_options_are_one_line(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    path = write(tmp_path / "t.json", 3)
    output = tmp_path / "mine.yaml"
    base = ["--train", path, "--val", path, "--images", str(tmp_path), "--output", str(output)]
    assert main.main(["data", "init", *base, *words]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_weights_are_named_unless_none_are_asked_for(init: Any) -> None:
    task = init()[2]["task"]
    assert (task["init_checkpoint"], task["init_checkpoint_modules"]) == ("imagenet/mobilenetv2", "backbone")
    assert task["model"]["freeze_bn"] is True
    task = init("--init-checkpoint", "none")[2]["task"]
    assert "init_checkpoint" not in task
    assert task["model"]["backbone"]["resnet"] == {"model_id": 18, "depth_multiplier": 0.5}
    assert "freeze_bn" not in task["model"]
    assert "initial_output_std" not in task["model"]
    assert "backbone_learning_rate_multiplier" not in task


@pytest.mark.parametrize(
    ("weights", "experiment", "modules"),
    [
        ("yolact/resnet50", "yolact_resnet50_coco", "all"),
        ("imagenet/resnet101", "yolact_resnet101_coco", "backbone"),
        ("imagenet/mobilenetv2-1.4", "yolact_mobilenetv2_coco", "backbone"),
    ],
)
def test_the_network_is_that_of_the_weights(
    init: Any, tmp_path: pathlib.Path, weights: str, experiment: str, modules: str
) -> None:
    from official_yolact.configs import loading

    config = init("--init-checkpoint", weights)[2]
    assert (config["experiment"], config["task"]["init_checkpoint_modules"]) == (experiment, modules)
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(config))
    # Weights that do not fit are an error.
    assert loading.load_config(str(path)).task.init_checkpoint == weights


def test_little_time_makes_the_network_narrower_at_last(init: Any) -> None:
    printed, _, config = init("--minutes", "2")
    assert printed["init_checkpoint"] == "imagenet/mobilenetv2-0.5"
    assert config["task"]["model"]["backbone"]["mobilenet"]["filter_size_scale"] == 0.5
    assert init("--minutes", "60")[0]["init_checkpoint"] == "imagenet/mobilenetv2"


def test_every_step_to_a_prediction_is_listed_and_parses(init: Any) -> None:
    commands = init()[0]["commands"]
    words = [shlex.split(command)[1:] for command in commands]
    assert [each[1] if each[0] == "data" else each[0] for each in words] == [
        "convert",
        "convert",
        "show",
        "train",
        "eval",
        "predict",
    ]
    for each in words:
        assert main.build_parser().parse_args(each).run


def test_photos_from_above_are_shown_in_all_orientations_when_that_is_asked_for(init: Any) -> None:
    usual, above = (
        init(*words)[2]["task"]["train_data"]["parser"]["augment"] for words in ((), ("--from-above",))
    )
    assert above == {**usual, "flip": 0.5, "transpose": 0.5}


def test_detections_have_room_for_the_fullest_photo(init: Any) -> None:
    usual = init(objects=30)[2]["task"]
    assert usual["model"]["detection_generator"] == {"crop_padding": 0.5}
    full = init(images=20, objects=122, sides=(20, 40))[2]["task"]
    generator = full["model"]["detection_generator"]
    assert generator["max_detections"] >= 122
    # 61 of a class.
    assert generator["nms_top_k"] >= 4 * 61
    assert full["train_data"]["parser"]["max_num_instances"] >= 122


def test_small_objects_are_shrunk_little(init: Any) -> None:
    small = init("--input-size", "416x416", sides=(60, 110))[2]["task"]["train_data"]["parser"]["augment"]
    large = init("--input-size", "416x416", sides=(250, 400))[2]["task"]["train_data"]["parser"]["augment"]
    assert (large["min_scale"], large["max_scale"]) == (0.6, 1.4)
    assert small["min_scale"] > 0.75


def test_a_model_that_is_gone_on_from_keeps_its_network_size_and_anchors(
    init: Any, tmp_path: pathlib.Path
) -> None:
    import official_yolact.registry_imports  # noqa: F401  fills the registries
    from official_yolact.configs import loading

    model = {
        "input_size": [320, 352],
        "max_level": 6,
        "anchor": {"scales": [11.0, 22.0, 44.0, 88.0], "aspect_ratios": [1.0, 0.7], "square": False},
        "backbone": {"type": "resnet", "resnet": {"model_id": 18, "depth_multiplier": 0.5}},
        "decoder": {"type": "yolact_fpn", "yolact_fpn": {"num_filters": 64}},
        "normalization": {"mean": [1.0, 2.0, 3.0], "std": [40.0, 50.0, 60.0]},
        "norm_activation": {"norm_epsilon": 2e-5},
        "num_classes": 2,
    }
    override = yaml.safe_dump({"task": {"model": model}, "schedule_batch_size": 0})
    params = loading.load_experiment("yolact_mobilenetv2_coco", [], [override])
    run = tmp_path / "run"
    run.mkdir()
    (run / "params.yaml").write_text(loading.to_yaml(params), encoding="utf-8")
    (run / "categories.json").write_text('{"categories": [{"id": 1, "name": "Door"}]}')
    printed, said, config = init("--init-checkpoint", str(run))
    task = config["task"]
    assert (task["init_checkpoint"], task["init_checkpoint_modules"]) == (str(run), "all")
    assert printed["input_size"] == [320, 352]
    assert "1 of the 2 classes are known to that model; new: window" in said
    assert task["model"]["backbone"] == {
        "type": "resnet",
        "resnet": {"model_id": 18, "depth_multiplier": 0.5},
    }
    assert config["trainer"]["optimizer_config"]["learning_rate"]["cosine"]["initial_learning_rate"] == 5e-4
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(config))
    found = loading.load_config(str(path)).task.model
    assert found.num_classes == 3
    for name in ("input_size", "min_level", "max_level", "anchor", "backbone", "decoder", "protonet", "head"):
        assert getattr(found, name) == getattr(params.task.model, name), name
    assert found.normalization == params.task.model.normalization
    assert found.norm_activation == params.task.model.norm_activation
    refitted = init("--init-checkpoint", str(run), "--input-size", "256x256")[2]["task"]["model"]
    assert refitted["input_size"] == [256, 256]
    assert refitted["anchor"]["scales"] != [11.0, 22.0, 44.0, 88.0]


def test_the_speed_of_this_machine_is_a_plausible_number() -> None:
    speed = speed_lib.measure()
    assert 0.005 < speed.products < 50
    assert 0.005 < speed.passes < 50
    assert 1 / 1024 < speed.parallel <= 1.0


def test_multiply_accumulates_equal_those_that_the_graph_has() -> None:
    # `benchmarks/model_costs.py` counts 0.1859 in the pyramid, 0.9417 in the head and 0.9486 in the prototypes.
    grid = anchor_grid.AnchorGrid((320, 320), 3, (28.0, 56.0, 112.0), 3, (1.0, 0.5, 2.0), False)
    counted = step_cost.count_rest(step_cost.Network("mobilenetv2"), grid, num_classes=11)
    assert counted == pytest.approx(0.1859 + 0.9417 + 0.9486, rel=0.02)


@pytest.mark.parametrize(
    ("network", "side", "batch", "bfloat16", "milliseconds"),
    [
        (step_cost.Network("mobilenetv2"), 416, 4, True, 774.6),
        (step_cost.Network("mobilenetv2"), 416, 4, False, 899.5),
        (step_cost.Network("mobilenetv2"), 416, 8, True, 1499.4),
        (step_cost.Network("mobilenetv2"), 256, 4, True, 323.1),
        (step_cost.Network("mobilenetv2", is_frozen=True), 416, 4, True, 620.7),
        (step_cost.Network("mobilenetv2", 0.5), 416, 4, True, 586.6),
        (step_cost.Network("resnet18_half"), 256, 4, True, 201.5),
        (step_cost.Network("resnet18_half", filters=64), 320, 4, True, 239.1),
    ],
    ids=["usual", "float32", "batch 8", "small", "frozen", "narrow", "fresh small", "fresh"],
)
def test_the_estimate_is_what_was_measured(
    network: step_cost.Network, side: int, batch: int, bfloat16: bool, milliseconds: float
) -> None:
    # Processor time of `task.train_step` with 28 objects a photo, on the machine that `environment.speed` names.
    grid = anchor_grid.AnchorGrid((side, side), 3, (28.0, 56.0, 112.0), 3, (1.0, 0.5, 2.0), False)
    speed = speed_lib.Speed(bfloat16=bfloat16)
    costs = step_cost.Costs(network, 11, batch, 80, step_cost.Photos(0.0, 0.0), speed)
    decoding = batch * 3.0
    estimated = 1000 * costs.estimate_step(grid) / speed.parallel - decoding
    assert estimated == pytest.approx(milliseconds, rel=0.05)


@pytest.mark.parametrize("evaluation", [1.0, 30.0, 400.0])
@pytest.mark.parametrize("seconds", [120.0, 600.0, 36_000.0])
def test_evaluations_are_counted_in_the_time_and_never_silent_for_long(
    seconds: float, evaluation: float
) -> None:
    plan = schedule_plan.plan_seconds(seconds, 10**6, 0.2, evaluation)
    assert plan.seconds <= seconds or plan.steps == 1
    assert plan.interval * plan.step_seconds <= max(300.0, plan.seconds / 10) * 1.01
    assert plan.evaluations >= 1
