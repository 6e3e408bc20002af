from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest
import yaml

from official_yolact.cli import main
from official_yolact.coco import annotations as coco_annotations
from official_yolact.data.recipes import anchor_grid
from official_yolact.data.recipes import grid_fit
from official_yolact.data.recipes import recipe as recipe_lib
from official_yolact.data.recipes import recipe_text


def write(
    path: pathlib.Path,
    images: int,
    size: tuple[int, int] = (480, 640),
    objects: int = 4,
    sides: tuple[float, float] = (30, 200),
    names: tuple[str, ...] = ("fig", "date"),
    seed: int = 0,
) -> str:
    """A set of photos of one size with random boxes; the sides are in pixels."""
    rng = np.random.default_rng(seed)
    height, width = size
    annotations = []
    for number in range(images * objects):
        h, w = rng.uniform(*sides, 2).clip(1, min(size)).tolist()
        box = [rng.uniform(0, width - w), rng.uniform(0, height - h), w, h]
        category = 1 + number % len(names)
        annotations.append(
            {"id": number, "image_id": number // objects, "category_id": category, "bbox": box}
        )
    content = {
        "images": [
            {"id": i, "file_name": f"{seed}_{i}.jpg", "height": height, "width": width} for i in range(images)
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
    }
    path.write_text(json.dumps(content))
    return str(path)


def decide(tmp_path: pathlib.Path, images: int = 20, **options: Any) -> recipe_lib.Recipe:
    shape = {key: options.pop(key) for key in ("size", "objects", "sides", "names") if key in options}
    train = coco_annotations.read(write(tmp_path / "train.json", images, **shape))
    val = coco_annotations.read(write(tmp_path / "val.json", 5, seed=1, **shape))
    return recipe_lib.decide(train, val, records=str(tmp_path / "records"), **options)


def load(recipe: recipe_lib.Recipe, tmp_path: pathlib.Path, *overrides: str) -> Any:
    import official_yolact.registry_imports  # noqa: F401  fills the registries
    from official_yolact.configs import loading

    path = tmp_path / "mine.yaml"
    path.write_text(recipe_text.format_recipe(recipe, ["yolact train mine.yaml"]), encoding="utf-8")
    return loading.load_config(str(path), overrides)


def test_a_small_set_becomes_a_configuration_that_loads_with_what_was_decided(tmp_path: pathlib.Path) -> None:
    recipe = decide(tmp_path, images=13, size=(600, 800), sides=(60, 210), objects=9)
    params = load(recipe, tmp_path)
    model, trainer = params.task.model, params.trainer
    assert params.experiment == "yolact_mobilenetv2_coco"
    assert params.runtime.distribution_strategy == "one_device"
    assert model.num_classes == 3
    assert list(model.input_size) == [352, 480]
    assert model.head.num_filters == 96
    # 300 epochs of 13 photos in batches of 4, as the recipe for few photos was measured.
    assert trainer.train_steps == 975
    rate = trainer.optimizer_config.learning_rate
    assert (rate.type, rate.cosine.decay_steps, rate.cosine.initial_learning_rate) == ("cosine", 975, 5e-4)
    assert params.task.train_data.input_path == str(tmp_path / "records/train-*.tfrecord")
    assert params.task.validation_data.input_path == str(tmp_path / "records/val-*.tfrecord")
    assert params.task.train_data.parser.max_num_instances == 12
    assert model.freeze_bn is None


def test_a_large_set_on_gpus_is_trained_as_the_paper_trains(tmp_path: pathlib.Path) -> None:
    recipe = decide(tmp_path, images=2000, objects=1, gpus=2)
    params = load(recipe, tmp_path)
    assert params.experiment == "yolact_resnet50_coco"
    assert (params.runtime.distribution_strategy, params.runtime.num_gpus) == ("mirrored", 2)
    assert params.task.train_data.global_batch_size == params.schedule_batch_size == 16
    # 160 epochs of 2,000 photos in batches of 16.
    assert params.trainer.train_steps == 20_000
    rate = params.trainer.optimizer_config.learning_rate.stepwise
    assert list(rate.boundaries) == [7000, 15000, 17500, 18750]
    assert list(rate.values) == pytest.approx([2e-3, 2e-4, 2e-5, 2e-6, 2e-7])
    assert params.trainer.validation_interval == 300


def test_another_batch_on_the_command_line_scales_the_schedule(tmp_path: pathlib.Path) -> None:
    recipe = decide(tmp_path, images=2000, objects=1, gpus=1)
    params = load(recipe, tmp_path, "task.train_data.global_batch_size=16")
    assert params.trainer.train_steps == recipe.steps // 2
    assert params.trainer.optimizer_config.learning_rate.stepwise.values[0] == pytest.approx(2e-3)


@pytest.mark.parametrize(
    "experiment", ["yolact_next_mobilenetv2_coco", "yolact_plus_resnet50_coco", "yolact_base"]
)
def test_any_experiment_can_be_built_on_through_the_command(
    tmp_path: pathlib.Path, experiment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train, val = write(tmp_path / "t.json", 3), write(tmp_path / "v.json", 2, seed=1)
    output = tmp_path / "my set.yaml"
    words = [
        "data",
        "init",
        "--train",
        train,
        "--val",
        val,
        "--images",
        str(tmp_path),
        "--output",
        str(output),
    ]
    assert main.main([*words, "--experiment", experiment, "--epochs", "2", "--batch", "2", "--json"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    # Two epochs of 3 photos in batches of 2; steps never come to less than the photos.
    assert printed["steps"] == 3
    assert f"yolact train '{output}' --model_dir=runs/mine" in printed["commands"]
    for command in printed["commands"]:
        assert command in captured.err
    assert main.main(["config", "show", str(output)]) == 0
    checked = yaml.safe_load(capsys.readouterr().out)
    assert checked["task"]["model"]["num_classes"] == 3
    assert checked["trainer"]["train_steps"] == 3


def test_the_small_experiments_by_name_are_narrow_as_the_one_that_is_chosen(tmp_path: pathlib.Path) -> None:
    train, val = write(tmp_path / "t.json", 3), write(tmp_path / "v.json", 2, seed=1)
    words = ["data", "init", "--train", train, "--val", val, "--images", str(tmp_path), "--epochs", "2"]
    path, texts = tmp_path / "mine.yaml", []
    for asked in ([], *(["--experiment", name] for name in recipe_lib.SMALL_MODELS)):
        assert main.main([*words, "--output", str(path), "--force", *asked]) == 0
        text = path.read_text(encoding="utf-8")
        texts.append([line for line in text.splitlines() if not line.startswith(("experiment:", "# About"))])
    assert texts[0] == texts[1] == texts[2]
    assert "      num_filters: 96" in texts[0]


def test_the_printed_commands_parse(tmp_path: pathlib.Path) -> None:
    import shlex

    recipe = decide(tmp_path)
    sources = [("train", "a b.json", "photos"), ("val", "v.json", "more photos")]
    for command in recipe_text.list_commands(recipe, "mine.yaml", sources):
        assert main.build_parser().parse_args(shlex.split(command)[1:]).run


def test_no_experiment_that_trains_with_adam_is_given_the_papers_descent() -> None:
    from official_yolact.configs import experiments

    kinds = {
        name: make().trainer.optimizer_config.optimizer.type for name, make in experiments.EXPERIMENTS.items()
    }
    assert {name for name, kind in kinds.items() if kind == "adam"} <= set(recipe_lib.ADAM_MODELS)


def test_names_of_classes_stay_inside_their_comment(tmp_path: pathlib.Path) -> None:
    names = ("a experiment: evil", "naïve # : {", "x" * 200, "# \\n", "ok")
    params = load(decide(tmp_path, names=names), tmp_path)
    assert params.experiment == "yolact_mobilenetv2_coco"
    assert params.task.model.num_classes == 6


def test_small_objects_get_a_larger_input_and_large_ones_more_levels(tmp_path: pathlib.Path) -> None:
    small = decide(tmp_path, size=(960, 1280), sides=(10, 60))
    height, width = small.grid.input_size
    assert 352 * 480 < height * width <= 1.05 * 550 * 550
    assert width / height == pytest.approx(4 / 3, rel=0.05)
    assert (height % 32, width % 32) == (0, 0)
    large = decide(tmp_path, size=(480, 640), sides=(380, 480))
    assert large.grid.max_level > small.grid.max_level
    assert len(large.grid.scales) == large.grid.max_level - large.grid.min_level + 1
    load(large, tmp_path)


@pytest.mark.parametrize(("size", "expected"), [((640, 480), (480, 352)), ((500, 500), (416, 416))])
def test_the_input_has_the_proportions_of_the_photos(
    tmp_path: pathlib.Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert decide(tmp_path, size=size, sides=(60, 200)).grid.input_size == expected


def test_photos_of_all_proportions_get_a_square_input(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "train.json"
    write(path, 20, sides=(60, 200))
    content = json.loads(path.read_text())
    for image in content["images"][::2]:
        image["height"], image["width"] = 640, 480
    path.write_text(json.dumps(content))
    train = coco_annotations.read(str(path))
    recipe = recipe_lib.decide(train, train, records="records")
    assert recipe.grid.input_size == (416, 416)


@pytest.mark.parametrize(
    ("sizes", "expected", "reason"),
    [
        (
            [(480, 640), (480, 720), (480, 854)],
            (352, 480),
            "differ in their proportions, their median is 1.50",
        ),
        (
            [(640, 480), (720, 480), (854, 480)],
            (512, 320),
            "differ in their proportions, their median is 0.67",
        ),
        ([(480, 640)] * 9 + [(640, 480)], (352, 480), "the photos are about 1.33 times as wide as high"),
        (
            [(480, 640)] * 8 + [(640, 480)] * 2,
            (416, 416),
            "square, since some photos are wide and others high",
        ),
        (
            [(480, 480), (480, 640), (640, 480)],
            (416, 416),
            "square, since some photos are wide and others high",
        ),
        ([(480, 480)] * 19 + [(480, 640)], (416, 416), "the photos are about 1.00 times"),
    ],
    ids=["lying", "upright", "one in ten upright", "two in ten upright", "all kinds", "squares"],
)
def test_the_input_has_the_median_proportions_where_nearly_all_photos_gain_by_them(sizes, expected, reason):
    grid = recipe_lib.DEFAULT_GRIDS[recipe_lib.SMALL_MODEL]
    shapes, boxes = np.array(sizes * 3, np.float64), np.array([[0.2, 0.2, 0.6, 0.6]])
    chosen, why = grid_fit.choose_size(grid, shapes, boxes, may_grow=True)
    assert chosen.input_size == expected
    assert reason in why


def test_anchors_change_only_where_that_covers_more_objects(tmp_path: pathlib.Path) -> None:
    usual = decide(tmp_path, size=(352, 480), sides=(30, 100))
    assert not usual.new_anchors
    assert usual.grid.scales == (28.0, 56.0, 112.0)
    path = tmp_path / "odd.json"
    write(path, 20, size=(352, 480))
    content = json.loads(path.read_text())
    for entry in content["annotations"]:
        entry["bbox"] = [10, 10, 200, 25]
    path.write_text(json.dumps(content))
    train = coco_annotations.read(str(path))
    odd = recipe_lib.decide(train, train, records="records")
    assert odd.new_anchors
    assert odd.coverage.at_50 > 0.9 > odd.coverage_before.at_50
    assert list(load(odd, tmp_path).task.model.anchor.scales) == list(odd.grid.scales)


def test_a_whole_model_is_told_from_a_backbone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/params.yaml").write_text("")
    (tmp_path / "backbone").mkdir()
    for name, modules in (("model", "all"), ("backbone", "backbone")):
        recipe = decide(tmp_path, init_checkpoint=str(tmp_path / name))
        params = load(recipe, tmp_path)
        assert params.task.init_checkpoint == str(tmp_path / name)
        assert params.task.init_checkpoint_modules == modules
        assert params.task.model.freeze_bn is True
        assert params.task.model.freeze_backbone_level == 2
        std, multiplier, rate = (0.002, 0.1, 1e-3) if modules == "backbone" else (0, 1, 5e-4)
        assert params.task.model.initial_output_std == std
        assert params.task.backbone_learning_rate_multiplier == multiplier
        cosine = params.trainer.optimizer_config.learning_rate.cosine
        expected = recipe_lib.choose_learning_rate(recipe.batch, True, adapts_backbone=modules == "backbone")
        assert cosine.initial_learning_rate == expected == pytest.approx(rate * (recipe.batch / 4) ** 0.5)


@pytest.mark.parametrize(
    ("batch", "adam", "expected"),
    [(4, True, 5e-4), (16, True, 1e-3), (8, False, 1e-3), (64, False, 8e-3), (2, False, 2.5e-4)],
)
def test_the_learning_rate_follows_the_batch(batch: int, adam: bool, expected: float) -> None:
    assert recipe_lib.choose_learning_rate(batch, adam) == pytest.approx(expected)


def test_a_single_photo_without_a_gpu_is_enough(tmp_path: pathlib.Path) -> None:
    recipe = decide(tmp_path, images=1, objects=1)
    assert (recipe.batch, recipe.steps) == (1, 300)
    load(recipe, tmp_path)


@pytest.mark.parametrize(
    ("option", "message"),
    [({"epochs": 0}, "epochs is 0"), ({"batch": 0}, "batch is 0"), ({"gpus": -1}, "gpus is -1")],
)
def test_numbers_out_of_range_are_refused(
    tmp_path: pathlib.Path, option: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        decide(tmp_path, **option)


def test_train_and_val_must_have_the_same_classes(tmp_path: pathlib.Path) -> None:
    train = coco_annotations.read(write(tmp_path / "train.json", 3))
    val = coco_annotations.read(write(tmp_path / "val.json", 3, names=("date", "fig")))
    with pytest.raises(ValueError, match=r"val.json: categories are \['date', 'fig'\]"):
        recipe_lib.decide(train, val, records="records")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--output": "old.yaml"}, "old.yaml: is one of the files that are read"),
        ({"--output": "new.json"}, "ending .yaml"),
        ({"--images": "nowhere"}, "no such image folder"),
        ({"--experiment": "yolact_resnet5"}, "did you mean"),
    ],
)
def test_unusable_arguments_are_one_line_and_write_nothing(
    changed: dict[str, str],
    message: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "t.json", 3)
    (tmp_path / "old.yaml").write_text("mine")
    arguments = {"--train": "t.json", "--val": "t.json", "--images": ".", "--output": "new.yaml"} | changed
    assert main.main(["data", "init", *(word for pair in arguments.items() for word in pair)]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.yaml", "t.json"]
    assert (tmp_path / "old.yaml").read_text() == "mine"


def test_the_same_photos_in_both_sets_are_said(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = write(tmp_path / "t.json", 3), str(tmp_path / "m.yaml")
    words = ["--train", path, "--val", path, "--images", str(tmp_path), "--output", output]
    assert main.main(["data", "init", *words]) == 0
    assert "3 images are in both files, the first is 0_0.jpg" in capsys.readouterr().err


@pytest.mark.shared
def test_the_nuts_get_the_recipe_that_was_measured_on_them(
    shared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    train, val = (
        coco_annotations.read(str(shared / "data/nuts" / f"{name}.json")) for name in ("train", "val")
    )
    recipe = recipe_lib.decide(train, val, records="records")
    assert recipe.grid == recipe_lib.DEFAULT_GRIDS[recipe_lib.SMALL_MODEL]
    assert recipe.coverage.at_50 == 1.0
    params = load(recipe, tmp_path)
    assert params.task.model.num_classes == 4
    # The fullest photo has 13.
    assert params.task.train_data.parser.max_num_instances == 16


@pytest.mark.shared
def test_photos_of_coco_get_anchors_that_cover_more(shared: pathlib.Path, tmp_path: pathlib.Path) -> None:
    files = [shared / f"data/coco-open/instances_{name}2017.json" for name in ("train", "val")]
    recipe = recipe_lib.decide(
        *(coco_annotations.read(str(path)) for path in files),
        records="records",
        experiment="yolact_resnet50_coco",
        base=anchor_grid.AnchorGrid(),
        gpus=1,
    )
    assert recipe.coverage.at_50 > recipe.coverage_before.at_50 + 0.1
    params = load(recipe, tmp_path)
    assert params.task.model.num_classes == 81
    assert params.task.model.anchor.square is False
