"""YOLO segmentation: each layout is found, polygons come back in the records, bad lines are named."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.cli import main
from official_yolact.data.formats import yolo

HEIGHT, WIDTH = 40, 80
TRIANGLE = "0.1 0.2 0.55 0.25 0.3 0.9"
SQUARE = "0.25 0.5 0.5 0.5 0.5 0.75 0.25 0.75"


def write_image(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)


def write_labels(path: pathlib.Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Write data.yaml, two training images and one without labels, and a validation image."""
    result = tmp_path / "set"
    for name in ("train/b", "train/a", "train/none", "val/c"):
        write_image(result / "images" / f"{name}.png")
    write_labels(result / "labels/train/b.txt", f"1 {TRIANGLE}", "", f"0 {SQUARE}  ")
    write_labels(result / "labels/train/a.txt", f"0.0 {SQUARE}", "0 0.5 0.5 0.25 0.5")
    write_labels(result / "labels/val/c.txt", f"2 {TRIANGLE}")
    (result / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\nnames: [cat, dog, ox]\n"
    )
    return result


def read(source: pathlib.Path, tmp_path: pathlib.Path, **options: Any) -> tuple[Any, dict[str, Any]]:
    output = tmp_path / "made" / "coco.json"
    summary = yolo.write_coco(str(source), str(output), **options)
    return summary, json.loads(output.read_text())


