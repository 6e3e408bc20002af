"""What `--save` writes, and that other commands read it again."""

import csv
import json
import os

import clips
import numpy as np
import pytest
import small_runtime
from PIL import Image
from pycocotools import mask as coco_mask

from official_yolact.cli import main

SIZE = (48, 64)


@pytest.fixture(autouse=True)
def model(monkeypatch):
    predictor = small_runtime.make_predictor()
    monkeypatch.setattr("official_yolact.serving.models.load", lambda *_, **__: predictor)


@pytest.fixture
def folder(tmp_path):
    """A folder with a photo a.jpg and a video b.mp4 of two frames."""
    path = tmp_path / "mixed"
    path.mkdir()
    Image.fromarray(clips.paint(0)).save(path / "a.jpg")
    clips.write(path / "b.mp4", (0, 40))
    return path


@pytest.fixture
def saved(folder, tmp_path, capsys):
    def run(names, *words):
        out = tmp_path / "out"
        assert main.main(["predict", "m", str(folder), "--output", str(out), "--save", names, *words]) == 0
        return out

    return run


@pytest.fixture
def masks():
    """The three masks of every picture, from the cells of the runtime."""
    found = np.zeros((3, *SIZE), bool)
    scale = np.array(SIZE) // small_runtime.GRID
    for mask, (top, left, bottom, right) in zip(found, small_runtime.CELLS, strict=True):
        mask[top * scale[0] : bottom * scale[0], left * scale[1] : right * scale[1]] = True
    return found


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def test_lines_have_a_line_for_each_picture(saved):
    out = saved("lines")
    assert os.listdir(out) == ["predictions.jsonl"]
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [(one["image_id"], one["frame"], one["time"]) for one in lines] == [
        (1, None, None),
        (2, 0, 0.0),
        (3, 1, 0.04),
    ]
    assert {(one["height"], one["width"], len(one["detections"])) for one in lines} == {(*SIZE, 3)}
    assert set(lines[0]["detections"][0]) == {"category_id", "category_name", "bbox", "score", "segmentation"}


def test_masks_are_run_lengths_polygons_or_left_out(saved, masks):
    for form in ("run-lengths", "polygons", "none"):
        out = saved("predictions", "--mask-format", form, "--force")
        entries = json.loads((out / "predictions.json").read_text())
        assert len(entries) == 9
        if form == "none":
            assert "segmentation" not in entries[0]
            continue
        drawn = []
        for entry in entries[:3]:
            code = entry["segmentation"]
            code = coco_mask.merge(coco_mask.frPyObjects(code, *SIZE)) if form == "polygons" else code
            drawn.append(coco_mask.decode(code).astype(bool))
        assert all(iou(one, mask) > 0.85 for one, mask in zip(drawn, masks, strict=True))
        if form == "run-lengths":
            exact = drawn
    assert np.array_equal(drawn, exact)


def test_the_table_counts_instances_and_their_pixels_together(saved, masks):
    with open(saved("table") / "counts.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["category_name"], row["count"]) for row in rows] == [
        ("", "fig", "2"), ("", "date", "1"), ("0", "fig", "2"), ("0", "date", "1"), ("1", "fig", "2"), ("1", "date", "1"),
    ]  # fmt: skip
    assert int(rows[0]["area"]) == pytest.approx((masks[0] | masks[2]).sum(), rel=0.15)
    assert (rows[4]["time"], rows[4]["height"], rows[4]["width"]) == ("0.04", "48", "64")


def test_a_picture_without_instances_has_a_row_and_a_line(saved):
    out = saved("table,lines", "--score-threshold", "1")
    with open(out / "counts.csv", newline="") as file:
        assert [row["count"] for row in csv.DictReader(file)] == ["0"] * 3
    assert '"detections": []' in (out / "predictions.jsonl").read_text()


def test_labels_say_class_and_instance_of_each_pixel_the_best_on_top(saved, masks):
    out = saved("labels")
    for name in ("a.png", "b/000001.png"):
        classes = np.asarray(Image.open(out / "labels" / "classes" / name))
        instances = np.asarray(Image.open(out / "labels" / "instances" / name))
        assert classes.dtype == instances.dtype == np.uint8
        assert np.array_equal(np.unique(instances), [0, 1, 2, 3])
        assert iou(instances == 1, masks[0]) > 0.85
        assert iou(instances == 2, masks[1] & ~masks[0]) > 0.85
        expected = np.array([0, *small_runtime.CLASSES])[instances]
        assert np.array_equal(classes, expected)


