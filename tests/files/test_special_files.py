"""What is no regular file is refused by every reader before it is opened: a pipe would wait for ever."""

import os
import signal

import pytest

from official_yolact.cli import main
from official_yolact.dataloaders import shards
from official_yolact.records import manifest
from official_yolact_runtime import categories
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text


@pytest.fixture(autouse=True)
def _limit_of_time():
    def stop(*_):
        raise TimeoutError("waited for a pipe")

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


def _make(kind, path):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "dangling_link":
        os.symlink(f"{path}.gone", path)
    else:
        os.symlink("/dev/zero", path)


_ANNOTATIONS = """{"images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 8}],
"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0,
"segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}], "categories": [{"id": 1, "name": "cat"}]}"""

_COMMANDS = {
    "check": ["data", "check", "FILE.json", "--no-images"],
    "convert": ["data", "convert", "FILE.json", "--images", ".", "--output", "rec", "--split", "t"],
    "stats": ["data", "stats", "FILE.json"],
    "show": ["data", "show", "FILE.json", "--images", ".", "--output", "shown"],
    "split": ["data", "split", "FILE.json", "--output", "parts", "--fractions", "a=0.5,b=0.5"],
    "merge": ["data", "merge", "ann.json", "FILE.json", "--images", ".", "--output", "all.json"],
    "annotations": ["eval", "--detections", "results.json", "--annotations", "FILE.json"],
    "results": ["eval", "--detections", "FILE.json", "--annotations", "ann.json"],
    "configuration": ["config", "check", "FILE.yaml"],
}


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling_link", "device"])
@pytest.mark.parametrize("words", _COMMANDS.values(), ids=_COMMANDS)
def test_every_command_refuses_a_special_file_by_name(tmp_path, monkeypatch, capsys, words, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results.json").write_text("[]")
    (tmp_path / "ann.json").write_text(_ANNOTATIONS)
    name = next(word for word in words if word.startswith("FILE"))
    _make(kind, tmp_path / name)
    assert main.main(words) == 2
    shown = "".join(capsys.readouterr())
    assert name in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
@pytest.mark.parametrize(
    "read",
    [
        inputs.read,
        json_text.load,
        categories.Categories.load,
        categories.read_classes,
        shards.list_files,
        lambda path: list(manifest.find([path])),
    ],
    ids=["inputs", "json", "categories", "classes", "shards", "manifests"],
)
def test_every_reader_refuses_a_special_file(tmp_path, read, kind):
    path = tmp_path / "manifest-a.json"
    _make(kind, path)
    with pytest.raises((OSError, ValueError), match="manifest-a.json"):
        read(str(path))


def test_a_link_to_a_file_is_followed(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    os.symlink("a", tmp_path / "b")
    assert inputs.read(str(tmp_path / "b")) == b"abc"
