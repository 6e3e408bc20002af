"""What `data check --fix` writes anew is read alike by conversion and evaluation, and said."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.coco import segmentations
from official_yolact.evaluation import groundtruth
from official_yolact.serving import sources

SQUARE = [2, 2, 12, 2, 12, 12, 2, 12]
PAIRS = [[2, 2], [12, 2], [12, 12], [2, 12]]


def write(root: pathlib.Path, polygon: Any, names: tuple[str, ...]) -> str:
    (root / "img").mkdir(exist_ok=True)
    content = {
        "images": [
            {"id": at, "file_name": name, "height": 20, "width": 20} for at, name in enumerate(names, 1)
        ],
        "annotations": [
            {"id": at, "image_id": at, "category_id": 1, "segmentation": polygon}
            for at in range(1, len(names) + 1)
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (root / "ann.json").write_text(json.dumps(content))
    return str(root / "ann.json")


def put(root: pathlib.Path, name: str) -> None:
    (root / "img").mkdir(exist_ok=True)
    PIL.Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(root / "img" / name)


@pytest.mark.parametrize("polygon", [PAIRS, [PAIRS], SQUARE], ids=["pairs", "nested pairs", "flat"])
def test_points_in_pairs_are_converted_and_counted(
    tmp_path: pathlib.Path, polygon: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "a.jpg")
    path = write(tmp_path, polygon, ("a.jpg",))
    words = ["data", "convert", path, "--images", str(tmp_path / "img"), "--output", str(tmp_path / "rec")]
    assert main.main([*words, "--split", "train"]) == 0
    assert "changed: 1 polygons written as coco does" in capsys.readouterr().err
    written = json.loads((tmp_path / "rec/instances-train.json").read_text())
    assert written["annotations"][0]["segmentation"] == [SQUARE]
    assert segmentations.to_rle(polygon, 20, 20, "") == segmentations.to_rle([SQUARE], 20, 20, "")


def test_two_names_of_one_file_are_said_by_every_command(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "a.jpg")
    path, images = write(tmp_path, [SQUARE], ("a.jpg", "A.JPG")), str(tmp_path / "img")
    main.main(["data", "check", path, "--images", images, "--json"])
    found = {row["code"]: row["count"] for row in json.loads(capsys.readouterr().out)["findings"]}
    assert found["D22"] == 2
    words = [
        "data",
        "convert",
        path,
        "--images",
        images,
        "--output",
        str(tmp_path / "rec"),
        "--split",
        "train",
    ]
    assert main.main(words) == 0
    assert "changed: 2 images of one file" in capsys.readouterr().err
    listed = sources.list_annotated(groundtruth.load_images(path), images, path)
    assert sources.count_shared(listed) == 2


@pytest.mark.parametrize("there", [0, 1], ids=["no photo", "one photo"])
def test_a_refused_repair_names_the_folder_that_was_meant(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], there: int
) -> None:
    names = tuple(f"{at}.jpg" for at in range(10))
    (tmp_path / "empty").mkdir()
    for name in names[there:]:
        put(tmp_path, name)
    for name in names[:there]:
        put(tmp_path, name)
        (tmp_path / "img" / name).rename(tmp_path / "empty" / name)
    path = write(tmp_path, [SQUARE], names)
    words = [
        "data",
        "check",
        path,
        "--images",
        str(tmp_path / "empty"),
        "--fix",
        "-o",
        str(tmp_path / "f.json"),
    ]
    assert main.main(words) == 2
    assert f"{10 - there} of 10 are in {tmp_path / 'img'}: give that as --images" in capsys.readouterr().err