def test_masks_of_instances_are_read_as_a_data_set(saved, folder, tmp_path, capsys):
    os.remove(folder / "b.mp4")
    out = saved("labels")
    words = ["data", "masks", folder, out / "labels" / "instances", "--output", tmp_path / "again.json"]
    assert main.main([*map(str, words)]) == 0
    content = json.loads((tmp_path / "again.json").read_text())
    assert len(content["annotations"]) == 3


def test_cutouts_have_the_pixels_of_the_photo_and_a_transparent_ground(saved, folder, masks):
    out = saved("cutouts")
    assert sorted(os.listdir(out / "cutouts" / "a")) == ["1.png", "2.png", "3.png"]
    assert sorted(os.listdir(out / "cutouts" / "b" / "000001")) == ["1.png", "2.png", "3.png"]
    cut = np.asarray(Image.open(out / "cutouts" / "a" / "2.png"))
    photo = np.asarray(Image.open(folder / "a.jpg"))
    rows, columns = np.flatnonzero(masks[1].any(1)), np.flatnonzero(masks[1].any(0))
    assert cut.shape[2] == 4
    assert abs(cut.shape[0] - len(rows)) <= 4
    assert abs(cut.shape[1] - len(columns)) <= 4
    found = next(
        (top, left)
        for top in range(SIZE[0] - cut.shape[0] + 1)
        for left in range(SIZE[1] - cut.shape[1] + 1)
        if np.array_equal(photo[top : top + cut.shape[0], left : left + cut.shape[1]], cut[..., :3])
    )
    assert np.abs(np.array(found) - (rows[0], columns[0])).max() <= 2
    assert set(np.unique(cut[..., 3])) <= {0, 255}


def test_labelme_files_are_read_again_as_the_same_masks(saved, folder, tmp_path, masks):
    out = saved("labelme")
    assert sorted(os.listdir(out / "labelme")) == ["a.json", "b"]
    assert sorted(os.listdir(out / "labelme" / "b")) == ["000000.json", "000001.json"]
    assert sorted(os.listdir(out / "photos" / "b")) == ["000000.jpg", "000001.jpg"]
    one = json.loads((out / "labelme" / "a.json").read_text())
    assert os.path.samefile(out / "labelme" / one["imagePath"], folder / "a.jpg")
    again = tmp_path / "again.json"
    words = ["data", "labelme", out / "labelme", "--images", tmp_path, "--output", again]
    assert main.main([*map(str, words)]) == 0
    content = json.loads(again.read_text())
    assert len(content["images"]) == 3
    assert [entry["name"] for entry in content["categories"]] == ["date", "fig"]
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    first = [entry for entry in content["annotations"] if entry["image_id"] == 1]
    assert [names[entry["category_id"]] for entry in first] == ["fig", "date", "fig"]
    for entry, mask in zip(first, masks, strict=True):
        drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(entry["segmentation"], *SIZE)))
        assert iou(drawn.astype(bool), mask) > 0.85


def test_the_coco_file_is_checked_and_converted(saved, folder, tmp_path, capsys):
    out = saved("coco")
    assert f"yolact data convert {out}/annotations.json --images {tmp_path} ..." in capsys.readouterr().err
    assert sorted(os.listdir(out)) == ["annotations.json", "photos"]
    content = json.loads((out / "annotations.json").read_text())
    assert [entry["file_name"] for entry in content["images"]] == [
        "mixed/a.jpg", "out/photos/b/000000.jpg", "out/photos/b/000001.jpg",
    ]  # fmt: skip
    assert content["categories"] == [{"id": 3, "name": "fig"}, {"id": 5, "name": "date"}]
    assert [entry["id"] for entry in content["annotations"]] == list(range(1, 10))
    words = ["data", "check", out / "annotations.json", "--images", tmp_path, "--json"]
    main.main([*map(str, words)])
    found = json.loads(capsys.readouterr().out)
    assert not [one for one in found["findings"] if one["severity"] == "error"], found["findings"]


def test_kinds_that_are_unknown_are_named(capsys):
    assert main.main(["predict", "m", "a.jpg", "--output", "o", "--save", "video,pngs"]) == 2
    assert "unknown 'pngs'; known are pictures, video," in capsys.readouterr().err
