"""Files that belong together are written together or not at all; their names fit into file names."""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from official_yolact.cli import main
from official_yolact.data import parts
from official_yolact.files import storage
from official_yolact_runtime.files import outputs


def snapshot(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def coco(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    content = {
        "images": [{"id": at, "file_name": f"{at}.png", "height": 9, "width": 9} for at in range(1, 9)],
        "annotations": [
            {"id": at, "image_id": at, "category_id": 1, "segmentation": [[1, 1, 6, 1, 6, 6]], "iscrowd": 0}
            for at in range(1, 9)
        ],
        "categories": [{"id": 1, "name": "fig"}],
    }
    (tmp_path / "ann.json").write_text(json.dumps(content))
    return "ann.json"


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int) -> None:
    """Let one call of a function that writes find the disk full."""
    module = storage if name == "store" else outputs
    real, made = getattr(module, name), []

    def write(*args, **options):
        made.append(args)
        if len(made) == call:
            raise OSError(28, os.strerror(28), args[0])
        return real(*args, **options)

    monkeypatch.setattr(module, name, write)


COMMANDS = {
    "split": ("data", "split", "ann.json", "--output", "out", "--fractions", "a=0.25,b=0.25,c=0.5"),
    "shapes": ("data", "shapes", "--output", "out", "--train", "2", "--val", "1", "--size", "48", "--workers", "1"),
}  # fmt: skip


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("step", ["store", "move"])
@pytest.mark.parametrize("command", COMMANDS)
def test_where_one_part_cannot_be_written_none_is(
    command: str, step: str, call: int, coco: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    with monkeypatch.context() as patch:
        fail_at(patch, step, call)
        assert main.main(list(COMMANDS[command])) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "out/instances_" in told or step == "move"
    assert "No space left on device" in told
    assert not [name for name in os.listdir("out") if name.endswith((".json", ".incomplete"))]
    assert main.main(list(COMMANDS[command])) == 0
    assert len([name for name in os.listdir("out") if name.endswith(".json")]) in (2, 3)


def test_a_place_that_is_taken_leaves_the_others_as_they_are(coco: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "instances_c.json").write_text("mine")
    before = snapshot(tmp_path)
    assert main.main(list(COMMANDS["split"])) == 2
    assert snapshot(tmp_path) == before


def test_a_number_that_json_lacks_leaves_nothing(tmp_path: pathlib.Path) -> None:
    contents = {str(tmp_path / "o" / "a.json"): [1], str(tmp_path / "o" / "b.json"): [float("nan")]}
    with pytest.raises(ValueError, match=r"b\.json: is not written"):
        parts.write_json(contents, str(tmp_path / "o"))
    assert os.listdir(tmp_path / "o") == []


@pytest.mark.parametrize("text", ["A=0.5,a=0.5", "train=0.4,Train=0.3,val=0.3", "a=0.5,a=0.5"])
def test_names_that_differ_in_case_alone_are_refused(text: str, coco: str, capsys) -> None:
    assert main.main(["data", "split", "ann.json", "--output", "out", "--fractions", text]) == 2
    assert "name" in capsys.readouterr().err
    assert not os.path.exists("out")


def test_a_name_without_room_is_refused_before_a_folder_is_made(coco: str, capsys) -> None:
    os.makedirs("img")
    long = "x" * 201
    convert = ["data", "convert", "ann.json", "--images", "img", "--output", "out", "--split", long]
    split = ["data", "split", "ann.json", "--output", "out", "--fractions", f"{long}=0.5,b=0.5"]
    for words in (convert, split):
        assert main.main(words) == 2
        assert "201 characters: at most 200" in capsys.readouterr().err
        assert not os.path.exists("out")
    most = ["data", "split", "ann.json", "--output", "out", "--fractions", f"{'x' * 200}=0.5,b=0.5"]
    assert main.main(most) == 0


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
@pytest.mark.parametrize("name", ["p.yaml", "sub/p.yaml", "link.yaml"])
def test_a_configuration_replaces_no_file_of_the_photos(
    name: str, force: list[str], coco: str, tmp_path: pathlib.Path, capsys
) -> None:
    (tmp_path / "img" / "sub").mkdir(parents=True)
    for each in ("p.yaml", "sub/p.yaml"):
        (tmp_path / "img" / each).write_bytes(b"a photo")
    (tmp_path / "img" / "link.yaml").symlink_to(tmp_path / "img" / "p.yaml")
    before = snapshot(tmp_path)
    words = ["data", "init", "--train", "ann.json", "--val", "ann.json", "--images", "img"]
    assert main.main([*words, "--output", f"img/{name}", *force]) == 2
    assert f"img/{name}" in capsys.readouterr().err
    assert snapshot(tmp_path) == before
