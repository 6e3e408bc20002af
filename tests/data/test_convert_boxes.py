"""Boxes that contradict their masks: the conversion counts them, names their form, and writes those of the masks."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.cli import main

HEIGHT, WIDTH = 90, 120
BOXES = [(20, 10, 30, 42), (60, 30, 50, 21), (7, 40, 16, 33)]
"""x, y, width, height of rectangles whose masks fill them."""

FORMS: dict[str, Callable[[float, float, float, float], list[float]]] = {
    "x1, y1, x2, y2": lambda x, y, w, h: [x, y, x + w, y + h],
    "centre x, centre y, width, height": lambda x, y, w, h: [x + w / 2, y + h / 2, w, h],
    "y, x, height, width": lambda x, y, w, h: [y, x, h, w],
    "y1, x1, y2, x2": lambda x, y, w, h: [y, x, y + h, x + w],
    "x1, x2, y1, y2": lambda x, y, w, h: [x, x + w, y, y + h],
    "x, y, width, height as fractions of the image": lambda x, y, w, h: [
        x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT
    ],
    "x1, y1, x2, y2 as fractions of the image": lambda x, y, w, h: [
        x / WIDTH, y / HEIGHT, (x + w) / WIDTH, (y + h) / HEIGHT
    ],
    "centre x, centre y, width, height as fractions of the image": lambda x, y, w, h: [
        (x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT
    ],
    "y1, x1, y2, x2 as thousandths of the image": lambda x, y, w, h: [
        1000 * y / HEIGHT, 1000 * x / WIDTH, 1000 * (y + h) / HEIGHT, 1000 * (x + w) / WIDTH
    ],
    "x, y, width, height as per cent of the image": lambda x, y, w, h: [
        100 * x / WIDTH, 100 * y / HEIGHT, 100 * w / WIDTH, 100 * h / HEIGHT
    ],
}  # fmt: skip


def draw(x: float, y: float, w: float, h: float, as_code: bool) -> Any:
    if not as_code:
        return [[x, y, x + w, y, x + w, y + h, x, y + h]]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[int(y) : int(y + h), int(x) : int(x + w)] = 1
    code = coco_mask.encode(np.asfortranarray(mask))
    return {"size": [HEIGHT, WIDTH], "counts": code["counts"].decode()}


@pytest.fixture
def work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Write annotations with these boxes, and run a command over them."""
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (WIDTH, HEIGHT), (9, 60, 90)).save("1.png")

    def convert(boxes: list[Any], *options: str, as_code: bool = False, **fields: Any) -> dict[str, Any]:
        annotations = [
            {"id": at, "image_id": 1, "category_id": 1, "bbox": list(box), "area": box_[2] * box_[3]}
            | {"segmentation": draw(*box_, as_code and at > 1), "iscrowd": 0}
            | fields
            for at, (box, box_) in enumerate(zip(boxes, BOXES, strict=True), start=1)
        ]
        content = {
            "images": [{"id": 1, "file_name": "1.png", "height": HEIGHT, "width": WIDTH}],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "fig"}],
        }
        pathlib.Path("a.json").write_text(json.dumps(content))
        words = ["data", "convert", "a.json", "--images", ".", "--output", "out", "--split", "t", *options]
        assert main.main(words) == 0
        written = json.loads(pathlib.Path("out/instances-t.json").read_text())["annotations"]
        manifest = json.loads(pathlib.Path("out/manifest-t.json").read_text())
        return {"boxes": [tuple(entry["bbox"]) for entry in written], **manifest}

    return convert


@pytest.mark.parametrize("as_code", [False, True], ids=["polygons", "run lengths"])
@pytest.mark.parametrize("form", FORMS)
def test_boxes_in_another_form_become_those_of_the_masks(
    form: str, as_code: bool, work: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    found = work([FORMS[form](*box) for box in BOXES], as_code=as_code)
    assert found["boxes"] == BOXES
    assert found["changed"] == {"wrong_boxes_replaced": 3}
    told = capsys.readouterr().err
    assert f"a.json: 3 boxes disagree with their masks (all of them look like {form}): " in told
    assert "yolact data check a.json --images . shows more" in told
    code = main.main(["data", "check", "a.json", "--images", ".", "--json"])
    rows = {row["code"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    # What has no area in the image, or lies far outside, is a finding of its own.
    found = [rows[code] for code in ("D62", "D72", "D73") if code in rows]
    assert (code, sum(row["count"] for row in found)) == (1, 3)
    assert all(row["detail"].endswith(f"like {form}") for row in found)


def test_one_wrong_box_among_right_ones_is_replaced_alone(
    work: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    found = work([BOXES[0], (3, 3, 9, 9), BOXES[2]])
    assert found["boxes"] == BOXES
    assert found["changed"] == {"wrong_boxes_replaced": 1}
    assert "a.json: 1 box disagrees with its mask: the boxes of" in capsys.readouterr().err


def test_boxes_of_the_file_are_kept_where_that_is_asked_for(work: Callable[..., Any]) -> None:
    corners = [FORMS["x1, y1, x2, y2"](*box) for box in BOXES]
    found = work(corners, "--boxes", "file", "--json")
    assert found["changed"] == {"boxes_clipped": 2}
    assert found["boxes"][0] == tuple(corners[0])
    assert found["notes"] == [
        "3 boxes disagree with their masks (all of them look like x1, y1, x2, y2): they are written as they are"
    ]


@pytest.mark.parametrize("crowd", [0, 1], ids=["object", "crowd"])
@pytest.mark.parametrize(
    "off", [0.0, 0.4, 1.0, 2.0], ids=lambda off: f"off by {off} px".replace(".", " and ")
)
def test_boxes_that_are_only_a_little_larger_stay(off: float, crowd: int, work: Callable[..., Any]) -> None:
    boxes = [(x - off, y - off, w + 2 * off, h + 2 * off) for x, y, w, h in BOXES]
    found = work(boxes, iscrowd=crowd)
    assert found["boxes"] == boxes
    assert (found["changed"], found["notes"]) == ({}, [])


def test_a_tip_that_is_too_thin_for_a_pixel_is_no_contradiction(
    tmp_path: pathlib.Path, work: Callable[..., Any]
) -> None:
    # The tip from x = 50 to 80 is a tenth of a pixel high: the box has it, the mask has not.
    tip = [[20, 10, 50, 10, 50, 30, 80, 30.05, 50, 30.1, 50, 52, 20, 52]]
    box = (20, 10, 60, 42)
    found = work([box, *BOXES[1:]], segmentation=tip, bbox=list(box))
    assert found["boxes"] == [box] * 3
    assert "wrong_boxes_replaced" not in found["changed"]
