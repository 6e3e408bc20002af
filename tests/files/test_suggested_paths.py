"""A path that is not there names what is there and is most like it."""

import os

import pytest

from official_yolact.cli import main
from official_yolact_runtime.files import inputs


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


MISSING = {
    "stats": ("data stats ann.jsn", "ann.json"),
    "convert, annotations": ("data convert ann.jsn --images photos --output rec --split a", "ann.json"),
    "convert, images": ("data convert ann.json --images photo --output rec --split a", "photos"),
    "check, images": ("data check ann.json --images fotos", "photos"),
    "init, images": ("data init --train ann.json --val ann.json --images photo --output my.yaml", "photos"),
    "labelme": ("data labelme photo --output made.json", "photos"),
    "via": ("data via ann.jsn --images photos --output made.json", "ann.json"),
    "labelstudio": ("data labelstudio ann.jsn --images photos --output made.json", "ann.json"),
    "masks": ("data masks photo photos --output made.json", "photos"),
    "yolo": ("data yolo photo --output made.json", "photos"),
}


@pytest.mark.parametrize("name", MISSING)
def test_each_command_for_data_suggests_what_is_there(folder, capsys, name):
    lists = '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"id": 1}], "categories": [{"id": 1}]}'
    (folder / "ann.json").write_text(lists)
    words, meant = MISSING[name]
    assert main.main(words.split()) == 2
    assert f": did you mean {meant}?" in capsys.readouterr().err
