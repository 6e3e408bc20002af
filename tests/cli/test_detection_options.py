"""The options of detection: each sets its field, within the range that the configuration allows."""

import dataclasses

import pytest

from official_yolact.cli import detection_options
from official_yolact.cli import main

PREDICT = ["predict", "model", "photo.jpg", "--output", "out"]
EVAL = ["eval", "model", "--images", "folder", "--annotations", "a.json"]


def read(words):
    return detection_options.read_options(main.build_parser().parse_args(words))


def default_config():
    from official_yolact.configs import yolact

    return yolact.DetectionGenerator()


@pytest.mark.parametrize("command", [PREDICT, EVAL], ids=["predict", "eval"])
@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ([], {}),
        (["--nms", "fast_second_threshold"], {"nms": "fast_second_threshold"}),
        (["--nms", "cross_class", "--top-k", "50"], {"nms": "cross_class", "nms_top_k": 50}),
        (["--candidate-threshold", "0"], {"score_threshold": 0.0}),
        (["--nms-iou", "0.7"], {"nms_iou_threshold": 0.7}),
        (["--no-crop"], {"crop_masks": False}),
        (["--crop-at", "image"], {"crop_at": "image"}),
        (["--crop", "--crop-padding", "0"], {"crop_masks": True, "crop_padding": 0.0}),
    ],
)
def test_each_option_sets_its_field_and_no_other(command, words, fields):
    assert read([*command, *words]) == fields


def test_the_score_threshold_of_predict_is_that_of_what_is_shown_and_of_eval_that_of_candidates():
    assert read([*PREDICT, "--score-threshold", "0.5"]) == {}
    assert read([*EVAL, "--score-threshold", "0.5"]) == {"score_threshold": 0.5}


def test_options_and_configuration_know_the_same_forms_and_fields():
    from official_yolact.configs import yolact

    assert detection_options.NMS_KINDS == yolact.NMS_KINDS
    assert detection_options.CROP_PLACES == yolact.CROP_PLACES
    known = {field.name for field in dataclasses.fields(default_config())}
    assert set(detection_options._FIELDS.values()) | {"max_detections"} <= known


VALUES = {
    "--candidate-threshold": ("score_threshold", "-0.1", "0", "1", "1.1", "nan", "much"),
    "--nms-iou": ("nms_iou_threshold", "-0.1", "0", "1", "1.1", "nan", "much"),
    "--crop-padding": ("crop_padding", "-1", "0", "2.5", "nan", "much"),
    "--top-k": ("nms_top_k", "0", "1", "-3", "1.5", "many"),
    "--max-detections": ("max_detections", "0", "1", "500", "-3", "1.5", "many"),
}


@pytest.mark.parametrize(
    ("option", "field", "text"),
    [(option, field, text) for option, (field, *texts) in VALUES.items() for text in texts],
)
def test_an_option_refuses_what_the_configuration_refuses(option, field, text, capsys):
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading

    term = f"task.model.detection_generator.{field}={'.nan' if text == 'nan' else text}"
    try:
        loading.load_experiment("yolact_tiny_shapes", overrides=[term])
        allowed = True
    except ValueError:
        allowed = False
    words = [*PREDICT, f"{option}={text}"]
    if allowed:
        assert main.build_parser().parse_args(words).command == "predict"
    else:
        assert main.main(words) == 2
        assert f"argument {option}: {text} is not a" in capsys.readouterr().err.splitlines()[-1]


def test_an_unknown_form_of_suppression_is_one_line_with_the_nearest(capsys):
    assert main.main([*PREDICT, "--nms", "crossclass"]) == 2
    assert "argument --nms: unknown 'crossclass': did you mean 'cross_class'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--no-crop", "--crop-padding", "2"], "--crop-padding has no effect with --no-crop"),
        (["--no-crop", "--crop-at", "image"], "--crop-at has no effect with --no-crop"),
        (["--nms", "traditional", "--top-k", "9"], "--top-k has no effect with --nms traditional"),
    ],
)
@pytest.mark.parametrize("command", [PREDICT, EVAL], ids=["predict", "eval"])
def test_an_option_without_effect_is_refused_before_anything_is_read(command, words, says, capsys):
    assert main.main([*command, *words]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1
