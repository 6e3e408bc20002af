"""From a config section to concrete numbers."""

import dataclasses

import pytest

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
