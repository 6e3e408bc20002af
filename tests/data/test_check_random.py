"""Random annotation files: the checker says something about each, and repairs what it says it can."""

from __future__ import annotations

import json
import pathlib
import random
from typing import Any

import numpy as np
import pytest

from official_yolact.data import coco_json
from official_yolact.data import rasterize
from official_yolact.data.checking import check
from official_yolact.data.checking import codes
from official_yolact.data.checking import meaning
from official_yolact.data.checking import mending
from official_yolact.data.checking import repair
from official_yolact.data.checking import report

HEIGHT, WIDTH = 24, 32
ODD = [None, True, -1, 0, 1, 2.5, 1e308, -(10**400), 10**30, float("nan"), float("inf"), "", "7", "x", "\ud800", [], {}, [[]], [None], {"counts": 3}]  # fmt: skip


def _value(rng: random.Random, usual: Any, oddness: float) -> Any:
    return rng.choice(ODD) if rng.random() < oddness else usual


def _polygon(rng: random.Random, oddness: float) -> Any:
    count = rng.choice([6, 8, 10]) if rng.random() > oddness else rng.randrange(9)
    return [_value(rng, round(rng.uniform(-4, 40), 1), oddness / 8) for _ in range(count)]


def _code(rng: random.Random, oddness: float) -> Any:
    first = rng.randrange(HEIGHT * WIDTH // 2)
    second = rng.randrange(HEIGHT * WIDTH // 2)
    runs = [_value(rng, run, oddness / 4) for run in (first, second, HEIGHT * WIDTH - first - second)]
    size = [_value(rng, side, oddness / 4) for side in (HEIGHT, WIDTH)]
    if rng.random() < 0.3:
        return {"size": size, "counts": "".join(chr(rng.randrange(40, 120)) for _ in range(rng.randrange(6)))}
    return {"size": size, "counts": runs}


def _annotation(rng: random.Random, i: int, oddness: float) -> Any:
    shape = (
        _code(rng, oddness)
        if rng.random() < 0.4
        else [_polygon(rng, oddness) for _ in range(rng.randrange(3))]
    )
    fields = {
        "id": i if rng.random() < 0.9 else rng.randrange(5),
        "image_id": rng.randrange(1, 6),
        "category_id": rng.randrange(1, 4),
        "bbox": [_value(rng, rng.uniform(-5, 30), oddness / 4) for _ in range(4)],
        "area": rng.uniform(-5, 200),
        "iscrowd": int(rng.random() < 0.3),
        "segmentation": shape,
    }  # fmt: skip
    entry = {name: _value(rng, value, oddness / 2) for name, value in fields.items()}
    for name in list(entry):
        if rng.random() < oddness / 8:
            del entry[name]
    return _value(rng, entry, oddness / 16)


def _file(rng: random.Random) -> dict[str, Any]:
    oddness = rng.choice([0.0, 0.1, 0.5, 1.0])
    images = [
        {
            "id": _value(rng, i, oddness / 8),
            "file_name": _value(rng, f"{i}.jpg", oddness / 8),
            "height": _value(rng, HEIGHT, oddness / 4),
            "width": _value(rng, WIDTH, oddness / 4),
        }
        for i in range(1, 6)
    ]
    categories = [
        {"id": _value(rng, i, oddness / 8), "name": _value(rng, f"c{i}", oddness / 8)} for i in (1, 2, 3)
    ]
    return {
        "images": [_value(rng, image, oddness / 8) for image in images],
        "annotations": [_annotation(rng, i, oddness) for i in range(rng.randrange(30))],
        "categories": [_value(rng, category, oddness / 8) for category in categories],
    }  # fmt: skip


def _codes(found: list[Any]) -> set[str]:
    return {finding.code for finding in found}


@pytest.mark.parametrize("seed", range(12))
def test_random_files_are_described_and_repaired(seed: int, tmp_path: pathlib.Path) -> None:
    path, clean = str(tmp_path / "a.json"), str(tmp_path / "clean.json")
    repaired_files = 0
    for part in range(25):
        rng = random.Random(1000 * seed + part)
        pathlib.Path(path).write_text(json.dumps(_file(rng)))
        checked = check.check_file(path, check.Options())
        rows = report.to_rows(checked.found, checked.view)
        json.dumps(rows)
        report.format_table(rows, path).encode()
        assert all(row["count"] >= 1 for row in rows)
        repaired = _repair(checked)
        if repaired is None:
            continue
        repaired_files += 1
        repair.write(clean, repaired.view.content)
        again = check.check_file(clean, check.Options())
        assert _codes(again.found) == _codes(repaired.found)
        left = {code for code in _codes(again.found) if codes.CODES[code].severity != codes.INFO}
        assert left <= set(codes.CODES) - set(mending.MENDS) | {"D21", "D29", "D22", "D30"}
        twice = repair.repair(again, meaning.Target())
        assert not twice.counts
        assert json.dumps(twice.view.content) == json.dumps(repaired.view.content)
        if not left & {"D21", "D22", "D29", "D30", "D00"}:
            _assert_drawable(clean)
    assert repaired_files > 10


def _repair(checked: Any) -> Any:
    """Repair; None where nothing would be left."""
    try:
        return repair.repair(checked, meaning.Target())
    except ValueError as refused:
        if "nothing is written" not in str(refused):
            raise
        return None


def _assert_drawable(path: str) -> None:
    """What is left has finite boxes and masks with pixels, for the strict reader too."""
    source = coco_json.read(path)
    for image in source.images:
        for annotation in source.annotations[image.id]:
            assert annotation.box is None or np.isfinite(annotation.box).all()
            height, width = image.height, image.width
            if height is None or width is None:
                continue
            shape, dropped = rasterize.clean_segmentation(annotation.segmentation, height, width, path)
            assert dropped == 0
            assert rasterize.rasterize(shape, height, width).any()


@pytest.mark.parametrize("seed", range(4))
def test_random_files_end_no_process_by_a_signal_or_a_traceback(seed: int, coco_case: Any) -> None:
    for part in range(20):
        coco_case.data = _file(random.Random(7000 + 1000 * seed + part))
        options = [
            "--fix",
            "-o",
            str(coco_case.folder / "c.json"),
            "--html",
            str(coco_case.folder / "p.html"),
        ]
        code, printed, errors = coco_case.check(*options, images=part % 2 == 0)
        assert (code == 2) == ("nothing is written" in errors)
        assert bool(printed) == (code != 2)
