"""Names that no terminal, file name or picture can show are refused where they are read, by one rule."""

from __future__ import annotations

import json
import pathlib
import sys
import unicodedata
from typing import Any

import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.configs import yaml_document
from official_yolact_runtime import categories
from official_yolact_runtime.files import json_text

TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
SOME = {
    "escape": "\x1b",
    "delete": "\x7f",
    "next_line": "\x85",
    "line": "\u2028",
    "override": "\u202e",
    "isolate": "\u2066",
}
HUGE = {
    "huge": "1" + "0" * 400,
    "fraction": "1.5",
    "text": '"x"',
    "null": "null",
    "none": "2" * 20,
}


def is_harmful(letter: str) -> bool:
    return (
        unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs")
        or unicodedata.bidirectional(letter) in TURNING
    )


def test_the_rule_is_that_of_unicode_for_every_character() -> None:
    letters = [chr(code) for code in range(0x3000)] + [
        chr(code) for code in range(0xD700, sys.maxunicode, 97)
    ]
    harmful = {letter for letter in letters if is_harmful(letter)}
    assert len(harmful) > 70
    for letter in letters:
        assert json_text.has_control(letter) == (letter in harmful)
        assert json_text.has_control(letter, in_lines=True) == (letter in harmful - set("\t\n\r"))
    shown = json_text.escape_control("".join(sorted(harmful)))
    assert not {letter for letter in shown if letter in harmful} - set("\t\n")


def photo(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (40, 30), (9, 80, 120)).save(path)


def coco(entry: dict[str, Any]) -> str:
    ring = [[2, 2, 20, 2, 20, 20, 2, 20]]
    annotation = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "segmentation": ring,
        "bbox": [2, 2, 18, 18],
        "area": 324,
        "iscrowd": 0,
    }
    image = {"id": 1, "file_name": "a.png", "height": 30, "width": 40}
    return json.dumps({"images": [image], "annotations": [annotation], "categories": [{"id": 1, **entry}]})


def prepare(folder: pathlib.Path, letter: str) -> dict[str, tuple[list[str], str]]:
    """Write the files of every door; give the words of each command and what its message names."""
    name = f"fi{letter}g"
    photo(folder / "photos/a.png")
    (folder / "name.json").write_text(coco({"name": name}))
    (folder / "super.json").write_text(coco({"name": "fig", "supercategory": name}))
    photo(folder / "yolo/images/a.png")
    (folder / "yolo/labels").mkdir()
    (folder / "yolo/labels/a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    (folder / "cls.txt").write_text(f"{name}\n", encoding="utf-8")
    (folder / "cls.yaml").write_text(json.dumps({"names": [name]}))
    photo(folder / "labelme/a.png")
    shape = {"label": name, "points": [[2, 2], [20, 2], [20, 20]], "shape_type": "polygon"}
    (folder / "labelme/a.json").write_text(json.dumps({"shapes": [shape], "imagePath": "a.png"}))
    PIL.Image.new("L", (40, 30), 1).save(folder / "a.png")
    (folder / "masks").mkdir()
    (folder / "a.png").rename(folder / "masks/a.png")
    out = ["--output", str(folder / "out.json")]

    def check(file: str) -> list[str]:
        return ["data", "check", str(folder / file), "--no-images"]

    def convert(file: str) -> list[str]:
        return [
            "data",
            "convert",
            str(folder / file),
            "--images",
            str(folder / "photos"),
            "--output",
            str(folder / "rec"),
            "--split",
            "t",
        ]

    masks = ["data", "masks", str(folder / "photos"), str(folder / "masks"), *out]
    yolo = ["data", "yolo", str(folder / "yolo"), *out]
    return {
        "check": (check("name.json"), "name.json: categories[0]: name"),
        "convert": (convert("name.json"), "name.json: categories[0]: name"),
        "check, supercategory": (check("super.json"), "super.json: categories[0]: supercategory"),
        "convert, supercategory": (convert("super.json"), "super.json: categories[0]: supercategory"),
        "yolo, text": ([*yolo, "--classes", str(folder / "cls.txt")], "cls.txt: line 1"),
        "yolo, YAML": ([*yolo, "--classes", str(folder / "cls.yaml")], "cls.yaml"),
        "labelme": (["data", "labelme", str(folder / "labelme"), *out], "a.json: shapes[0]: label"),
        "masks": ([*masks, "--name", name], "--name"),
        "masks, text": ([*masks, "--classes", str(folder / "cls.txt")], "cls.txt: line 1"),
    }  # fmt: skip


@pytest.mark.parametrize("letter", SOME.values(), ids=SOME)
def test_every_command_refuses_such_a_name_and_writes_nothing(
    letter: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for door, (words, named) in prepare(tmp_path, letter).items():
        assert main.main(words) == 2, door
        error = capsys.readouterr().err
        assert named in error, (door, error)
        assert letter not in error, door
        assert not (tmp_path / "out.json").exists(), door
    for name in ("cls.txt", "name.json", "super.json"):
        with pytest.raises(ValueError, match=f"{name}.* holds a control character"):
            categories.read_classes(str(tmp_path / name))
    assert yaml_document.YamlDocument(json.dumps({"a": f"b{letter}c"}), "c.yaml").findings


def test_new_lines_stay_in_longer_texts_of_a_configuration_only(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not yaml_document.YamlDocument('a: "b\\n\\tc"', "c.yaml").findings
    doors = prepare(tmp_path, "\n")
    for door in ("check", "convert", "check, supercategory", "yolo, YAML", "labelme", "masks"):
        assert main.main(doors[door][0]) == 2, door
        assert doors[door][1] in capsys.readouterr().err, door


def test_without_such_a_letter_every_door_is_open(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for door, (words, _) in prepare(tmp_path, "\u00e9").items():
        assert main.main(words) != 2, (door, capsys.readouterr().err)
        (tmp_path / "out.json").unlink(missing_ok=True)


@pytest.mark.parametrize("number", HUGE.values(), ids=HUGE)
def test_ids_of_categories_are_judged_by_one_rule(
    number: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ids.json"
    path.write_text(
        coco({"name": "fig"}).replace('"categories": [{"id": 1', f'"categories": [{{"id": {number}')
    )
    for read in (categories.Categories.load, categories.read_classes):
        # A number that no float holds is refused before it is an id.
        told = r"ids\.json: .*(categories\[0\]: id is .*: give an integer|number '10.*0' is not finite)"
        with pytest.raises(ValueError, match=told):
            read(str(path))
    photo(tmp_path / "photos/a.png")
    assert (
        main.main(
            [
                "data",
                "convert",
                str(path),
                "--images",
                str(tmp_path / "photos"),
                "--output",
                str(tmp_path / "rec"),
                "--split",
                "t",
            ]
        )
        == 2
    )
    if number not in ("1.5", '"x"', "null"):
        assert "ids.json" in capsys.readouterr().err


def test_ids_that_are_whole_floats_or_digits_are_integers_to_every_reader(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.json"
    for number in ("7.0", '"7"', "7"):
        path.write_text(f'{{"categories": [{{"id": {number}, "name": "fig"}}]}}')
        assert (
            categories.Categories.load(str(path))
            == categories.read_classes(str(path))
            == categories.Categories((7,), ("fig",))
        )