def draw(text: str) -> np.ndarray:
    """Draw fractions with pycocotools."""
    points = np.array(text.split(), float) * np.tile([WIDTH, HEIGHT], len(text.split()) // 2)
    (part,) = coco_mask.frPyObjects([points.tolist()], HEIGHT, WIDTH)
    return coco_mask.decode(part) != 0


def test_the_records_hold_the_polygons(
    folder: pathlib.Path, tmp_path: pathlib.Path, convert_and_read: Callable[..., Any]
) -> None:
    summary, content = read(folder, tmp_path)
    assert (summary.images, summary.instances, summary.classes) == (3, 3, 3)
    assert summary.skipped == {"box_without_mask": 1, "image_without_label": 1}
    assert summary.images_dir == str(folder)
    names = ["images/train/a.png", "images/train/b.png", "images/train/none.png"]
    assert [image["file_name"] for image in content["images"]] == names
    assert [(entry["id"], entry["name"]) for entry in content["categories"]] == [
        (1, "cat"),
        (2, "dog"),
        (3, "ox"),
    ]
    stored = convert_and_read(str(tmp_path / "made" / "coco.json"), summary.images_dir)
    assert list(map(len, (stored[name] for name in names))) == [1, 2, 0]
    square = np.zeros((HEIGHT, WIDTH), bool)
    square[20:30, 20:40] = True
    label, _, mask = stored[names[0]][0]
    assert label == 1
    np.testing.assert_array_equal(mask, square)
    label, _, mask = stored[names[1]][0]
    assert label == 2
    np.testing.assert_array_equal(mask, draw(TRIANGLE))


def test_boxes_can_be_filled(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    summary, content = read(folder, tmp_path, boxes="fill")
    assert summary.skipped == {"image_without_label": 1}
    assert content["annotations"][1]["bbox"] == [30, 10, 20, 20]
    assert content["annotations"][1]["area"] == 400


def test_the_command_takes_the_folder_or_its_yaml(
    folder: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source in (folder, folder / "data.yaml"):
        command = [
            "data",
            "yolo",
            str(source),
            "--output",
            str(tmp_path / "a.json"),
            "--split",
            "val",
            "--json",
        ]
        assert main.main(command) == 0
        assert json.loads(capsys.readouterr().out)["images"] == 1


LAYOUTS: list[tuple[str, str]] = [
    ("mapping", "train: images/train\nnames: {0: cat, 1: dog, 2: ox}"),
    ("text keys", "train: images/train\nnames: {'0': cat, '1': dog}"),
    ("list of folders", "train: [images/train, images/val]\nnames: [a, b, c]"),
    ("beside", "train: ../images/train\nnames: [a, b, c]"),
    ("list of files", "train: list.txt\nnames: [a, b, c]"),
]


@pytest.mark.parametrize("text", [row[1] for row in LAYOUTS], ids=[row[0] for row in LAYOUTS])
def test_each_form_of_data_yaml_is_read(folder: pathlib.Path, tmp_path: pathlib.Path, text: str) -> None:
    (folder / "data.yaml").write_text(text)
    (folder / "list.txt").write_text("./images/train/b.png\nimages/train/a.png\n")
    _, content = read(folder, tmp_path)
    assert [image["file_name"] for image in content["images"]][:2] == [
        "images/train/a.png",
        "images/train/b.png",
    ]
    assert [entry["category_id"] for entry in content["annotations"]][:3] == [1, 2, 1]


def test_a_folder_without_yaml_has_classes_txt(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_text("cat\ndog\nox\n\n")
    assert read(folder, tmp_path, split="train")[0].images == 3
    assert read(folder, tmp_path, split="val")[0].images == 1
    assert read(folder, tmp_path)[0].images == 4


def test_labels_may_lie_beside_the_images(tmp_path: pathlib.Path) -> None:
    write_image(tmp_path / "flat" / "a.jpg")
    write_labels(tmp_path / "flat" / "a.txt", f"0 {TRIANGLE}")
    (tmp_path / "flat" / "classes.txt").write_text("cat")
    assert read(tmp_path / "flat", tmp_path)[0].instances == 1


def test_the_last_folder_images_becomes_labels() -> None:
    assert yolo.label_path("images/x/images/train/a.b.jpg") == "images/x/labels/train/a.b.txt"
    assert yolo.label_path("train/a.jpg") == "train/a.txt"


LINES: list[tuple[str, str, str]] = [
    ("nan", "0 0.1 nan 0.2 0.3 0.4 0.5", "number 2 is 'nan': give fractions of the image, 0 to 1"),
    ("infinite", "0 0.1 inf 0.2 0.3 0.4 0.5", "number 2 is 'inf'"),
    ("huge", "0 0.1 1e308 0.2 0.3 0.4 0.5", "number 2 is '1e308'"),
    ("beyond floats", "0 0.1 1e999 0.2 0.3 0.4 0.5", "number 2 is '1e999'"),
    ("negative", "0 -0.5 0.1 0.2 0.3 0.4 0.5", "number 1 is '-0.5'"),
    ("pixels", "0 12 30 40 50 60 70", "number 1 is '12'"),
    ("text", "0 a 0.1 0.2 0.3 0.4 0.5", "number 1 is 'a'"),
    ("underscore", "0 0.1_1 0.1 0.2 0.3 0.4 0.5", "number 1 is '0.1_1'"),
    ("odd", "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "7 numbers after the class"),
    ("two points", "0 0.1 0.2", "2 numbers after the class"),
    ("class alone", "0", "0 numbers after the class"),
    ("class text", f"cat {TRIANGLE}", "class is 'cat': give its number"),
    ("class negative", f"-1 {TRIANGLE}", "class is '-1'"),
    ("class half", f"0.5 {TRIANGLE}", "class is '0.5'"),
    ("class unknown", f"3 {TRIANGLE}", "has 3 classes, numbered 0 to 2"),
    ("class huge", f"{'9' * 5000} {TRIANGLE}", "class is '99"),
    ("flat box", "0 0.5 0.5 0 0.5", "the box is 0.0 wide"),
    ("bytes", "\x00\x01", "class is"),
]


@pytest.mark.parametrize(("line", "message"), [row[1:] for row in LINES], ids=[row[0] for row in LINES])
def test_a_bad_line_is_named_and_nothing_is_written(
    folder: pathlib.Path, tmp_path: pathlib.Path, line: str, message: str
) -> None:
    write_labels(folder / "labels/train/b.txt", f"1 {TRIANGLE}", line)
    with pytest.raises(ValueError, match="labels/train/b.txt: line 2: ") as caught:
        read(folder, tmp_path)
    assert message in str(caught.value)
    assert not (tmp_path / "made").exists()


def _yaml(text: str) -> Callable[[pathlib.Path], Any]:
    return lambda folder: (folder / "data.yaml").write_text(text)


def _remove_labels(folder: pathlib.Path) -> None:
    for path in (folder / "labels").rglob("*.txt"):
        path.unlink()


BAD: list[tuple[str, Callable[[pathlib.Path], Any], str]] = [
    ("no yaml", _yaml("train: [\n"), "is not valid YAML"),
    ("code", _yaml("train: !!python/object/apply:os.system [ls]"), "data.yaml:1: train: !!python/object"),
    (
        "number twice",
        _yaml("train: images/train\nnames:\n  0: a\n  1: b\n  1: c"),
        "data.yaml:5: names.1: key '1' stands on line 4 and again on line 5",
    ),
    ("control", _yaml('train: images/train\nnames: ["a\\x1b[2J"]'), "names[0]: 'a\\x1b[2J' holds a control"),
    ("octal", _yaml("train: images/train\nnames: {010: a}\npath: 010"), "is read as 8"),
    (
        "aliases",
        _yaml("a: &a [" + "x," * 99 + "]\nb: &b [" + "*a," * 99 + "]\nnames: [" + "*b," * 99 + "]"),
        "has aliases that come to",
    ),
    ("list", _yaml("[1]"), "data.yaml: [1]: give train, val and names"),
    ("no names", _yaml("train: images/train"), "the classes are None"),
    ("names twice", _yaml("train: images/train\nnames: [a, a]"), "the name 'a' occurs twice"),
    ("names of lists", _yaml("train: images/train\nnames: [[a]]"), "class 0 is ['a']: give its name"),
    ("names at -1", _yaml("train: images/train\nnames: {-1: a}"), "numbers start at 0"),
    ("no split", _yaml("val: images/val\nnames: [a]"), "train is None: name its folder"),
    ("missing folder", _yaml("train: images/x\nnames: [a]"), "train is 'images/x', but there is no"),
    ("outside", _yaml("train: /etc\nnames: [a]"), "train is '/etc', which leads out of"),
    ("path outside", _yaml("path: ../../other\ntrain: x\nnames: [a]"), "name that folder with --root"),
    ("path number", _yaml("path: 3\ntrain: x\nnames: [a]"), "path is 3: name a folder"),
    ("list outside", lambda d: _list_outside(d), "list.txt: line 2 is '/etc/hostname'"),
    ("no labels", _remove_labels, "no such file, nor labels of another of the 3 images"),
    ("no yaml, no classes", lambda d: (d / "data.yaml").unlink(), "neither data.yaml nor classes.txt"),
    ("bad image", lambda d: (d / "images/train/a.png").write_text("x"), "a.png: cannot be read as an image"),
    ("no objects", lambda d: write_labels(d / "labels/train/b.txt"), "none of its 3 images has an object"),
]


def _list_outside(folder: pathlib.Path) -> None:
    (folder / "data.yaml").write_text("train: list.txt\nnames: [a]")
    (folder / "list.txt").write_text("images/train/a.png\n/etc/hostname\n")


@pytest.mark.parametrize(("spoil", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_cannot_be_used_is_named_and_nothing_is_written(
    folder: pathlib.Path, tmp_path: pathlib.Path, spoil: Callable[[pathlib.Path], Any], message: str
) -> None:
    if message.startswith("none of"):
        write_labels(folder / "labels/train/a.txt")
    spoil(folder)
    with pytest.raises((OSError, ValueError)) as caught:
        read(folder, tmp_path)
    assert message in str(caught.value)
    assert not (tmp_path / "made").exists()


def test_what_is_wrong_in_keys_that_are_not_used_is_passed_over(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (folder / "data.yaml").write_text(
        "train: images/train\nnames: [a, b, c]\nmade: 2024-05-01\nroboflow: {version: 010, version: 1}\n"
    )
    assert read(folder, tmp_path)[0].images == 3


def test_the_root_can_be_named(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "data.yaml").write_text("path: ../datasets/set\ntrain: images/train\nnames: [a, b, c]")
    assert read(tmp_path / "data.yaml", tmp_path, root=str(folder))[0].images == 3


@pytest.mark.parametrize("kind", ["pipe", "dangling link", "folder"])
@pytest.mark.parametrize("name", ["labels/train/a.txt", "labels/train/spare.txt", "data.yaml"])
def test_what_is_no_file_is_no_missing_label(
    folder: pathlib.Path, tmp_path: pathlib.Path, name: str, kind: str
) -> None:
    place = folder / name
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "dangling link":
        place.symlink_to("zz")
    else:
        place.mkdir()
    if (name, kind) == ("labels/train/spare.txt", "folder"):  # no label, and no image wants it
        assert read(folder, tmp_path)[0].images == 3
        return
    with pytest.raises((OSError, ValueError)) as caught:
        read(folder, tmp_path)
    assert name in str(caught.value)


def test_a_link_out_of_the_set_is_refused(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for name in ("labels/train/a.txt", "images/train/a.png"):
        (folder / name).rename(tmp_path / "elsewhere")
        (folder / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ValueError, match=f"{name}: a link that leads out of"):
            read(folder, tmp_path)


def test_mutated_labels_are_read_or_refused(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    random, path = np.random.default_rng(0), folder / "labels/train/b.txt"
    whole, outcomes, messages = path.read_bytes(), set(), []
    for turn in range(200):
        data = bytearray(whole)
        for at in random.integers(0, len(data), 2):
            data[at] = random.integers(256) if turn % 2 else random.choice(list(b"0123456789.-e "))
        path.write_bytes(data)
        try:
            outcomes.add(type(read(folder, tmp_path)[0]))
        except ValueError as error:
            outcomes.add(type(error))
            messages.append(str(error))
    assert len(outcomes) == 2
    assert [message for message in messages if f"{path}: line " not in message] == []


def test_pixels_with_two_decimals_survive_six_digits(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    corners = [3.1, 7.5, 66.67, 9.99, 41.23, 38.5]
    fractions = [value / side for value, side in zip(corners, [WIDTH, HEIGHT] * 3, strict=True)]
    for form in ("{:.6f}", "{:.9f}", "{!r}"):
        write_labels(folder / "labels/train/b.txt", "0 " + " ".join(map(form.format, fractions)))
        assert read(folder, tmp_path)[1]["annotations"][-1]["segmentation"] == [corners]
