"""A newcomer's path: one set of photos, as three annotation tools would export it, up to a training."""

from __future__ import annotations

import json
import pathlib
import shutil
from typing import Any

import numpy as np
import PIL.Image
import pytest
import small_network
from pycocotools import mask as mask_utils

from official_yolact.cli import main

pytestmark = [pytest.mark.shared, pytest.mark.slow]

_TURN_RIGHT = 6  # EXIF: the stored photo is shown upright when it is turned right by a quarter.
_ORIENTATION = 0x0112

Objects = dict[str, list[tuple[str, bool, np.ndarray]]]


@pytest.fixture(scope="module")
def truth(shared: pathlib.Path) -> dict[str, Any]:
    """Five photos of nuts with their objects, as COCO JSON."""
    whole = json.loads((shared / "data" / "nuts" / "train.json").read_text())
    images = whole["images"][:5]
    ids = {image["id"] for image in images}
    annotations = [entry for entry in whole["annotations"] if entry["image_id"] in ids]
    return {"images": images, "annotations": annotations, "categories": whole["categories"]}


@pytest.fixture(scope="module")
def photos(shared: pathlib.Path) -> pathlib.Path:
    return shared / "data" / "nuts" / "images"


@pytest.fixture(scope="module")
def expected(
    truth: dict[str, Any], photos: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Objects:
    """What the photos hold, by pycocotools."""
    names = {category["id"]: category["name"] for category in truth["categories"]}
    objects: Objects = {}
    for image in truth["images"]:
        size = image["height"], image["width"]
        objects[image["file_name"]] = [
            (
                names[entry["category_id"]],
                False,
                mask_utils.decode(mask_utils.merge(mask_utils.frPyObjects(entry["segmentation"], *size))),
            )
            for entry in truth["annotations"]
            if entry["image_id"] == image["id"]
        ]
    return objects


def say(*words: object) -> None:
    assert main.main([str(word) for word in words]) == 0


def ask(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    """Run a command with --json: what it printed, and its exit code as `exit`."""
    capsys.readouterr()
    code = main.main([*(str(word) for word in words), "--json"])
    return {"exit": code, **json.loads(capsys.readouterr().out.splitlines()[-1])}


def codes(report: Any, *severities: str) -> set[str]:
    found = report["findings"]
    return {finding["code"] for finding in found if finding["severity"] in severities}


def read_records(folder: pathlib.Path) -> Objects:
    import tensorflow as tf

    objects: Objects = {}
    for file in sorted(folder.glob("train-*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            masks = feature["image/object/mask"].bytes_list.value
            names = feature["image/object/class/text"].bytes_list.value
            crowds = feature["image/object/is_crowd"].int64_list.value
            objects[feature["image/filename"].bytes_list.value[0].decode()] = [
                (name.decode(), bool(crowd), tf.io.decode_png(png).numpy()[..., 0])
                for name, crowd, png in zip(names, crowds, masks, strict=True)
            ]
    return objects


def check_same(got: Objects, expected: Objects) -> None:
    """The same photos with the same objects, pixel for pixel, in whatever order."""
    assert set(got) == set(expected)
    for name, rows in expected.items():
        key = [(kind, crowd, (mask > 0).tobytes()) for kind, crowd, mask in rows]
        assert sorted(key) == sorted((kind, crowd, (mask > 0).tobytes()) for kind, crowd, mask in got[name])


def write_labelme(truth: dict[str, Any], photos: pathlib.Path, folder: pathlib.Path) -> None:
    folder.mkdir()
    names = {category["id"]: category["name"] for category in truth["categories"]}
    for image in truth["images"]:
        shutil.copy(photos / image["file_name"], folder)
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": [
                {
                    "label": names[entry["category_id"]],
                    "shape_type": "polygon",
                    "group_id": entry["id"],
                    "points": np.reshape(part, (-1, 2)).tolist(),
                }
                for entry in truth["annotations"]
                if entry["image_id"] == image["id"]
                for part in entry["segmentation"]
            ],
            "imagePath": image["file_name"],
            "imageData": None,
            "imageHeight": image["height"],
            "imageWidth": image["width"],
        }
        (folder / image["file_name"]).with_suffix(".json").write_text(json.dumps(content))


def mark_as_crowds(truth: dict[str, Any], expected: Objects) -> dict[str, Any]:
    """Write every object as a brush stroke: run lengths, and iscrowd 1."""
    files = {image["id"]: image["file_name"] for image in truth["images"]}
    places = dict.fromkeys(files.values(), 0)
    annotations = []
    for entry in truth["annotations"]:
        file = files[entry["image_id"]]
        mask = expected[file][places[file]][2]
        places[file] += 1
        flat = mask.ravel(order="F")
        ends = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff([0, *ends, flat.size]).tolist()
        counts = [0, *runs] if flat[0] else runs
        shape = {"size": list(mask.shape), "counts": counts}
        annotations.append({**entry, "segmentation": shape, "iscrowd": 1})
    return {**truth, "annotations": annotations}


def swap_sizes(
    truth: dict[str, Any], photos: pathlib.Path, folder: pathlib.Path, turned: bool
) -> dict[str, Any]:
    """Swap height and width; if turned, store photos as a phone does, which is where that comes from."""
    folder.mkdir()
    exif = PIL.Image.Exif()
    exif[_ORIENTATION] = _TURN_RIGHT
    images = []
    for image in truth["images"]:
        images.append({**image, "height": image["width"], "width": image["height"]})
        if turned:
            upright = PIL.Image.open(photos / image["file_name"])
            stored = upright.transpose(PIL.Image.Transpose.ROTATE_90)
            stored.save(folder / image["file_name"], quality=95, exif=exif)
        else:
            shutil.copy(photos / image["file_name"], folder)
    return {**truth, "images": images}


def test_labelme_files_come_as_they_are_and_training_starts(
    truth: dict[str, Any],
    photos: pathlib.Path,
    expected: Objects,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_labelme(truth, photos, tmp_path / "export")
    say("data", "labelme", "export", "--output", "nuts.json")
    assert not codes(ask(capsys, "data", "check", "nuts.json", "--images", "export"), "error", "warning")
    say("data", "convert", "nuts.json", "--images", "export", "--output", "all", "--split", "train")
    check_same(read_records(tmp_path / "all"), expected)

    say(
        "data",
        "split",
        "nuts.json",
        "--images",
        "export",
        "--output",
        "split",
        "--fractions",
        "train=0.6,val=0.4",
    )
    parts = [f"split/instances_{name}.json" for name in ("train", "val")]
    words = ["--train", parts[0], "--val", parts[1], "--images", "export", "--output", "mine.yaml"]
    say("data", "init", *words, "--init-checkpoint", "none")
    for name, part in zip(("train", "val"), parts, strict=True):
        say("data", "convert", part, "--images", "export", "--output", "records", "--split", name)
    say("config", "check", "mine.yaml")
    small = ["task.model.backbone.type=resnet", small_network.TERMS, "task.model.input_size=[96,128]"]
    say(
        "train",
        "mine.yaml",
        *small,
        "trainer.train_steps=2",
        "trainer.validation_interval=2",
        "trainer.steps_per_loop=1",
        "trainer.summary_interval=1",
        "--model_dir",
        "run",
    )
    assert (tmp_path / "run" / "ckpt-2.index").is_file()
    assert json.loads((tmp_path / "run" / "categories.json").read_text())


def test_objects_marked_as_crowds_are_explained_and_taken_as_objects(
    truth: dict[str, Any],
    photos: pathlib.Path,
    expected: Objects,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    export = tmp_path / "crowds.json"
    export.write_text(json.dumps(mark_as_crowds(truth, expected)))
    report = ask(capsys, "data", "check", export, "--images", photos)
    assert report["exit"] == 1
    (finding,) = [finding for finding in report["findings"] if finding["code"] == "D07"]
    assert finding["count"] == len(truth["annotations"])
    assert "--crowd=as-instance" in finding["cure"]
    words = ["data", "convert", export, "--images", photos, "--split", "train"]
    say(*words, "--output", tmp_path / "kept")
    assert all(crowd for rows in read_records(tmp_path / "kept").values() for _, crowd, _ in rows)
    for spelling in ("as-instance", "as_instance"):
        say(*words, "--output", tmp_path / spelling, f"--crowd={spelling}")
        check_same(read_records(tmp_path / spelling), expected)


@pytest.mark.parametrize("turned", [True, False])
def test_photos_with_swapped_sizes_are_explained_repaired_and_shown(
    turned: bool,
    truth: dict[str, Any],
    photos: pathlib.Path,
    expected: Objects,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    export, clean = tmp_path / "swapped.json", tmp_path / "clean.json"
    export.write_text(json.dumps(swap_sizes(truth, photos, tmp_path / "photos", turned)))
    report = ask(capsys, "data", "check", export, "--images", tmp_path / "photos")
    assert report["exit"] == 1
    assert "D04" in codes(report, "error")
    assert (
        main.main(
            ["data", "check", str(export), "--images", str(tmp_path / "photos"), "--fix", "-o", str(clean)]
        )
        == 0
    )
    assert not codes(ask(capsys, "data", "check", clean, "--images", tmp_path / "photos"), "error", "warning")
    say(
        "data",
        "convert",
        clean,
        "--images",
        tmp_path / "photos",
        "--output",
        tmp_path / "out",
        "--split",
        "train",
    )
    check_same(read_records(tmp_path / "out"), expected)

    straight = tmp_path / "straight.json"
    straight.write_text(json.dumps(truth))
    pictures = {}
    for name, images in (("clean", tmp_path / "photos"), ("straight", photos)):
        folder = tmp_path / name
        listed = ask(
            capsys, "data", "show", tmp_path / f"{name}.json", "--images", images, "--output", folder
        )
        assert listed["exit"] == 0
        (sheet,) = sorted(folder.glob("*.png"))[:1]
        pictures[name] = np.asarray(PIL.Image.open(sheet).convert("RGB"), np.float64)
    assert pictures["clean"].shape == pictures["straight"].shape
    # The same drawing; the photo below it has been through JPEG once more.
    assert np.abs(pictures["clean"] - pictures["straight"]).mean() < 4
