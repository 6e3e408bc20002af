from __future__ import annotations

import json
import pathlib

import PIL.Image
import pytest

from official_yolact.cli import main


@pytest.fixture
def source(tmp_path: pathlib.Path) -> list[str]:
    PIL.Image.new("RGB", (20, 10)).save(tmp_path / "1.png")
    square = [[1, 1, 8, 1, 8, 8, 1, 8]]
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": square},
        {"id": 2, "image_id": 1, "category_id": 2, "segmentation": square, "iscrowd": 1},
        {"id": 3, "image_id": 1, "category_id": 3, "bbox": [2, 2, 5, 5]},
        {"id": 4, "image_id": 2, "category_id": 3, "segmentation": square},
    ]
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in (1, 2)],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(("car", "truck", "tree"), start=1)],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    folders = ["--images", str(tmp_path), "--output", str(tmp_path / "out"), "--split", "train"]
    return ["data", "convert", str(tmp_path / "a.json"), *folders]


def test_every_policy_reaches_the_manifest(source: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    policies = [
        "--crowd",
        "as-instance",
        "--missing-masks=box",
        "--boxes=file",
        "--bad-images",
        "skip",
        "--recompute-area",
    ]
    names = ["--rename", "car=vehicle", "--rename", "truck=vehicle", "--classes", "vehicle, tree"]
    more = ["--bad-annotations", "skip", "--max-pixels", "200", "--workers", "2", "--json"]
    assert main.main([*source, *policies, *names, *more]) == 0
    captured = capsys.readouterr()
    manifest = json.loads(captured.out)
    assert manifest["options"] == {
        "num_shards": 1,
        "crowd": "as-instance",
        "missing_masks": "box",
        "boxes": "file",
        "bad_images": "skip",
        "bad_annotations": "skip",
        "classes": ["vehicle", "tree"],
        "rename": {"car": "vehicle", "truck": "vehicle"},
        "recompute_area": True,
        "bit_depth": 16,
        "max_pixels": 200,
    }
    assert [category["name"] for category in manifest["categories"]] == ["vehicle", "tree"]
    assert manifest["num_instances"] == 3
    assert "images left out: 1 image missing" in captured.err
    assert "annotations left out: 1 image left out" in captured.err


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "a.json: image 2: file_name is '2.png', but there is no file"),
        (["--bad-images", "skip"], "a.json: annotation 3: segmentation is None"),
        (["--rename", "car"], "rename is 'car': give it as OLD=NEW"),
        (["--bad-images", "skip", "--classes", "cat"], "classes names 'cat', which categories does not list"),
        (["--max-pixels", "0"], "max_pixels is 0"),
    ],
)
def test_what_is_refused_is_one_line(
    extra: list[str], message: str, source: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*source, *extra]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
