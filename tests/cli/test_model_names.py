"""MODEL by name: every command that takes a model takes a name of published weights."""

import json
import os
import pathlib
import shutil

import pytest

import official_yolact
from official_yolact.cli import main
from official_yolact.weights import cache
from official_yolact.weights import imported
from official_yolact.weights import model_names
from official_yolact.weights import named_weights


@pytest.fixture
def named(tiny_model_dir, tmp_path, monkeypatch):
    """The name of weights whose import is in the cache."""
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    folder = imported.find_directory(named_weights.find("yolact/resnet50"))
    shutil.copytree(tiny_model_dir, folder)
    pathlib.Path(folder, imported.MARK).write_text("{}")
    return "yolact/resnet50"


def run(*words):
    return main.main([str(word) for word in words])


def test_a_name_stands_for_the_imported_weights_in_commands_and_in_python(named, photos, tmp_path, capsys):
    assert run("predict", named, photos / "8.jpg", "--output", tmp_path / "out", "--json") == 0
    out = capsys.readouterr().out
    weights = json.loads(out.splitlines()[-1])["weights"]
    assert weights["checkpoint"].startswith(str(tmp_path / "cache"))
    assert official_yolact.load(named).weights.as_dict() == weights


def test_a_folder_of_that_path_comes_before_the_name(named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs(named)
    assert model_names.find_model(named) == named


COMMANDS = [
    pytest.param(["predict", "NAME", "photo.jpg", "--output", "out"], id="predict"),
    pytest.param(["eval", "NAME", "--images", "photos", "--output", "out"], id="eval"),
    pytest.param(["export", "NAME", "--output", "out", "--format", "saved_model"], id="export"),
    pytest.param(["benchmark", "NAME"], id="benchmark"),
    pytest.param(["card", "NAME"], id="card"),
    pytest.param(["serve", "--port", "0", "mine=NAME"], id="serve"),
]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_refuses_a_backbone_and_a_name_that_nothing_has(
    words, photos, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes((photos / "7.jpg").read_bytes())
    for name, message in (
        ("imagenet/resnet50", "is a backbone, which finds nothing by itself: name one of yolact/resnet50"),
        ("yolact/resnet5", "no weights are called 'yolact/resnet5': did you mean yolact/resnet50"),
    ):
        assert run(*[word.replace("NAME", name) for word in words]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
