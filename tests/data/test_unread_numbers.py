"""Numbers that JSON has no word for, in fields that nobody reads: said, written as null, nothing else lost."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from official_yolact.cli import main

PLACES = {
    "field of an annotation": ("annotations", 1, {"score": "X"}, "annotations[1].score"),
    "nested in an annotation": (
        "annotations",
        0,
        {"attributes": {"a b": [1, "X"]}},
        "annotations[0].attributes.a b[1]",
    ),
    "field of an image": ("images", 0, {"gps": [2.5, "X"]}, "images[0].gps[1]"),
    "field of a category": ("categories", 0, {"keypoints": ["nose", "X"]}, "categories[0].keypoints[1]"),
}


def refuse(text: str) -> None:
    raise AssertionError(text)


def strict(path: pathlib.Path) -> Any:
    return json.loads(path.read_text(), parse_constant=refuse)


def write(folder: pathlib.Path, place: str, number: str) -> str:
    ring = [[2, 2, 20, 2, 20, 20, 2, 20]]
    data: dict[str, Any] = {
        "info": {},
        "images": [{"id": at, "file_name": f"{at}.jpg", "height": 30, "width": 40} for at in (1, 2, 3)],
        "annotations": [
            {"id": at, "image_id": at, "category_id": 1, "segmentation": ring, "bbox": [2, 2, 18, 18], "area": 324, "iscrowd": 0}
            for at in (1, 2, 3)
        ],
        "categories": [{"id": 1, "name": "fig"}],
    }  # fmt: skip
    if place == "info":
        data["info"] = {"year": "X"}
    else:
        section, at, fields, _ = PLACES[place]
        data[section][at].update(fields)
    path = folder / "nf.json"
    path.write_text(json.dumps(data).replace('"X"', number))
    return str(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", [*PLACES, "info"])
def test_check_reports_them_and_what_is_written_has_null(
    place: str, number: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, fixed = write(tmp_path, place, number), tmp_path / "fixed.json"
    assert main.main(["data", "check", path, "--no-images", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["findings"]
    assert [(row["code"], row["count"]) for row in rows if row["severity"] != "info"] == [("D38", 1)]
    expected = json.loads(pathlib.Path(path).read_text().replace(number, "null"))
    assert main.main(["data", "check", path, "--no-images", "--fix", "-o", str(fixed)]) == 0
    assert "repaired D38: 1" in capsys.readouterr().out
    assert strict(fixed) == expected
    words = ["data", "split", path, "--output", str(tmp_path / "parts"), "--fractions", "a=0.5,b=0.5"]
    assert main.main(words) == 0
    assert "1 numbers that are NaN or infinite are written as null" in capsys.readouterr().err
    parts = [strict(tmp_path / "parts" / f"instances_{name}.json") for name in "ab"]
    for section in ("images", "annotations"):
        together = sorted((entry for part in parts for entry in part[section]), key=lambda entry: entry["id"])
        assert together == expected[section]


def test_a_number_that_may_not_be_written_as_null_is_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, (*_, name) in PLACES.items():
        path, fixed = write(tmp_path, place, "NaN"), tmp_path / "fixed.json"
        words = ["data", "check", path, "--no-images", "--fix", "-o", str(fixed), "--leave", "D38"]
        assert main.main(words) == 2
        assert f"{path}: {name} is nan" in capsys.readouterr().err
        assert not fixed.exists()


def test_what_is_left_as_it_is_but_cannot_be_written_is_null(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, fixed = write(tmp_path, "info", "2026"), tmp_path / "fixed.json"
    text = pathlib.Path(path).read_text()
    pathlib.Path(path).write_text(text.replace('"area": 324', '"area": NaN', 1))
    main.main(["data", "check", path, "--no-images", "--fix", "-o", str(fixed), "--leave", "D61,D75"])
    assert "repaired D38: 1" in capsys.readouterr().out
    assert strict(fixed) == json.loads(text.replace('"area": 324', '"area": null', 1))
