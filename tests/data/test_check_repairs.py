"""Repairs keep what other forms of the same thing hold, and do not work against each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from official_yolact.data.checking import check
from official_yolact.data.checking import meaning
from official_yolact.data.checking import repair

Case = Any
AREA = 96 * 128


def _fix(case: Case, *, against: str | None = None) -> dict[str, Any]:
    checked = check.check_file(case.write(), check.Options(against=against))
    return repair.repair(checked, meaning.Target()).view.content


def _names(content: dict[str, Any]) -> dict[str, int]:
    """Count the objects of each class name."""
    names = {category["id"]: category["name"] for category in content["categories"]}
    counts = dict.fromkeys(names.values(), 0)
    for annotation in content["annotations"]:
        counts[names[annotation["category_id"]]] += 1
    return counts


def _add_root(case: Case, name: str) -> None:
    for category in case.data["categories"]:
        category["supercategory"] = name
    case.data["categories"].insert(0, {"id": 0, "name": name, "supercategory": "none"})


def test_a_class_that_has_the_name_of_the_root_keeps_its_objects(coco_case: Case) -> None:
    _add_root(coco_case, "date")
    content = _fix(coco_case)
    assert _names(content) == {"fig": 6, "date": 6}
    assert [category["id"] for category in content["categories"]] == [1, 2]


def test_a_class_that_only_the_other_split_has_objects_of_is_no_root(coco_case: Case) -> None:
    _add_root(coco_case, "fruit")
    keep = json.dumps(coco_case.data)
    coco_case.data["annotations"][0]["category_id"] = 0
    other = coco_case.write("other.json")
    coco_case.data = json.loads(keep)
    assert _names(_fix(coco_case, against=other)) == {"fruit": 0, "fig": 6, "date": 6}
    assert _names(_fix(coco_case)) == {"fig": 6, "date": 6}


def test_a_category_whose_id_another_shares_is_no_root(coco_case: Case) -> None:
    _add_root(coco_case, "fruit")
    coco_case.data["categories"].append({**coco_case.data["categories"].pop(0), "id": 1})
    assert [category["name"] for category in _fix(coco_case)["categories"]] == ["fig", "date", "fruit"]


def test_a_category_without_a_name_takes_none_that_another_has(coco_case: Case) -> None:
    coco_case.data["categories"] = [{"id": 1}, {"id": 2, "name": "category_1"}]
    assert _names(_fix(coco_case)) == {"category_1_": 6, "category_1": 6}


def test_entries_of_one_file_but_of_two_sizes_are_not_joined(coco_case: Case) -> None:
    first, second, _ = coco_case.data["images"]
    second.update(file_name=first["file_name"])
    first.update(height=70, width=70)
    coco_case.data["annotations"][4]["segmentation"] = {"size": [96, 128], "counts": [5, 40, AREA - 45]}
    assert len(_fix(coco_case)["annotations"]) == 12
    first.update(height=96, width=128)
    content = _fix(coco_case)
    assert (len(content["images"]), len(content["annotations"])) == (2, 12)


@pytest.mark.parametrize("side", [10**5, 10**9, 10**18])
@pytest.mark.parametrize("stated", [1, 3])
def test_a_size_that_no_photo_has_is_mended_and_removes_nothing(
    side: int, stated: int, coco_case: Case
) -> None:
    expected = json.loads(json.dumps(coco_case.data))
    for entry in coco_case.data["images"][:stated]:
        entry.update(height=side, width=side)
    options = check.Options(images_dir=str(coco_case.images))
    checked = check.check_file(coco_case.write(), options)
    found = {finding.code: finding.count for finding in checked.found}
    assert found["D04"] == stated
    assert "D47" not in found
    repaired = repair.repair(checked, meaning.Target())
    assert repaired.view.content == expected
    unseen = repair.repair(check.check_file(coco_case.write(), check.Options()), meaning.Target())
    assert len(unseen.view.content["images"]) == 3
    assert len(unseen.view.content["annotations"]) == 12


@pytest.mark.parametrize("whole", [float, str], ids=["fractions", "text"])
def test_run_lengths_of_whole_numbers_in_another_form_are_kept_and_written_as_integers(
    whole: Callable[[int], Any], coco_case: Case
) -> None:
    runs = [970, 30, 66, 30, AREA - 1096]
    for annotation in coco_case.data["annotations"]:
        annotation["segmentation"] = {"size": [whole(96), whole(128)], "counts": [whole(run) for run in runs]}
    checked = check.check_file(coco_case.write(), check.Options())
    found = {finding.code: finding for finding in checked.found}
    assert (found["D23"].count, found["D23"].field) == (12, "segmentation")
    assert not {"D67", "D68"} & set(found)
    content = repair.repair(checked, meaning.Target(), ["D08"]).view.content
    written = [annotation["segmentation"] for annotation in content["annotations"]]
    assert json.dumps(written) == json.dumps([{"size": [96, 128], "counts": runs}] * 12)


@pytest.mark.parametrize("parts", [1, 2])
def test_points_nested_in_lists_are_written_as_coco_does(parts: int, coco_case: Case) -> None:
    expected = []
    for annotation in coco_case.data["annotations"]:
        expected.append(annotation["segmentation"] * parts)
        annotation["segmentation"] = [np.reshape(part, (-1, 2)).tolist() for part in expected[-1]]
    checked = check.check_file(coco_case.write(), check.Options())
    assert [finding.count for finding in checked.found if finding.code == "D66"] == [12]
    content = repair.repair(checked, meaning.Target()).view.content
    assert [annotation["segmentation"] for annotation in content["annotations"]] == expected


def _points(part: list[float]) -> list[list[float]]:
    return [part[at : at + 2] for at in range(0, len(part), 2)]


def _code(part: list[float]) -> dict[str, Any]:
    left, top, right, bottom = (int(number) for number in (part[0], part[1], part[4], part[5]))
    runs = [left * 96 + top, *[bottom - top, 96 - bottom + top] * (right - left)]
    return {"counts": [*runs[:-1], AREA - sum(runs[:-1])]}


def _sized(part: list[float]) -> dict[str, Any]:
    return {"size": [96, 128], **_code(part)}


@pytest.mark.parametrize(
    ("spell", "code", "expected"),
    [
        (lambda part: [[f"{number:g}" for number in part]], "D23", lambda part: [part]),
        (lambda part: [[[[str(n) for n in point] for point in _points(part)]]], "D23", lambda part: [part]),
        (lambda part: [[_points(part)]], "D66", lambda part: [part]),
        (lambda part: [{"x": x, "y": y} for x, y in _points(part)], "D66", lambda part: [part]),
        (lambda part: [_sized(part)], "D66", _sized),
        (_code, "D66", _sized),
        (lambda part: [_code(part)], "D66", _sized),
    ],
    ids=[
        "text",
        "points of text",
        "nested",
        "named points",
        "code in a list",
        "no size",
        "no size in a list",
    ],
)
def test_every_spelling_is_counted_written_as_coco_does_and_no_object_lost(
    spell: Callable[[Any], Any], code: str, expected: Callable[[Any], Any], coco_case: Case
) -> None:
    wanted = []
    for annotation in coco_case.data["annotations"]:
        (part,) = annotation["segmentation"]
        wanted.append(expected(part))
        annotation["segmentation"] = spell(part)
    checked = check.check_file(coco_case.write(), check.Options())
    found = {finding.code: finding.count for finding in checked.found}
    assert found[code] == 12
    assert not {"D60", "D65", "D67", "D68", "D73"} & set(found)
    repaired = repair.repair(checked, meaning.Target())
    assert repaired.counts[code] == 12
    assert [annotation["segmentation"] for annotation in repaired.view.content["annotations"]] == wanted


@pytest.mark.parametrize(
    "number", [10**400, -(10**30), 2**63, 1e30], ids=["huge", "negative", "next", "float"]
)
@pytest.mark.parametrize("section", ["categories", "images"])
def test_an_id_beyond_64_bits_is_numbered_with_all_that_name_it(
    number: float, section: str, coco_case: Case
) -> None:
    field = {"categories": "category_id", "images": "image_id"}[section]
    coco_case.data[section][0]["id"] = number
    for annotation in coco_case.data["annotations"]:
        if annotation[field] == 1:
            annotation[field] = number
    checked = check.check_file(coco_case.write(), check.Options())
    assert {f.section: f.count for f in checked.found if f.code == "D37"} == {section: 1}
    repaired = repair.repair(checked, meaning.Target())
    content = repaired.view.content
    assert len(content["annotations"]) == 12
    assert [entry["id"] for entry in content[section]] == [len(content[section]) + 1, 2, 3][
        : len(content[section])
    ]
    assert repaired.counts["D37"] == 1


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([[200, 10], [220, 10], [220, 30]], "D64"),
        ([[[30, 10], [40, 20], [30, 10]]], "D69"),
        ([30, 10, 40, 20, 30, 10], "D69"),
        ([[[5e7, 1], [10, 1], [10, 10]]], "D62"),
        ([[[float("nan"), 1], [10, 1], [10, 10]]], "D61"),
        ([[[1, 2], [3, 4]]], "D65"),
        ([[[1, 2], [3, "four"], [5, 6]]], "D60"),
    ],
    ids=["outside", "thin points", "thin flat", "far", "nan", "two points", "text"],
)
def test_what_is_wrong_with_a_polygon_is_found_in_every_form(value: Any, code: str, coco_case: Case) -> None:
    coco_case.data["annotations"][4]["segmentation"] = value
    checked = check.check_file(coco_case.write(), check.Options())
    assert [finding.positions.tolist() for finding in checked.found if finding.code == code] == [[4]]
    assert len(repair.repair(checked, meaning.Target()).view.annotations) == 11


def _run_fix(case: Case, *options: str) -> tuple[int, dict[str, Any], str]:
    return case.check("--fix", "-o", str(case.folder / "clean.json"), *options)


def test_a_repair_that_removes_much_needs_consent_and_says_the_likelier_cure_first(coco_case: Case) -> None:
    coco_case.data["images"][1]["file_name"] = "gone.jpg"
    code, printed, errors = _run_fix(coco_case)
    assert (code, printed) == (2, {})
    assert "would remove 1 of 3 images and 4 of 12 objects" in errors
    assert errors.index("is --images the folder of these photos?") < errors.index("--yes")
    assert not (coco_case.folder / "clean.json").exists()
    code, printed, errors = _run_fix(coco_case, "--yes")
    assert code == 0
    assert printed["fixed"]["account"] == {
        "images": {"in": 3, "kept": 2, "removed": {"D40": 1}, "joined": 0},
        "annotations": {"in": 12, "kept": 8, "removed": {"D40": 4}, "joined": 0},
        "categories": {"in": 2, "kept": 2, "removed": {}, "joined": 0},
    }
    assert "objects: 12 = 8 kept + 4 removed (4 D40 image file not found)" in errors


def test_entries_that_are_joined_count_as_no_loss(coco_case: Case) -> None:
    coco_case.data["images"][1]["file_name"] = "1.jpg"
    code, printed, _ = _run_fix(coco_case)
    assert code == 0
    assert printed["fixed"]["account"]["images"] == {"in": 3, "kept": 2, "removed": {"D22": 1}, "joined": 1}


def test_what_is_no_object_stays_where_its_code_is_left(coco_case: Case) -> None:
    coco_case.data["annotations"].insert(1, None)
    del coco_case.data["annotations"][0]["iscrowd"]
    checked = check.check_file(coco_case.write(), check.Options())
    assert repair.repair(checked, meaning.Target(), ("D31",)).view.content["annotations"][1] is None
    assert None not in repair.repair(checked, meaning.Target()).view.content["annotations"]
