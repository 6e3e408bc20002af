"""The registered experiments have the published models' numbers."""

from __future__ import annotations

import numpy as np
import pytest

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.configs import loading
from official_yolact.configs import names
from official_yolact.configs import yolact
from official_yolact.modeling import factory

PUBLISHED = sorted(set(names.ORIGINAL_NAMES.values()))
SQUARE = sorted(name for name in PUBLISHED if "plus" not in name and "pascal" not in name)


def load(name: str) -> experiments.YolactExperiment:
    return loading.load_experiment(name)


@pytest.mark.parametrize(
    ("name", "anchors"),
    [
        ("yolact_resnet50_coco", 19_248),
        ("yolact_resnet101_coco", 19_248),
        ("yolact_darknet53_coco", 19_248),
        ("yolact_im700_coco", 30_963),
        ("yolact_im400_coco", 10_077),
        ("yolact_plus_resnet50_coco", 57_744),
        ("yolact_plus_resnet101_coco", 57_744),
        ("yolact_resnet50_pascal", 19_248),
    ],
)
def test_a_published_model_has_the_originals_number_of_anchors(name: str, anchors: int) -> None:
    assert factory.build_anchors(load(name).task.model).shape == (anchors, 4)


# Centre of the first cell and sides of its anchors, (width, height), all in input pixels.
FIRST_CELLS = {
    "yolact_base": (3.9855, [(24, 24), (16.9706, 16.9706), (33.9411, 33.9411)]),
    "yolact_im700": (3.9773, [(30, 30), (21.213, 21.213), (42.426, 42.426)]),
    "yolact_im400": (4.0, [(17, 17), (12.0208, 12.0208), (24.0416, 24.0416)]),
    "yolact_resnet50_pascal": (3.9855, [(32, 32), (22.627, 45.255), (45.255, 22.627)]),
    "yolact_plus_base": (
        3.9855,
        [
            (24, 24),
            (16.9706, 33.9411),
            (33.9411, 16.9706),
            (30.238, 30.238),
            (21.3816, 42.7631),
            (42.7631, 21.3816),
            (38.0976, 38.0976),
            (26.9391, 53.8782),
            (53.8782, 26.9391),
        ],
    ),
}


@pytest.mark.parametrize("name", sorted(FIRST_CELLS))
def test_the_anchors_of_the_first_cell_are_the_originals(name: str) -> None:
    model = load(name).task.model
    center, sides = FIRST_CELLS[name]
    found = factory.build_anchors(model)[: len(sides)] * model.input_size[0]
    np.testing.assert_allclose(found[:, :2], center, atol=1e-3)
    np.testing.assert_allclose(found[:, 2:], np.array(sides)[:, ::-1], atol=1e-2)


@pytest.mark.parametrize(
    ("name", "total", "backbone"),
    [
        ("yolact_base", 50_157_071, 42_500_160),
        ("yolact_resnet50", 31_164_943, 23_508_032),
        ("yolact_darknet53", 47_783_087, 40_584_928),
        ("yolact_resnet50_pascal", 30_734_623, 23_508_032),
        ("yolact_plus_base", 52_571_142, 43_187_561),
        ("yolact_plus_resnet50", 33_766_460, 24_382_879),
    ],
)
def test_a_published_model_has_the_originals_parameters(
    name: str, total: int, backbone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory.initial_weights, "seed_weights", lambda model, seed: None)
    config = load(name).task.model
    # No tensor's shape depends on the size of the input.
    config.input_size = [64, 64]
    model = factory.build_model(config)
    assert _count(model) == total
    assert _count(model.backbone) == backbone


def _count(layer: object) -> int:
    return sum(int(np.prod(variable.shape)) for variable in layer.trainable_variables)  # type: ignore[attr-defined]


