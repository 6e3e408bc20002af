"""From a config section to concrete numbers."""

import dataclasses
import re

import pytest

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import augment_settings


def test_the_paper_preset_has_the_original_s_numbers() -> None:
    settings = augment_settings.resolve_augment(configs.Augment(preset="paper"))
    assert dataclasses.asdict(settings) == {
        "photometric": 0.5,
        "clip_colors": False,
        "expand": 0.5,
        "max_expand_ratio": 4.0,
        "sample_crop": True,
        "min_crop_side": 0.3,
        "min_scale": 1.0,
        "max_scale": 1.0,
        "crop_origin": 1.0,
        "mirror": 0.5,
        "flip": 0.0,
        "transpose": 0.0,
        "min_box_side": pytest.approx(0.00727, abs=1e-5),
        "copy_paste": 0.0,
        "mosaic": 0.0,
        "keep_aspect": False,
    }


def test_the_default_preset_mends_the_bugs_and_nothing_else() -> None:
    paper = dataclasses.asdict(augment_settings.PRESETS["paper"])
    default = dataclasses.asdict(augment_settings.PRESETS["default"])
    changed = {name: value for name, value in default.items() if paper[name] != value}
    assert changed == {"clip_colors": True, "crop_origin": 0.0, "min_box_side": 4.0}


def test_fields_that_are_given_override_the_preset() -> None:
    config = configs.Augment(preset="none", mirror=0.5, sample_crop=True, min_box_side=0.0)
    settings = augment_settings.resolve_augment(config)
    assert (settings.mirror, settings.sample_crop, settings.min_box_side) == (0.5, True, 0.0)
    assert settings.photometric == 0.0


def test_every_field_of_the_section_but_the_preset_reaches_the_settings() -> None:
    fields = {field.name for field in dataclasses.fields(configs.Augment)} - {"preset"}
    assert fields <= {field.name for field in dataclasses.fields(augment_settings.AugmentSettings)}


def test_evaluation_never_augments() -> None:
    config = configs.Augment(preset="paper", flip=1.0)
    assert augment_settings.resolve_augment(config, False) == augment_settings.PRESETS["none"]


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ValueError, match=r"augment\.preset='papr': one of default, none, paper"):
        augment_settings.resolve_augment(configs.Augment(preset="papr"))


@pytest.mark.parametrize(
    ("fields", "scales"),
    [
        ({}, False),
        ({"min_scale": 1.0, "max_scale": 1.0}, False),
        ({"min_scale": 0.5}, True),
        ({"max_scale": 2.0}, True),
        ({"min_scale": 2.0, "max_scale": 2.0}, True),
    ],
)
@pytest.mark.parametrize("preset", ["paper", "default", "none"])
def test_windows_by_scale_are_drawn_only_where_a_scale_other_than_one_is_given(
    preset: str, fields: dict[str, float], scales: bool
) -> None:
    settings = augment_settings.resolve_augment(configs.Augment(preset=preset, **fields))
    assert settings.scales is scales


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (["min_scale=0"], "min_scale: 0, expected above 0"),
        (["max_scale=-1"], "max_scale: -1, expected above 0"),
        (["min_scale=2", "max_scale=1.5"], "min_scale: 2 must not be above max_scale (1.5; null is 1)"),
        (["min_scale=1.5"], "min_scale: 1.5 must not be above max_scale (None; null is 1)"),
    ],
)
def test_scales_that_contradict_each_other_are_refused(terms: list[str], message: str) -> None:
    overrides = [f"task.train_data.parser.augment.{term}" for term in terms]
    with pytest.raises(ValueError, match=re.escape(message)):
        loading.load_config("yolact_tiny_shapes", overrides)


def test_scales_reach_the_configuration() -> None:
    terms = [f"task.train_data.parser.augment.{term}" for term in ("min_scale=0.5", "max_scale=2")]
    params = loading.load_config("yolact_tiny_shapes", terms)
    settings = augment_settings.resolve_augment(params.task.train_data.parser.augment)
    assert (settings.min_scale, settings.max_scale, settings.scales) == (0.5, 2.0, True)
