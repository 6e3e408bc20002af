"""What is unusual about annotations is found by the check, and said by every command that uses the file."""

from __future__ import annotations

import copy
import itertools
import json
import pathlib
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.cli import main
from official_yolact.coco import twins
from official_yolact.dataloaders import manifests
from official_yolact_runtime import categories as categories_lib

HEIGHT, WIDTH = 96, 128
Data = dict[str, Any]
Spoil = Callable[[Data], Any]


def make_data() -> Data:
    """Make three photos of three squares each, of two classes."""
    annotations = []
    for at in range(9):
        x, y, side = 6 + 36 * (at % 3), 10 + 5 * (at % 4), 24 + at
        square = [x, y, x + side, y, x + side, y + side, x, y + side]
        ids = {"id": at + 1, "image_id": 1 + at // 3, "category_id": 1 + at % 2}
        annotations.append(
            {**ids, "bbox": [x, y, side, side], "area": side**2, "iscrowd": 0, "segmentation": [square]}
        )
    return {
        "images": [
            {"id": at, "file_name": f"{at}.png", "height": HEIGHT, "width": WIDTH} for at in (1, 2, 3)
        ],
        "annotations": annotations,
        "categories": [
            {"id": 1, "name": "café bar", "supercategory": "shop"},
            {"id": 2, "name": "date", "supercategory": "fruit"},
        ],
    }


def as_code(entry: Data) -> Data:
    code = coco_mask.merge(coco_mask.frPyObjects(entry["segmentation"], HEIGHT, WIDTH))
    return {"segmentation": {"size": [HEIGHT, WIDTH], "counts": code["counts"].decode()}}


def widened(entry: Data) -> Data:
    """Draw a rectangle a pixel wider."""
    x, y, width, height = entry["bbox"]
    right, bottom = x + width + 1, y + height
    return {"segmentation": [[x, y, right, y, right, bottom, x, bottom]], "bbox": [x, y, width + 1, height]}


def strip(data: Data, change: Callable[[Data], Data] = lambda entry: {}) -> None:
    """Remove all boxes and areas."""
    for entry in data["annotations"]:
        entry.update(change(entry) if isinstance(entry["segmentation"], list) else {})
        del entry["bbox"], entry["area"]


def again(change: Callable[[Data], Data], **fields: Any) -> Spoil:
    """List the second object once more, as annotation 50."""

    def spoil(data: Data) -> None:
        entry = copy.deepcopy(data["annotations"][1])
        data["annotations"].append({**entry, "id": 50, **change(entry), **fields})

    return spoil


def listed_as(name: str) -> Spoil:
    """List the first photo once more as image 9, with one of its objects."""

    def spoil(data: Data) -> None:
        data["images"].append({**data["images"][0], "id": 9, "file_name": name})
        data["annotations"][2]["image_id"] = 9

    return spoil


def class_named(name: str) -> Spoil:
    """Make a third class with objects."""

    def spoil(data: Data) -> None:
        data["categories"].append({"id": 3, "name": name})
        for at in (3, 6):
            data["annotations"][at]["category_id"] = 3

    return spoil


def category(**fields: Any) -> Spoil:
    return lambda data: data["categories"].append(fields)


TWICE = "1 object is listed twice: annotations 2 and 50"
TWO_CLASSES = "1 object is listed under two classes: annotations 2 and 50"
IMAGES = "1 photo is listed as several images"
ALIKE = "differ in case, spaces or Unicode form only: convert with --rename"
EMPTY = "1 class has no object: 'nut'"

KINDS: dict[str, tuple[Spoil, str, str]] = {
    "a copy": (again(lambda entry: {}), "D08", TWICE),
    "a copy as run lengths": (again(as_code), "D08", TWICE),
    "a copy where no object has a box": (lambda data: (again(lambda e: {})(data), strip(data)), "D08", TWICE),
    "run lengths where no object has a box": (
        lambda data: (again(as_code)(data), strip(data, as_code)),
        "D08",
        TWICE,
    ),
    "a copy of points": (
        again(lambda e: {"segmentation": np.reshape(e["segmentation"][0], (-1, 2)).tolist()}),
        "D08",
        TWICE,
    ),
    "a copy drawn a pixel wider": (again(widened), "D08", TWICE),
    "a copy of another class": (again(lambda entry: {}, category_id=1), "D09", TWO_CLASSES),
    "a copy of another class as run lengths": (again(as_code, category_id=1), "D09", TWO_CLASSES),
    "another class a pixel wider": (
        again(widened, category_id=1),
        "D09",
        TWO_CLASSES,
    ),
    "a photo twice": (listed_as("1.png"), "D22", IMAGES),
    "a photo twice by another path": (listed_as("./1.png"), "D22", IMAGES),
    "a photo twice by a path with dots": (listed_as("sub/../1.png"), "D22", IMAGES),
    "a name in capitals": (class_named("DATE"), "D39", ALIKE),
    "a name with a space behind": (class_named("date "), "D39", ALIKE),
    "a name with a space that does not break": (class_named("café\u00a0bar"), "D39", ALIKE),
    "a name in decomposed form": (class_named(unicodedata.normalize("NFD", "café bar")), "D39", ALIKE),
    "a name of full width": (class_named("\uff44\uff41\uff54\uff45"), "D39", ALIKE),
    "a name with a space of no width": (class_named("da\u200bte"), "D39", ALIKE),
    "two classes of one name": (
        class_named("date"),
        "D29",
        "1 class name is that of several categories: 'date'",
    ),
    "an empty class": (category(id=3, name="nut", supercategory="fruit"), "D16", EMPTY),
    "an empty class without a group": (category(id=7, name="nut"), "D16", EMPTY),
    "an empty class first": (lambda d: d["categories"].insert(0, {"id": 0, "name": "nut"}), "D16", EMPTY),
    "a root": (
        category(id=0, name="fruit", supercategory="none"),
        "D18",
        "1 class is only the supercategory of others: 'fruit'",
    ),
}


@pytest.fixture
def work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Spoil | None], Data]:
    """Write spoiled annotations a.json with photos, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for at in (1, 2, 3):
        pixels = np.random.default_rng(at).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(f"{at}.png")

    def write(spoil: Spoil | None) -> Data:
        data = make_data()
        if spoil is not None:
            spoil(data)
        pathlib.Path("a.json").write_text(json.dumps(data))
        return data

    return write


CONVERT = ("data", "convert", "a.json", "--images", ".", "--output", "out", "--split", "train")
SAYING = (
    CONVERT,
    ("data", "stats", "a.json", "--images", "."),
    (
        "data",
        "init",
        "--train",
        "a.json",
        "--val",
        "a.json",
        "--images",
        ".",
        "--output",
        "c.yaml",
        "--force",
    ),
)


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main.main(list(words)) == code
    told = capsys.readouterr()
    return told.out, told.err


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_found_by_the_check_and_said_by_the_commands(
    name: str, work: Callable[[Spoil | None], Data], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, code, sentence = KINDS[name]
    work(spoil)
    rows = json.loads(run(capsys, "data", "check", "a.json", "--images", ".", "--json", code=1)[0])[
        "findings"
    ]
    assert code in {row["code"] for row in rows}
    for words in SAYING:
        told = run(capsys, *words)[1].splitlines()
        said = [line for line in told if line.startswith("a.json: ") and sentence in line]
        assert said, (words, told)
        assert "yolact data check a.json --images . shows more" in told
        if words[:2] in {("data", "stats"), ("data", "init")}:
            listed = json.loads(run(capsys, *words, "--json")[0])["notes"]
            assert any(sentence in line for line in (listed["val"] if "init" in words else listed))
    # A training says what the manifest holds.
    lines = manifests.list_notes("out/train-*.tfrecord")
    assert any(line.startswith("a.json: ") and sentence in line for line in lines), lines
    assert lines[-1] == "yolact data check a.json --images . shows more"


def test_nothing_is_said_of_usual_annotations(
    work: Callable[[Spoil | None], Data], capsys: pytest.CaptureFixture[str]
) -> None:
    work(None)
    assert main.main(["data", "check", "a.json", "--images", "."]) == 0
    for words in SAYING:
        assert "shows more" not in run(capsys, *words)[1]
    assert manifests.list_notes("out/train-*.tfrecord") == []


def test_a_conversion_says_which_photos_are_equal_under_several_names(
    work: Callable[[Spoil | None], Data], capsys: pytest.CaptureFixture[str]
) -> None:
    work(lambda data: data["images"][2].update(file_name="sub/copy.png"))
    pathlib.Path("sub/copy.png").write_bytes(pathlib.Path("1.png").read_bytes())
    told = run(capsys, *CONVERT, "--shards", "3")[1]
    assert (
        "a.json: 1 photo has files of several names with the same bytes: '1.png' and 'sub/copy.png'" in told
    )


def test_an_evaluation_says_that_objects_are_listed_twice(
    work: Callable[[Spoil | None], Data], capsys: pytest.CaptureFixture[str]
) -> None:
    data = work(again(lambda entry: {}))
    found = [
        {key: entry[key] for key in ("image_id", "category_id", "bbox", "segmentation")} | {"score": 0.9}
        for entry in data["annotations"][:9]
    ]
    pathlib.Path("found.json").write_text(json.dumps(found))
    out, told = run(capsys, "eval", "--detections", "found.json", "--annotations", "a.json", "--json")
    assert f"a.json: {TWICE}" in told
    assert "yolact data check a.json shows more" in told
    assert json.loads(out.splitlines()[-1])["mask_AP"] < 0.99


@pytest.mark.parametrize("missing", [[], None, "absent"], ids=["empty", "null", "absent"])
def test_an_evaluation_against_boxes_alone_measures_boxes(
    missing: Any, work: Callable[[Spoil | None], Data], capsys: pytest.CaptureFixture[str]
) -> None:
    data = work(None)
    found = [
        {key: entry[key] for key in ("image_id", "category_id", "bbox", "segmentation")} | {"score": 0.9}
        for entry in data["annotations"]
    ]
    pathlib.Path("found.json").write_text(json.dumps(found))
    pathlib.Path("masks.json").write_text(
        json.dumps([{key: value for key, value in one.items() if key != "bbox"} for one in found])
    )
    for entry in data["annotations"]:
        entry["segmentation"] = missing
        if missing == "absent":
            del entry["segmentation"]
    pathlib.Path("a.json").write_text(json.dumps(data))
    out, told = run(capsys, "eval", "--detections", "found.json", "--annotations", "a.json", "--json")
    numbers = json.loads(out.splitlines()[-1])
    assert numbers["box_AP"] == pytest.approx(1.0)
    assert "mask_AP" not in numbers
    assert "a.json: no annotation has a mask: mask AP is not measured" in told
    refused = run(capsys, "eval", "--detections", "masks.json", "--annotations", "a.json", code=2)[1]
    assert "no annotation has a segmentation: masks cannot be measured against it" in refused


def test_a_repair_removes_copies_of_one_class_and_leaves_what_may_be_two_objects(
    work: Callable[[Spoil | None], Data], capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(data: Data) -> None:
        again(lambda entry: {})(data)
        again(as_code, id=51)(data)
        again(widened, id=52)(data)
        again(lambda entry: {}, id=53, category_id=1)(data)

    work(spoil)
    fix = ["data", "check", "a.json", "--images", ".", "--fix", "-o", "b.json", "--json"]
    fixed = json.loads(run(capsys, *fix, code=1)[0])["fixed"]
    assert fixed["repaired"] == {"D08": 2}
    assert fixed["account"]["annotations"] == {"in": 13, "kept": 11, "removed": {"D08": 2}, "joined": 2}
    left = {row["code"]: [one["id"] for one in row["first"]] for row in fixed["findings"]}
    assert (left["D08"], left["D09"]) == ([52], [53])
    kept = [entry["id"] for entry in json.loads(pathlib.Path("b.json").read_text())["annotations"]]
    assert kept == [*range(1, 10), 52, 53]


def test_the_rename_that_is_shown_makes_the_classes_one(
    work: Callable[[Spoil | None], Data], capsys: pytest.CaptureFixture[str]
) -> None:
    work(class_named("Date "))
    told = run(capsys, *CONVERT)[1]
    assert "--rename 'Date =date' makes them one" in told
    told = run(capsys, *CONVERT, "--rename", "Date =date")[1]
    assert "shows more" not in told
    assert [
        c["name"] for c in json.loads(pathlib.Path("out/instances-train.json").read_text())["categories"]
    ] == [
        "café bar",
        "date",
    ]


def draw_objects(seed: int) -> twins.Objects:
    """Draw rectangles in two images, of which some are moved copies of others, one way or the other written."""
    rng = np.random.default_rng(seed)
    boxes = np.zeros((60, 4))
    for at in range(60):
        if at % 3 and at:
            boxes[at] = boxes[rng.integers(at)] + rng.choice([0, 0, 1, 2]) * rng.choice([0.0, 0.3, 1.0], 4)
        else:
            x, y, w, h = rng.uniform(0, 60), rng.uniform(0, 40), rng.uniform(8, 60), rng.uniform(8, 50)
            boxes[at] = x, y, x + w, y + h
    segmentations: list[Any] = [[[a, b, c, b, c, d, a, d]] for a, b, c, d in boxes.tolist()]
    for at in range(0, 60, 7):
        segmentations[at] = as_code({"segmentation": segmentations[at]})["segmentation"]
    return twins.Objects(
        rng.integers(0, 2, 60), boxes, segmentations, np.tile([float(HEIGHT), float(WIDTH)], (60, 1))
    )


@pytest.mark.parametrize("seed", range(6), ids=lambda seed: f"draw {seed}")
def test_twins_are_those_of_a_comparison_of_every_pair(seed: int) -> None:
    objects = draw_objects(seed)
    codes = [
        s if isinstance(s, dict) else coco_mask.merge(coco_mask.frPyObjects(s, HEIGHT, WIDTH))
        for s in objects.segmentations
    ]
    expected = {
        (first, second)
        for first, second in itertools.combinations(range(60), 2)
        if objects.images[first] == objects.images[second]
        and coco_mask.iou([codes[first]], [codes[second]], [0])[0, 0] >= twins.MIN_IOU
    }
    found = {(pair.first, pair.second) for pair in twins.find(objects)}
    assert found == expected
    assert found


def test_five_thousand_objects_that_are_listed_twice_are_found() -> None:
    corner = np.stack(np.meshgrid(np.arange(100) * 40.0, np.arange(50) * 40.0), axis=-1).reshape(-1, 2)
    one = np.concatenate([corner, corner + 30], axis=1)
    boxes = np.concatenate([one, one])
    segmentations = [[[a, b, c, b, c, d, a, d]] for a, b, c, d in boxes.tolist()]
    found = twins.find(
        twins.Objects(np.zeros(10_000, np.int64), boxes, segmentations, np.full((10_000, 2), 4000.0))
    )
    assert [(pair.first, pair.second, pair.is_exact) for pair in found] == [
        (at, at + 5000, True) for at in range(5000)
    ]


def test_names_that_differ_in_a_letter_are_not_alike() -> None:
    names = ["date", "dates", "da-te", "fig", "Fig", " fig", "été", "ete"]
    assert categories_lib.group_alike(names) == [["fig", "Fig", " fig"]]
