"""A path that is not there names what is there and is most like it."""

import os

import pytest

from official_yolact.cli import main
from official_yolact.files import inputs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "photos" / "train").mkdir(parents=True)
    for name in ("photos/train/IMG_0001.jpg", "photos/annotations.json", "runs.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("missing", "meant"),
    [
        ("photos/anotations.json", "photos/annotations.json"),
        ("photo/annotations.json", "photos/annotations.json"),
        ("photo/trian/img_0001.JPG", "photos/train/IMG_0001.jpg"),
        ("photos/tran", "photos/train"),
        ("run.txt", "runs.txt"),
        ("quite_another", ""),
        ("photos/train/quite_another", ""),
        ("runs.txt/below", ""),
        ("photos/annotations.json", ""),
        ("gs://bucket/anotations.json", ""),
        ("photos/\0", ""),
        ("", ""),
    ],
)
def test_the_nearest_path_is_suggested(folder, missing, meant):
    assert inputs.suggest(missing) == meant
    if missing and "://" not in missing:
        absolute = os.path.join(folder, missing)
        assert inputs.suggest(absolute) == (os.path.join(folder, meant) if meant else "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["data", "stats", "photos/anotations.json"],
            "photos/anotations.json: No such file or directory: did you mean photos/annotations.json?",
        ),
        (
            ["predict", "runs/a", "photos/train/IMG_001.jpg", "--output", "out"],
            "photos/train/IMG_001.jpg: no such picture or folder: did you mean photos/train/IMG_0001.jpg?",
        ),
        (
            ["predict", "run/a", "photos/train/IMG_0001.jpg", "--output", "out"],
            "run/a: no such model directory or checkpoint: did you mean runs/a?",
        ),
        (["train", "mien.yaml", "--model_dir", "out"], "mien.yaml: no such file: did you mean mine.yaml?"),
        (
            ["train", "yolact_resnet50_coco_8gpus.yaml", "--model_dir", "out"],
            "yolact_resnet50_coco_8gpus.yaml: no such file: did you mean yolact_resnet50_coco_8gpu.yaml?",
        ),
        (
            [
                "train",
                "yolact_tiny_shapes",
                "--model_dir",
                "out",
                "task.train_data.input_path=record/train-*",
            ],
            "did you mean 'records/train-*.tfrecord'?",
        ),
    ],
    ids=["stats", "picture", "model", "configuration", "recipe", "records"],
)
def test_a_command_suggests_the_nearest_file(folder, capsys, words, message):
    (folder / "runs" / "a").mkdir(parents=True)
    (folder / "records").mkdir()
    for name in ("mine.yaml", "records/train-00000-of-00001.tfrecord"):
        (folder / name).touch()
    assert main.main(words) == 2
    assert message in capsys.readouterr().err
