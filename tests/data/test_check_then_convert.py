"""What the checker has repaired, conversion takes as it is."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from official_yolact.cli import main

Case = Any


def _spoil_much(case: Case) -> None:
    """Put one fault of every kind of repair into one set."""
    first, second, third = case.data["images"]
    first["file_name"] = "/srv/photos/1.JPG"
    second.update(height=128, width=96)
    third["height"] = "96"
    case.draw(4).save(case.images / "4.tiff")
    case.data["images"] += [
        {"id": 4, "file_name": "4.tiff"},
        {"id": 5, "file_name": "gone.jpg", "height": 9, "width": 9},
        {"id": 6, "file_name": "../a.json", "height": 9, "width": 9},
        "nothing",
    ]
    case.data["categories"].append({"id": 1.0, "name": "fig"})
    annotations = case.data["annotations"]
    faults: list[dict[str, Any]] = [
        {"id": 1},
        {"category_id": 9},
        {"bbox": [1, 2, float("nan"), 3]},
        {"area": "big"},
        {"segmentation": [[1, 2, 3, 4]]},
        {"segmentation": annotations[5]["segmentation"][0]},
        {"iscrowd": None},
        {"bbox": [100, 80, 50, 30]},
        {"segmentation": {"size": [96, 128], "counts": "zzzz"}},
        {"image_id": "3"},
    ]
    for annotation, fault in zip(annotations[1:], faults, strict=False):
        annotation.update(fault)
    annotations += [{**annotations[0], "id": 20, "image_id": 4}, {**annotations[0], "id": 21, "image_id": 5}]


@pytest.mark.parametrize("seed", range(3))
def test_a_repaired_set_converts_without_any_policy(
    seed: int, coco_case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    _spoil_much(coco_case)
    random.Random(seed).shuffle(coco_case.data["annotations"])
    clean, records = str(coco_case.folder / "clean.json"), str(coco_case.folder / "records")
    code, printed, errors = coco_case.check("--fix", "--yes", "-o", clean)
    assert code == 0, errors
    with open(clean, encoding="utf-8") as file:
        fixed = json.load(file)
    words = ["data", "convert", clean, "--images", str(coco_case.images), "--output", records]
    assert main.main([*words, "--split", "a", "--json"]) == 0, capsys.readouterr().err
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["num_records"] == len(fixed["images"]) == 4
    assert manifest["num_instances"] == len(fixed["annotations"]) == 10
    assert not any(manifest["skipped"].values())
    assert {"D40", "D42", "D41", "D04", "D31", "D68", "D05"} <= set(printed["fixed"]["repaired"])
