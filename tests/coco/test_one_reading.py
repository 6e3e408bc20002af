"""An annotation file tells check, conversion and evaluation one story, whatever stands in its fields."""

from __future__ import annotations

import copy
import json
import math
import pathlib
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.cli import main
from official_yolact.evaluation import groundtruth

HEIGHT, WIDTH = 30, 40
SQUARE = [4.0, 5.0, 16.0, 5.0, 16.0, 15.0, 4.0, 15.0]
BOX, AREA = [4.0, 5.0, 12.0, 10.0], 120.0
RUNS = [4 * HEIGHT + 5, *([10, 20] * 11), 10, (WIDTH - 16) * HEIGHT + 15]
RLE = {"size": [HEIGHT, WIDTH], "counts": RUNS}
COMPRESSED = coco_mask.frPyObjects(RLE, HEIGHT, WIDTH)["counts"].decode()
POINTS = [SQUARE[at : at + 2] for at in range(0, 8, 2)]
NAMED = [{"x": x, "y": y} for x, y in POINTS]
ZIGZAG = [value for at in range(20_000) for value in (-100 + 200 * (at % 2), at % 30)]
FAR = [value for at in range(20_000) for value in (-8000 + 18_000 * (at % 2), at % 2000)]
MISSING = object()

SAME, CROWD, LEFT_OUT = "the object", "a crowd", "left out"

