"""Random annotation files: the checker says something about each, and repairs what it says it can."""

from __future__ import annotations

import json
import pathlib
import random
from typing import Any

import numpy as np
import pytest

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import segmentations
from official_yolact.data.checking import check
from official_yolact.data.checking import codes
from official_yolact.data.checking import meaning
from official_yolact.data.checking import mending
from official_yolact.data.checking import repair
from official_yolact.data.checking import report


def _codes(found: list[Any]) -> set[str]:
    return {finding.code for finding in found}


@pytest.mark.parametrize("seed", range(12))
def test_random_files_are_described_and_repaired(seed: int, tmp_path: pathlib.Path, random_coco: Any) -> None:
    path, clean = str(tmp_path / "a.json"), str(tmp_path / "clean.json")
    repaired_files = 0
    for part in range(25):
        rng = random.Random(1000 * seed + part)
        pathlib.Path(path).write_text(json.dumps(random_coco.draw_file(rng)))
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
    source = coco_annotations.read(path)
    for image in source.images:
        for annotation in source.annotations[image.id]:
            assert annotation.box is None or np.isfinite(annotation.box).all()
            height, width = image.height, image.width
            if height is None or width is None:
                continue
            shape, dropped = segmentations.clean_segmentation(annotation.segmentation, height, width, path)
            assert dropped == 0
            assert segmentations.rasterize(shape, height, width).any()


@pytest.mark.parametrize("seed", range(4))
def test_random_files_end_no_process_by_a_signal_or_a_traceback(
    seed: int, coco_case: Any, random_coco: Any
) -> None:
    for part in range(20):
        coco_case.data = random_coco.draw_file(random.Random(7000 + 1000 * seed + part))
        options = [
            "--fix",
            "--yes",
            "-o",
            str(coco_case.folder / "c.json"),
            "--html",
            str(coco_case.folder / "p.html"),
        ]
        code, printed, errors = coco_case.check(*options, images=part % 2 == 0)
        assert (code == 2) == ("nothing is written" in errors)
        assert bool(printed) == (code != 2)
