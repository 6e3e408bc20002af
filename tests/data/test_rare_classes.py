"""What `data stats` says of classes that few photos show."""

from __future__ import annotations

import json
import math
import pathlib

import pytest

from official_yolact.cli import main

PHOTOS = {"wall": 40, "window": 30, "lamp": 2}
"""Photos that show each class, of 40: the first ones."""


def write(path: pathlib.Path, photos: dict[str, int]) -> str:
    entries = [
        {"image_id": number, "category_id": kind, "bbox": [10 * kind, 20, 40, 50]}
        for kind, count in enumerate(photos.values(), start=1)
        for number in range(count)
    ]
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": 200, "width": 200} for i in range(40)],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(entries, start=1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(photos, start=1)],
    }
    path.write_text(json.dumps(content))
    return str(path)


def test_stats_propose_repeats_for_a_class_that_few_photos_show(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "train.json", PHOTOS)
    assert main.main(["data", "stats", path]) == 0
    assert "proposed repeat_threshold: 0.75 " in capsys.readouterr().out
    assert main.main(["data", "stats", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["repeat_threshold"] == 0.75
    # The root of 0.75 over 2 of 40.
    assert [row["repeats"] for row in found["classes"]] == [1.0, 1.0, round(math.sqrt(15), 2)]


def test_classes_about_as_frequent_as_one_another_need_no_repeats(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "train.json", {"wall": 40, "window": 20, "door": 18})
    assert main.main(["data", "stats", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["repeat_threshold"] == 0.0
