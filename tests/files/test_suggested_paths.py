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


def test_a_command_suggests_the_nearest_file(folder, capsys):
    assert main.main(["data", "stats", "photos/anotations.json"]) == 2
    message = "photos/anotations.json: No such file or directory: did you mean photos/annotations.json?"
    assert message in capsys.readouterr().err
