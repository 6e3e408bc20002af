"""Weights are told by more than their shapes: anchors, levels and pixels are compared too."""

import json

import pytest
import small_network
import tensorflow as tf
import yaml

from official_yolact.cli import main

OWN = {"anchor": {"scales": [10.0, 20.0, 40.0]}, "normalization": {"mean": [1.0, 2.0, 3.0]}}


@pytest.fixture
def stored(tmp_path):
    """Write the configuration and the checkpoints of a trained model into a directory of its own."""
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading

    terms = [small_network.TERMS, yaml.safe_dump({"task": {"model": OWN}})]
    params = loading.load_experiment("yolact_tiny_shapes", [], terms)
    for prefix in ("run/ckpt-7", "run/best_ckpt/best_ckpt-7"):
        tf.train.Checkpoint(step=tf.Variable(7)).write(str(tmp_path / prefix))
    (tmp_path / "run" / "params.yaml").write_text(loading.to_yaml(params))
    return tmp_path / "run"


def check(stored, model, capsys, checkpoint="", modules="all"):
    """Ask `config check` for the differences."""
    config = {
        "experiment": "yolact_tiny_shapes",
        "task": {
            "init_checkpoint": f"{stored}{checkpoint}",
            "init_checkpoint_modules": modules,
            "model": {**OWN, **model},
        },
    }
    path = stored / "mine.yaml"
    path.write_text(yaml.safe_dump(config))
    main.main(["config", "check", str(path), small_network.TERMS, "--json"])
    return json.loads(capsys.readouterr().out)["differences"]


def test_the_same_network_has_no_differences_at_any_size_and_number_of_classes(stored, capsys):
    for checkpoint in ("", "/ckpt-7", "/best_ckpt", "/best_ckpt/best_ckpt-7"):
        assert check(stored, {"input_size": [96, 64], "num_classes": 4}, capsys, checkpoint) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"anchor": {"scales": [20.0, 40.0, 80.0]}},
            "other anchors than the head was trained with (scales [10.0, 20.0, 40.0] there,"
            " [20.0, 40.0, 80.0] here): its outputs are loaded all the same",
        ),
        ({"anchor": {**OWN["anchor"], "scales_per_octave": 1}}, "1 here): its outputs start anew"),
        ({"normalization": {"mean": [5.0, 5.0, 5.0]}}, "normalization.mean [1.0, 2.0, 3.0] there"),
        ({"keep_aspect": True}, "(keep_aspect False there, True here): write those, or objects have another"),
        ({"max_level": 4, "anchor": {"scales": [10.0, 20.0]}}, "other levels and strides (max_level 5 there"),
        ({"protonet": {"num_prototypes": 24}}, "another network (protonet.num_prototypes 32 there, 24 here)"),
    ],
    ids=["anchors", "anchors of a cell", "pixels", "proportions", "levels", "prototypes"],
)
def test_what_the_shapes_do_not_tell_is_said(stored, capsys, model, message):
    assert any(message in line for line in check(stored, model, capsys))


def test_a_backbone_is_compared_by_its_pixels_alone(stored, capsys):
    changed = {"anchor": {"scales": [20.0, 40.0, 80.0]}, "normalization": {"mean": [5.0, 5.0, 5.0]}}
    (line,) = check(stored, changed, capsys, modules="backbone")
    assert "normalization.mean" in line
