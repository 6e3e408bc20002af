"""What `data stats` and `data init` say of classes that few photos show."""

from __future__ import annotations

import json
import math
import pathlib

import pytest
import yaml

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


def test_stats_and_init_propose_repeats_for_a_class_that_few_photos_show(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = write(tmp_path / "train.json", PHOTOS), str(tmp_path / "mine.yaml")
    assert main.main(["data", "stats", path]) == 0
    assert "proposed repeat_threshold: 0.75 " in capsys.readouterr().out
    assert main.main(["data", "stats", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["repeat_threshold"] == 0.75
    # The root of 0.75 over 2 of 40.
    assert [row["repeats"] for row in found["classes"]] == [1.0, 1.0, round(math.sqrt(15), 2)]

    words = ["data", "init", "--train", path, "--val", path, "--images", str(tmp_path), "--output", output]
    assert main.main([*words, "--epochs", "4", "--batch", "2", "--init-checkpoint", "none"]) == 0
    text = pathlib.Path(output).read_text()
    # 38 photos once, and two 3.87 times: 45.7.
    assert "lamp 3.9 times: a class in less than 75 % of" in text.replace("\n    #", "")
    assert "4 epochs of 46 examples of 40 photos" in text
    assert yaml.safe_load(text)["trainer"]["train_steps"] == 92
    capsys.readouterr()
    assert main.main(["config", "show", output]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["task"]["train_data"]["repeat_threshold"] == 0.75


def test_classes_about_as_frequent_as_one_another_need_no_repeats(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "train.json", {"wall": 40, "window": 20, "door": 18})
    assert main.main(["data", "stats", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["repeat_threshold"] == 0.0