# Fields of one annotation beside two that are sound: what every command makes of it. A text in place of
# an outcome is what the one message says of the field.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "as it should be": ({}, SAME),
    "iscrowd 1": ({"iscrowd": 1}, CROWD),
    "iscrowd text 0": ({"iscrowd": "0"}, SAME),
    "iscrowd text 1": ({"iscrowd": "1"}, CROWD),
    "iscrowd false": ({"iscrowd": False}, SAME),
    "iscrowd null": ({"iscrowd": None}, SAME),
    "iscrowd missing": ({"iscrowd": MISSING}, SAME),
    "iscrowd 2": ({"iscrowd": 2}, "iscrowd is 2"),
    "iscrowd -1": ({"iscrowd": -1}, "iscrowd is -1"),
    "iscrowd text no": ({"iscrowd": "no"}, "iscrowd is 'no'"),
    "iscrowd list": ({"iscrowd": [0]}, "iscrowd is [0]"),
    "bbox missing": ({"bbox": MISSING}, SAME),
    "bbox null": ({"bbox": None}, SAME),
    "bbox empty": ({"bbox": []}, SAME),
    "bbox of three": ({"bbox": [4, 5, 12]}, "bbox is [4, 5, 12]"),
    "bbox of text": ({"bbox": ["4", 5, 12, 10]}, "bbox is '4'"),
    "bbox beyond floats": ({"bbox": [4, 5, 12, 10**400]}, "bbox is 1"),
    "bbox of negative width": ({"bbox": [16, 5, -12, 10]}, SAME),
    "bbox of negative height": ({"bbox": [4, 15, 12, -10]}, SAME),
    "bbox without width": ({"bbox": [4, 5, 0, 10]}, SAME),
    "bbox without width near a thin mask": (
        {"bbox": [4, 5, 0, 10], "segmentation": [[4, 5, 5, 5, 5, 15, 4, 15]]},
        LEFT_OUT,
    ),
    "bbox outside the image": ({"bbox": [50, 5, 12, 10]}, SAME),
    "bbox beyond the image": ({"bbox": [4, 5, 99, 99]}, SAME),
    "polygon not in a list": ({"segmentation": SQUARE}, SAME),
    "polygon of points": ({"segmentation": [[4, 5], [16, 5], [16, 15], [4, 15]]}, SAME),
    "polygon of points in a list": ({"segmentation": [[[4, 5], [16, 5], [16, 15], [4, 15]]]}, SAME),
    "a part of two points beside": ({"segmentation": [SQUARE, [1, 1, 2, 2]]}, SAME),
    "an empty part beside": ({"segmentation": [SQUARE, []]}, SAME),
    "polygon of odd length": ({"segmentation": [SQUARE[:-1]]}, "polygon"),
    "polygon of text": ({"segmentation": [["4", *SQUARE[1:]]]}, SAME),
    "polygon of text not in a list": ({"segmentation": [f"{v:g}" for v in SQUARE]}, SAME),
    "polygon of words": ({"segmentation": [["four", *SQUARE[1:]]]}, "number 0 is 'four'"),
    "polygon of points of text": ({"segmentation": [[str(v) for v in point] for point in POINTS]}, SAME),
    "polygon of points in two lists": ({"segmentation": [[POINTS]]}, SAME),
    "polygon of points in four lists": ({"segmentation": [[[[POINTS]]]]}, SAME),
    "polygon in two lists": ({"segmentation": [[SQUARE]]}, SAME),
    "contour of OpenCV": ({"segmentation": [[point] for point in POINTS]}, SAME),
    "contour of OpenCV in a list": ({"segmentation": [[[point] for point in POINTS]]}, SAME),
    "contour of OpenCV in two lists": ({"segmentation": [[[[point] for point in POINTS]]]}, SAME),
    "contour of text": ({"segmentation": [[[str(v) for v in point]] for point in POINTS]}, SAME),
    "two polygons in one list": ({"segmentation": [[POINTS, POINTS]]}, "number 0 is [["),
    "polygon of named points": ({"segmentation": NAMED}, SAME),
    "polygon of named points in a list": ({"segmentation": [NAMED]}, SAME),
    "polygon of named points of text": ({"segmentation": [{"x": "4", "y": "5.0"}, *NAMED[1:]]}, SAME),
    "polygon of points of other names": ({"segmentation": [{"u": 4, "v": 5}, *NAMED[1:]]}, "number 0 is {"),
    "run lengths in a list": ({"segmentation": [RLE]}, SAME),
    "run lengths of text in a list": (
        {"segmentation": [{**RLE, "counts": [str(run) for run in RUNS]}]},
        SAME,
    ),
    "run lengths of two in a list": ({"segmentation": [RLE, RLE]}, "number 0 is {"),
    "run lengths without size": ({"segmentation": {"counts": RUNS}}, SAME),
    "run lengths without size in a list": ({"segmentation": [{"counts": RUNS}]}, SAME),
    "compressed counts without size": ({"segmentation": {"counts": COMPRESSED}}, SAME),
    "run lengths without size of another image": ({"segmentation": {"counts": [*RUNS, 1]}}, "size is None"),
    "polygon of null": ({"segmentation": [[None, *SQUARE[1:]]]}, "number 0 is None"),
    "polygon far away": ({"segmentation": [[1e6, *SQUARE[1:]]]}, "number 0 is 1000000.0"),
    "outline too long": ({"segmentation": [ZIGZAG]}, "outline of 20000 points"),
    "outline too long and far": ({"segmentation": [FAR]}, "number"),
    "run lengths": ({"segmentation": RLE}, SAME),
    "run lengths in floats": ({"segmentation": {**RLE, "counts": [float(run) for run in RUNS]}}, SAME),
    "size in floats": ({"segmentation": {**RLE, "size": [30.0, 40.0]}}, SAME),
    "run lengths of another size": ({"segmentation": {**RLE, "size": [40, 30]}}, "size is [40, 30]"),
    "run lengths that do not add up": ({"segmentation": {**RLE, "counts": [3, 4]}}, "counts [3, 4]"),
    "run lengths below 0": ({"segmentation": {**RLE, "counts": [-1, 1201]}}, "counts"),
    "compressed counts damaged": ({"segmentation": {**RLE, "counts": "zz"}}, "counts is 'zz'"),
    "segmentation missing": ({"segmentation": MISSING}, "segmentation"),
    "segmentation empty": ({"segmentation": []}, "segmentation"),
    "segmentation of an empty list": ({"segmentation": [[]]}, "segmentation"),
    "segmentation a number": ({"segmentation": 3}, "segmentation is 3"),
    "area missing": ({"area": MISSING}, SAME),
    "area -1": ({"area": -1}, SAME),
    "area 0": ({"area": 0}, SAME),
    "area beyond the image": ({"area": 10**9}, SAME),
    "area text": ({"area": "120"}, "area is '120'"),
    "area beyond floats": ({"area": 10**400}, "area is 1"),
    "id missing": ({"id": MISSING}, "id is None"),
    "id text": ({"id": "2"}, SAME),
    "id 2.0": ({"id": 2.0}, SAME),
    "id 2.5": ({"id": 2.5}, "id is 2.5"),
    "id as another": ({"id": 1}, "ids occur more than once"),
    "image_id text": ({"image_id": "1"}, SAME),
    "image_id missing": ({"image_id": MISSING}, "image_id is None"),
    "image_id not listed": ({"image_id": 9}, LEFT_OUT),
    "category_id text": ({"category_id": "1"}, SAME),
    "category_id missing": ({"category_id": MISSING}, "category_id is None"),
    "category_id not listed": ({"category_id": 5}, "category_id is 5"),
}