def test_models_of_another_input_size_have_the_same_tensors() -> None:
    base = load("yolact_base").task.model.as_dict()
    for name in ("yolact_im700", "yolact_im400"):
        other = load(name).task.model.as_dict()
        assert {key for key in base if base[key] != other[key]} == {"input_size", "anchor"}
        assert {key for key in base["anchor"] if base["anchor"][key] != other["anchor"][key]} == {"scales"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model_trains_as_the_original(name: str) -> None:
    params = load(name)
    task, optimizer = params.task, params.trainer.optimizer_config
    pascal = name == "yolact_resnet50_pascal"
    assert params.trainer.train_steps == (120_000 if pascal else 800_000)
    boundaries = [60_000, 100_000] if pascal else [280_000, 600_000, 700_000, 750_000]
    rates = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7][: len(boundaries) + 1]
    schedule = optimizer.learning_rate.get()
    assert (optimizer.learning_rate.type, schedule.boundaries, schedule.values) == (
        "stepwise",
        boundaries,
        rates,
    )
    warmup = optimizer.warmup.get()
    assert (optimizer.warmup.type, warmup.warmup_steps, warmup.warmup_learning_rate) == ("linear", 500, 1e-4)
    assert optimizer.optimizer.get().momentum == 0.9
    assert task.train_data.global_batch_size == 8
    assert task.train_data.parser.augment.preset == "paper"
    assert yolact.resolve_losses(task).min_negatives == 0
    assert task.losses.weight_decay == 5e-4
    assert task.losses.masks_to_train == (300 if name == "yolact_im700_coco" else 100)
    assert task.model.num_classes == (21 if pascal else 81)
    assert task.model.freeze_bn is None
    assert task.model.class_prior == 0
    folder = "data/sbd" if pascal else "data/coco"
    assert task.train_data.input_path == f"{folder}/train-*.tfrecord"
    assert task.validation_data.input_path == f"{folder}/val-*.tfrecord"


@pytest.mark.parametrize("name", PUBLISHED)
def test_only_the_first_coco_models_have_square_anchors(name: str) -> None:
    assert load(name).task.model.anchor.square == (name in SQUARE)


@pytest.mark.parametrize(
    ("name", "depth", "blocks", "interval"),
    [
        ("yolact_plus_resnet50_coco", 50, [0, 4, 6, 3], 1),
        ("yolact_plus_resnet101_coco", 101, [0, 4, 23, 3], 3),
        ("yolact_resnet101_coco", 101, [0, 0, 0, 0], 1),
    ],
)
def test_only_the_second_version_is_deformable(
    name: str, depth: int, blocks: list[int], interval: int
) -> None:
    model = load(name).task.model
    resnet = model.backbone.yolact_resnet
    assert (resnet.depth, resnet.deformable_blocks, resnet.deformable_interval) == (depth, blocks, interval)
    assert model.mask_rescoring == (model.anchor.scales_per_octave == 3) == (interval == 3 or blocks[1] > 0)


def test_darknet_takes_pixels_divided_by_255() -> None:
    normalization = load("yolact_darknet53").task.model.normalization
    assert (normalization.mean, normalization.std) == ([0, 0, 0], [255, 255, 255])


@pytest.mark.parametrize(
    ("original", "ours"),
    [
        ("yolact_base", "yolact_resnet101_coco"),
        ("yolact_base_config", "yolact_resnet101_coco"),
        ("yolact_plus_base_config", "yolact_plus_resnet101_coco"),
        ("yolact_plus_resnet50", "yolact_plus_resnet50_coco"),
        ("yolact_resnet50", "yolact_resnet50_coco"),
        ("yolact_resnet50_pascal_config", "yolact_resnet50_pascal"),
        ("yolact_tiny_shapes", "yolact_tiny_shapes"),
    ],
)
def test_the_originals_names_mean_our_experiments(original: str, ours: str) -> None:
    assert names.resolve_name(original) == ours
    assert loading.load_config(original).experiment == ours


def test_every_name_of_the_original_means_a_registered_experiment() -> None:
    assert set(names.ORIGINAL_NAMES.values()) <= set(experiments.EXPERIMENTS)


def test_a_file_may_use_the_originals_name_and_is_written_with_ours(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("experiment: yolact_base\n")
    assert loading.load_config(str(path)).experiment == "yolact_resnet101_coco"
    assert loading.load_experiment("yolact_resnet101_coco", [str(path)]).experiment == "yolact_resnet101_coco"
    with pytest.raises(ValueError, match="'yolact_base', but 'yolact_im700_coco' was asked for"):
        loading.load_experiment("yolact_im700", [str(path)])


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("yolact_bas", "'yolact_base'"),
        ("yolact_plus_resnet101", "'yolact_plus_resnet101_coco'"),
        ("yolact_im500_config", "'yolact_im"),
        ("maskrcnn", "known are"),
    ],
)
def test_an_unknown_name_gives_the_nearest_ones(typed: str, hint: str) -> None:
    with pytest.raises(ValueError, match=rf"unknown experiment '{typed}'.*{hint}"):
        loading.load_config(typed)
