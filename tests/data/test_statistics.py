from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.coco import annotations as coco_annotations
from official_yolact.data import statistics
from official_yolact.data.recipes import anchor_grid

GRID = anchor_grid.AnchorGrid((100, 100))


def annotation(
    number: int, image: int, category: int, box: list[float] | None, **more: Any
) -> dict[str, Any]:
    entry = {"id": number, "image_id": image, "category_id": category, "iscrowd": 0, **more}
    return entry if box is None else {**entry, "bbox": box}


def content() -> dict[str, Any]:
    return {
        "images": [
            {"id": 1, "file_name": "a.jpg", "height": 200, "width": 100},
            {"id": 2, "file_name": "b.jpg", "height": 200, "width": 100},
            {"id": 3, "file_name": "c.jpg", "height": 400, "width": 400},
        ],
        "categories": [{"id": 7, "name": "fig"}, {"id": 3, "name": "date"}, {"id": 9, "name": "nut"}],
        "annotations": [
            annotation(1, 1, 7, [10, 20, 20, 40], area=500),
            annotation(2, 1, 7, [0, 0, 100, 200]),
            annotation(3, 1, 3, [0, 0, 50, 50], iscrowd=1),
            annotation(4, 2, 3, [90, 190, 40, 40]),
            annotation(5, 2, 3, [500, 10, 5, 5]),
            annotation(6, 2, 3, None, segmentation=[[10, 10, 20, 10, 20, 12, 10, 12]]),
            annotation(7, 99, 3, [0, 0, 5, 5]),
        ],
    }


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content()))
    return str(file)


def test_counts_and_sizes_by_hand(path: str) -> None:
    found = statistics.describe(coco_annotations.read(path), GRID)
    assert (found.images, found.empty_images, found.instances, found.crowds) == (3, 1, 5, 1)
    assert (found.degenerate, found.orphans) == (1, 1)
    rows = [(row.id, row.name, row.instances, row.images, row.crowds) for row in found.classes]
    assert rows == [(3, "date", 3, 2, 1), (7, "fig", 2, 1, 0), (9, "nut", 0, 0, 0)]
    assert found.image_sizes == {"200x100": 2, "400x400": 1}
    # Photo: 500 (stated), 20000, 100 (clipped to 10x10), 20 (mask of 10x2). At the input half of each.
    assert found.sizes["photo"] == {"small": 3, "medium": 0, "large": 1}
    assert found.sizes["input"] == {"small": 3, "medium": 0, "large": 1}
    # Width / height at the input: 20:20, 100:100, 10:5, 10:1.
    assert found.aspect_ratios["100"] == pytest.approx(10)
    assert found.below_min_side == 1
    assert found.instances_per_image["100"] == 3
    assert found.classes[2].coverage.boxes == 0


def test_boxes_are_clipped_and_normalised(path: str) -> None:
    source = coco_annotations.read(path)
    objects = statistics.collect_objects(source, statistics.read_image_sizes(source))
    np.testing.assert_allclose(
        objects.boxes, [[0.1, 0.1, 0.3, 0.3], [0, 0, 1, 1], [0.95, 0.9, 1, 1], [0.05, 0.1, 0.06, 0.2]]
    )
    np.testing.assert_array_equal(objects.classes, [2, 2, 1, 1])


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 3, 12], (12, 12, 0, 0)),
        ([1], (8, 1, 0, 0)),
        ([0], (8, 0, 0, 0)),
        ([13] * 50, (16, 13, 0, 0)),
        ([20] * 5000 + [500, 300], (20, 500, 2, 760)),
        ([20] * 5000 + [90], (92, 90, 0, 0)),
    ],
)
def test_padding_keeps_everything_but_the_excess_of_a_few_images(
    counts: list[int], expected: tuple[int, ...]
) -> None:
    found = statistics.propose_padding(np.array(counts))
    assert (
        found.max_num_instances,
        found.largest,
        found.images_cut,
        found.instances_cut,
    ) == expected


def test_sizes_that_are_not_stated_are_read_upright_from_the_files(tmp_path: pathlib.Path) -> None:
    changed = content()
    del changed["images"][0]["height"]
    (tmp_path / "a.json").write_text(json.dumps(changed))
    source = coco_annotations.read(str(tmp_path / "a.json"))
    with pytest.raises(ValueError, match=r"image 1: height is missing.*--images"):
        statistics.read_image_sizes(source)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert statistics.read_image_sizes(source, str(tmp_path))[1] == (30, 20)
    (tmp_path / "a.jpg").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"image 1: .*a.jpg: cannot be read as an image"):
        statistics.read_image_sizes(source, str(tmp_path))


def test_a_set_of_crowds_only_has_statistics_too(tmp_path: pathlib.Path) -> None:
    changed = content()
    changed["annotations"] = changed["annotations"][2:3]
    (tmp_path / "a.json").write_text(json.dumps(changed))
    assert main.main(["data", "stats", str(tmp_path / "a.json")]) == 0


def test_the_command_prints_a_table_or_one_line_of_json(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["data", "stats", path, "--input-size", "100", "100"]) == 0
    table = capsys.readouterr().out
    assert "images     3, 1 without annotations" in table
    assert "proposed max_num_instances: 8 (nothing is cut)" in table
    assert main.main(["data", "stats", path, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["anchors"]["given"]["input_size"] == [550, 550]
    assert set(printed["anchors"]) == {"given", "suggested", "suggested_3_per_octave"}


def test_a_configuration_gives_input_size_and_anchors(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["data", "stats", path, "--config", "yolact_tiny_shapes", "--json"]) == 0
    given = json.loads(capsys.readouterr().out)["anchors"]["given"]
    assert given["input_size"] == [128, 128]
    assert given["scales"] == [20.0, 36.0, 60.0]
    assert given["scales_per_octave"] == 3
    assert given["square"] is False


@pytest.mark.parametrize("arguments", [["--input-size", "0", "5"], ["--config", "nothing.yaml"]])
def test_unusable_options_are_one_line_and_exit_code_2(
    path: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["data", "stats", path, *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_stats_split_and_init_load_no_tensorflow(path: str, tmp_path: pathlib.Path) -> None:
    commands = [
        ["stats", path, "--json"],
        ["split", path, "--output", str(tmp_path / "parts")],
        [
            "init",
            "--train",
            path,
            "--val",
            path,
            "--images",
            str(tmp_path),
            "--output",
            str(tmp_path / "m.yaml"),
        ],
    ]
    program = (
        "import sys; from official_yolact.cli import main\n"
        f"for words in {commands}: assert main.main(['data', *words]) == 0\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "images", "empty", "instances", "crowds"),
    [("nuts/train.json", 13, 0, 121, 0), ("coco-open/instances_train2017.json", 92, 1, 820, 9)],
)
def test_real_sets_are_covered_better_by_what_is_suggested(
    shared: pathlib.Path, file: str, images: int, empty: int, instances: int, crowds: int
) -> None:
    found = statistics.describe(coco_annotations.read(str(shared / "data" / file)), anchor_grid.AnchorGrid())
    assert (found.images, found.empty_images, found.instances, found.crowds) == (
        images,
        empty,
        instances,
        crowds,
    )
    coverage = [entry["coverage"] for entry in found.anchors.values()]
    assert coverage[0]["mean_iou"] < coverage[1]["mean_iou"] < coverage[2]["mean_iou"]
    assert coverage[0]["at_50"] <= coverage[1]["at_50"] <= coverage[2]["at_50"]