def build(fields: dict[str, Any]) -> dict[str, Any]:
    """Build a file whose second annotation has these fields."""
    sound = {"image_id": 1, "category_id": 1, "bbox": BOX, "area": AREA, "iscrowd": 0}
    spoiled = {"id": 2, **sound, "segmentation": [SQUARE], **fields}
    moved = [value + 20.0 * (at % 2 == 0) for at, value in enumerate(SQUARE)]
    return {
        "images": [{"id": at, "file_name": f"{at}.png", "height": HEIGHT, "width": WIDTH} for at in (1, 2)],
        "annotations": [
            {"id": 1, **sound, "bbox": [24.0, *BOX[1:]], "segmentation": [moved]},
            {name: value for name, value in spoiled.items() if value is not MISSING},
            {"id": 3, **sound, "image_id": 2, "segmentation": [SQUARE]},
        ],
        "categories": [{"id": 1, "name": "fig"}, {"id": 2, "name": "date"}],
    }


@pytest.fixture
def work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for at in (1, 2):
        PIL.Image.new("RGB", (WIDTH, HEIGHT), (9 * at, 60, 90)).save(f"images/{at}.png")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main.main(list(words))
    told = capsys.readouterr()
    return code, told.out, told.err


def check(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """List the codes of findings that are more than a remark."""
    _, out, _ = run(capsys, "data", "check", "ann.json", "--json")
    return {row["code"] for row in json.loads(out)["findings"] if row["severity"] != "info"}


def list_converted() -> list[tuple[Any, ...]]:
    content = json.loads(pathlib.Path("out/instances-t.json").read_text())
    return sorted(describe(entry) for entry in content["annotations"])


def list_evaluated() -> list[tuple[Any, ...]]:
    truth = groundtruth.load_groundtruth("ann.json")
    return sorted(describe(entry) for entry in truth.mask_annotations)


def describe(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Give image, class, crowd, box cut to the image, area, and the mask's pixels."""
    x, y, width, height = entry["bbox"]
    box = (max(x, 0.0), max(y, 0.0), min(x + width, WIDTH), min(y + height, HEIGHT))
    given = entry["segmentation"]
    if isinstance(given, list):
        mask = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(given, HEIGHT, WIDTH)))
    elif isinstance(given["counts"], list):
        mask = coco_mask.decode(coco_mask.frPyObjects(given, HEIGHT, WIDTH))
    else:
        mask = coco_mask.decode(given)
    pixels = tuple(np.flatnonzero(mask).tolist())
    return (entry["image_id"], entry["category_id"], entry["iscrowd"], box, entry["area"], pixels)


CONVERT = ("data", "convert", "ann.json", "--images", "images", "--output", "out", "--split", "t")
EVAL = ("eval", "--detections", "found.json", "--annotations", "ann.json", "--json")


@pytest.mark.parametrize("name", CASES)
def test_check_conversion_and_evaluation_tell_one_story(
    name: str, work: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields, outcome = CASES[name]
    content = build(fields)
    pathlib.Path("ann.json").write_text(json.dumps(content))
    found = [
        {"image_id": at, "category_id": 1, "score": 0.9, "segmentation": [SQUARE], "bbox": BOX}
        for at in (1, 2)
    ]
    pathlib.Path("found.json").write_text(json.dumps(found))
    words = check(capsys)
    converted, evaluated = run(capsys, *CONVERT), run(capsys, *EVAL)
    if outcome not in (SAME, CROWD, LEFT_OUT):
        for code, _, told in (converted, evaluated):
            assert code == 2, told
            message = told.splitlines()[-1]
            assert "ann.json: annotation" in message
            assert outcome in message or "no segmentation, while others of the file have one" in message
        assert words, "the check passes what the other commands refuse"
        return
    assert (converted[0], evaluated[0]) == (0, 0), converted[2] + evaluated[2]
    objects = list_evaluated()
    if name == "bbox beyond the image":
        # The conversion writes the box of the mask, the evaluation measures the one that is there.
        assert [(*entry[:3], *entry[4:]) for entry in objects] == [
            (*entry[:3], *entry[4:]) for entry in list_converted()
        ]
    else:
        assert objects == list_converted()
    expected = build({} if outcome == SAME else {"iscrowd": 1})
    pathlib.Path("ann.json").write_text(json.dumps(expected))
    wanted = list_evaluated()
    if outcome == LEFT_OUT:
        assert len(objects) == 2
        assert set(objects) < set(wanted)
        assert words, "the check passes what the other commands leave out"
        assert "left out" in evaluated[2]
    elif name != "bbox beyond the image":
        assert objects == wanted
    # One detection of two equal objects: what is left is found wholly, or half of it.
    numbers = json.loads(evaluated[1].splitlines()[-1])
    assert numbers["mask_AR100"] == pytest.approx(2 / 3 if outcome == SAME else 1 / 2)


NAMES: dict[str, tuple[Any, str]] = {
    "a number": (7, "7"),
    "a number in a list": ([7], "7"),
    "a fraction": (0.5, "0.5"),
    "text in a list": (["pot"], "pot"),
    "nothing": (None, ""),
    "true": (True, ""),
    "beyond 64 bits": (10**400, ""),
    "two": (["pot", "pan"], ""),
    "an empty list": ([], ""),
    "a line break in a list": (["po\nt"], ""),
    "a list in a list": ([["pot"]], ""),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_is_no_text_is_refused_and_kept_by_the_repair(
    case: str, work: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, read = NAMES[case]
    content = build({})
    content["categories"][0]["name"] = name
    pathlib.Path("ann.json").write_text(json.dumps(content))
    _, out, _ = run(capsys, "data", "check", "ann.json", "--json", "--fix", "-o", "fixed.json")
    found = {row["code"] for row in json.loads(out)["findings"]}
    assert "D30" in found
    fixed = json.loads(pathlib.Path("fixed.json").read_text())
    assert [entry["name"] for entry in fixed["categories"]] == [read or "category_1", "date"]
    code, _, told = run(capsys, *CONVERT)
    assert (code, "categories[0]" in told) == (2, True)
    assert run(capsys, "data", "convert", "fixed.json", *CONVERT[3:])[0] == 0


RESULTS: dict[str, tuple[dict[str, Any], str]] = {
    "as it should be": ({}, SAME),
    "image_id text": ({"image_id": "1"}, SAME),
    "category_id 1.0": ({"category_id": 1.0}, SAME),
    "bbox of negative width": ({"bbox": [4, 5, -1, 10]}, "bbox is [4, 5, -1, 10]"),
    "bbox beyond floats": ({"bbox": [4, 5, 12, 10**400]}, "bbox is 1"),
    "bbox of text": ({"bbox": ["4", 5, 12, 10]}, "bbox is '4'"),
    "polygon of points": ({"segmentation": [[4, 5], [16, 5], [16, 15], [4, 15]]}, SAME),
    "a part of two points beside": ({"segmentation": [SQUARE, [1, 1, 2, 2]]}, SAME),
    "polygon of odd length": ({"segmentation": [SQUARE[:-1]]}, "polygon"),
    "outline too long": ({"segmentation": [ZIGZAG]}, "outline of 20000 points"),
    "outline too long and far": ({"segmentation": [FAR]}, "number"),
    "run lengths in floats": ({"segmentation": {**RLE, "counts": [float(run) for run in RUNS]}}, SAME),
    "run lengths of another size": ({"segmentation": {**RLE, "size": [40, 30]}}, "size is [40, 30]"),
    "score text": ({"score": "0.9"}, "score is '0.9'"),
    "score beyond floats": ({"score": 10**400}, "score is 1"),
    "image not listed": ({"image_id": 9}, "image_id is 9"),
    "segmentation missing": ({"segmentation": MISSING}, "no segmentation"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_results_entry_is_read_by_the_same_rule(
    name: str, work: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields, outcome = RESULTS[name]
    pathlib.Path("ann.json").write_text(json.dumps(build({})))
    sound = {"image_id": 1, "category_id": 1, "score": 0.9, "bbox": BOX, "segmentation": [SQUARE]}
    spoiled = {
        key: value for key, value in {**copy.deepcopy(sound), **fields}.items() if value is not MISSING
    }
    pathlib.Path("found.json").write_text(json.dumps([{**sound, "image_id": 2}, spoiled]))
    code, out, told = run(capsys, *EVAL)
    if outcome == SAME:
        assert code == 0, told
        assert math.isclose(json.loads(out.splitlines()[-1])["mask_AR100"], 2 / 3, rel_tol=1e-9)
        return
    assert code == 2
    assert "found.json: [1]" in told.splitlines()[-1]
    assert outcome in told.splitlines()[-1]
