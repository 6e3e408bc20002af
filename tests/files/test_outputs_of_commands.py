"""Every command with an output keeps the rule of `official_yolact.files`, whatever is in its place."""

from __future__ import annotations

import errno
import io
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence

import numpy as np
import PIL.Image
import pytest
import scipy.io

from official_yolact.cli import main
from official_yolact.serving import loading
from official_yolact.training import run as training
from official_yolact_runtime import categories
from official_yolact_runtime.files import outputs
from official_yolact_runtime.predictor import Predictor

SQUARE = [2, 2, 20, 2, 20, 20, 2, 20]
CHECK = ["data", "check", "ann.json", "--images", "images"]
SHOW = ["data", "show", "ann.json", "--images", "images", "--output", "out"]
CONVERT = ["data", "convert", "ann.json", "--images", "images", "--split", "t"]
INIT = ["data", "init", "--train", "ann.json", "--val", "ann.json", "--images", "images"]
MERGE = ["data", "merge", "ann.json", "instances-a.json", "--images", "images"]
EVAL = ["eval", "--detections", "found.json", "--annotations", "ann.json", "--output", "out"]

COMMANDS = {
    "check html": ([*CHECK, "--html", "page.html"], ["page.html"]),
    "check fix": ([*CHECK, "--fix", "-o", "fixed.json"], ["fixed.json"]),
    "labelme": (["data", "labelme", "labelme", "--output", "out/all.json"], ["out/all.json"]),
    "yolo": (["data", "yolo", "yolo", "--split", "train", "--output", "out/all.json"], ["out/all.json"]),
    "masks": (["data", "masks", "images", "masks", "--output", "out/all.json"], ["out/all.json"]),
    "split": (
        ["data", "split", "ann.json", "--output", "out", "--fractions", "train=0.5,val=0.5"],
        ["out/instances_train.json", "out/instances_val.json"],
    ),
    "merge": ([*MERGE, "--output", "out/all.json"], ["out/all.json"]),
    "init": ([*INIT, "--output", "out/mine.yaml"], ["out/mine.yaml"]),
    "shapes": (
        ["data", "shapes", "--output", "out", "--train", "1", "--val", "1", "--workers", "1"],
        ["out/train/000001.jpg", "out/val/000001.jpg", "out/instances_train.json", "out/instances_val.json"],
    ),
    "convert": (
        [*CONVERT, "--output", "out"],
        ["out/instances-t.json", "out/manifest-t.json"],
    ),
    "coco2017": (
        ["data", "coco2017", "--from", "coco", "--splits", "val", "--output", "out"],
        ["out/instances-val.json", "out/manifest-val.json"],
    ),
    "sbd": (["data", "sbd", "sbd", "--split", "val", "--output", "out/all.json"], ["out/all.json"]),
    "demo": (
        ["demo", "--output", "out", "--train", "2", "--val", "1"],
        [
            "out/shapes/train/000001.jpg",
            "out/shapes/instances_val.json",
            "out/records/instances-train.json",
            "out/records/manifest-val.json",
            "out/pictures/000001.png",
            "out/pictures/all.png",
            "out/metrics.json",
        ],
    ),
    "show": (SHOW, ["out/000.png", "out/001.png", "out/sheet.png"]),
    "eval": (EVAL, ["out/bbox_detections.json", "out/metrics.json"]),
    "predict": (
        ["predict", "model", "images", "--output", "out"],
        ["out/a.jpg", "out/b.jpg", "out/predictions.json"],
    ),
}
CONVERSIONS = ("convert", "coco2017")
ONE_BY_ONE = [name for name in COMMANDS if name not in (*CONVERSIONS, "demo")]  # what they write, as listed
TOGETHER = ("split", "shapes")
"""Their JSON files are written all or none."""
PLACES = [pytest.param(name, at, id=f"{name} {at}") for name, (_, outs) in COMMANDS.items() for at in outs]

INPUTS = {
    "check html over annotations": [*CHECK, "--html", "ann.json"],
    "check html over a photo": [*CHECK, "--html", "images/a.jpg"],
    "check fix over a photo": [*CHECK, "--fix", "-o", "images/a.jpg"],
    "check fix over annotations": [*CHECK, "--fix", "-o", "ann.json"],
    "check twice the same": [*CHECK, "--html", "x", "--fix", "-o", "x"],
    "labelme over a file": ["data", "labelme", "labelme", "--output", "labelme/a.json"],
    "labelme over a photo": ["data", "labelme", "labelme", "--output", "labelme/a.jpg"],
    "yolo over a photo": ["data", "yolo", "yolo", "--split", "train", "--output", "yolo/images/train/a.jpg"],
    "yolo over labels": ["data", "yolo", "yolo", "--split", "train", "--output", "yolo/labels/train/a.txt"],
    "yolo over classes": ["data", "yolo", "yolo", "--split", "train", "--output", "yolo/classes.txt"],
    "masks over a mask": ["data", "masks", "images", "masks", "--output", "masks/a.png"],
    "masks over a photo": ["data", "masks", "images", "masks", "--output", "images/a.jpg"],
    "merge over annotations": [*MERGE, "--output", "instances-a.json"],
    "merge over a photo": [*MERGE, "--output", "images/a.jpg"],
    "split over annotations": ["data", "split", "instances_train.json", "--output", "."],
    "convert over annotations": [
        "data", "convert", "instances-a.json", "--images", "images", "--output", ".", "--split", "a",
    ],
    "init over annotations": [
        "data", "init", "--train", "ann.yaml", "--val", "ann.json", "--images", "images", "--output", "ann.yaml",
    ],
    "sbd over objects": ["data", "sbd", "sbd", "--split", "val", "--output", "sbd/inst/2008_000002.mat"],
    "sbd over a photo": ["data", "sbd", "sbd", "--split", "val", "--output", "sbd/img/2008_000002.jpg"],
    "sbd over its list": ["data", "sbd", "sbd", "--split", "val", "--output", "sbd/val.txt"],
    "show over a photo": ["data", "show", "shown/a.json", "--images", "shown", "--output", "shown"],
    "eval over detections": [
        "eval", "--detections", "bbox_detections.json", "--annotations", "ann.json", "--output", ".",
    ],
    "predict over a photo": ["predict", "model", "images", "--output", "images"],
}  # fmt: skip


def _coco(names: tuple[str, ...]) -> str:
    images = [{"id": at, "file_name": name, "height": 40, "width": 40} for at, name in enumerate(names, 1)]
    box = {"category_id": 1, "bbox": [2, 2, 18, 18], "area": 324, "iscrowd": 0, "segmentation": [SQUARE]}
    annotations = [{"id": image["id"], "image_id": image["id"], **box} for image in images]
    return json.dumps(
        {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "fig"}]}
    )


@pytest.fixture(autouse=True)
def _work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay out inputs of every command, and put a model in place that finds nothing."""
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "masks", "labelme", "yolo/images/train", "yolo/labels/train", "shown"):
        pathlib.Path(folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for place, names in (("images", "ab"), ("labelme", "a"), ("yolo/images/train", "a")):
        for name in names:
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(f"{place}/{name}.jpg")
    PIL.Image.new("RGB", (40, 40)).save("shown/000.png")
    PIL.Image.fromarray(np.eye(40, dtype=np.uint8)).save("masks/a.png")
    for name in ("ann.json", "ann.yaml", "instances_train.json", "instances-a.json"):
        pathlib.Path(name).write_text(_coco(("a.jpg", "b.jpg")))
    pathlib.Path("coco/annotations").mkdir(parents=True)
    pathlib.Path("coco/annotations/instances_val2017.json").write_text(_coco(("a.jpg", "b.jpg")))
    shutil.copytree("images", "coco/val2017")
    pathlib.Path("shown/a.json").write_text(_coco(("000.png",)))
    found = [{"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [2, 2, 18, 18]}]
    for name in ("found.json", "bbox_detections.json"):
        pathlib.Path(name).write_text(json.dumps(found))
    points = [[2, 2], [20, 2], [20, 20]]
    shape = {"label": "fig", "shape_type": "polygon", "points": points, "group_id": None}
    labels = {"imagePath": "a.jpg", "imageHeight": 40, "imageWidth": 40, "imageData": None, "shapes": [shape]}
    pathlib.Path("labelme/a.json").write_text(json.dumps(labels))
    pathlib.Path("yolo/classes.txt").write_text("fig\n")
    pathlib.Path("yolo/labels/train/a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    for place in ("inst", "img"):
        pathlib.Path("sbd", place).mkdir(parents=True)
    pathlib.Path("sbd/val.txt").write_text("2008_000002\n")
    shutil.copy("images/a.jpg", "sbd/img/2008_000002.jpg")
    pixels, kinds = np.eye(40, dtype=np.uint8), np.array([[3]], np.uint8)
    scipy.io.savemat("sbd/inst/2008_000002.mat", {"GTinst": {"Segmentation": pixels, "Categories": kinds}})
    monkeypatch.setattr(training, "run", lambda *arguments: {"mask_AP": 0.5})
    found_nothing = Predictor(_NoDetections(), categories.Categories((1,), ("fig",)))
    monkeypatch.setattr(loading, "load", lambda *arguments, **options: found_nothing)


class _NoDetections:
    """A runtime that finds nothing."""

    num_classes, input_size, batch_size = 2, (40, 40), 2

    def decode(self, encoded: bytes) -> np.ndarray:
        return np.asarray(PIL.Image.open(io.BytesIO(encoded)).convert("RGB"))

    def detect(self, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        shapes = {"boxes": (0, 4), "scores": (0,), "mask_scores": (0,), "classes": (0,), "masks": (0, 4, 4)}
        found = {f"detection_{name}": np.zeros((len(images), *shape)) for name, shape in shapes.items()}
        info = np.tile(np.float32([[[40, 40], [40, 40], [1, 1], [0, 0]]]), (len(images), 1, 1))
        return {**found, "num_detections": np.zeros(len(images)), "image_info": info}


def _contents() -> dict[str, bytes]:
    """Give every file below the folder; fails where something half-done is."""
    found = {str(path): path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}
    assert not [path for path in found if "incomplete" in path or path.endswith(".tmp")]
    return found


def _refused(words: list[str], capsys: pytest.CaptureFixture[str], *said: str) -> None:
    capsys.readouterr()
    assert main.main(words) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("yolact: error: ")
    for part in said:
        assert part in message


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_writes_and_runs_again_over_what_it_wrote(name: str) -> None:
    words, written_paths = COMMANDS[name]
    for _ in range(2):
        assert main.main(words) in (0, 1)
        assert all(os.path.getsize(output) for output in written_paths)
        _contents()


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_never_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = _contents()
    for force in ([], ["--force"]):
        _refused([*INPUTS[name], *force], capsys)
        assert before.items() <= _contents().items()


@pytest.mark.parametrize(("name", "output"), PLACES)
def test_what_is_in_the_place_is_kept(name: str, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, _ = COMMANDS[name]
    place = pathlib.Path(output)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("mine")
    before = _contents()
    _refused(words, capsys, output, "--force")
    assert _contents() == before or (name == "demo" and before.items() <= _contents().items())
    place.unlink()
    pathlib.Path("elsewhere").write_text("mine")
    place.symlink_to(pathlib.Path("elsewhere").resolve())
    _refused(words, capsys, output, "is a link")
    assert main.main([*words, "--force"]) in (0, 1)
    assert pathlib.Path("elsewhere").read_text() == "mine"
    assert not place.is_symlink()
    place.unlink()
    place.mkdir()
    _refused([*words, "--force"], capsys, output, "is a folder")


@pytest.mark.parametrize(
    "error", [errno.ENOSPC, errno.EROFS, errno.EDQUOT], ids=["full", "read-only", "quota"]
)
@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_failed_write_is_named_and_leaves_nothing(
    name: str, error: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, written_paths = COMMANDS[name]
    before, finish = _contents(), outputs._finish
    kept = len(written_paths) - 1 if error == errno.EDQUOT else 0
    monkeypatch.setattr(outputs, "_finish", _fail_after(kept, error, finish))
    _refused(words, capsys, "cannot be written", os.strerror(error))
    written = set(_contents()) - set(before)
    if name in TOGETHER:
        assert not [path for path in written if path.endswith(".json")]
        kept -= sum(path.endswith(".json") for path in written_paths[:-1]) if kept else 0
    assert len(written) == kept
    assert written <= set(written_paths)


def _fail_after(count: int, error: int, finish: Callable[..., None]) -> Callable[..., None]:
    left = [None] * count

    def fail(file: object) -> None:
        if not left:
            raise OSError(error, os.strerror(error))
        left.pop()
        finish(file)

    return fail


def test_a_conversion_knows_shards_that_were_changed(capsys: pytest.CaptureFixture[str]) -> None:
    words, written_paths = COMMANDS["convert"]
    for output in map(pathlib.Path, [*written_paths, "out/t-00000-of-00001.tfrecord"]):
        assert main.main(words) == 0
        converted = output.read_bytes()
        output.write_bytes(converted + b" ")
        _refused(words, capsys, str(output), "--force")
        assert output.read_bytes() == converted + b" "
        assert main.main([*words, "--force"]) == 0
        assert output.read_bytes() == converted


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_that_cannot_write_publishes_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, _ = COMMANDS[name]
    with monkeypatch.context() as context:
        context.setattr(outputs, "_finish", _fail_after(0, errno.ENOSPC, outputs._finish))
        _refused(words, capsys, "cannot be written", os.strerror(errno.ENOSPC))
    assert not [path for path in pathlib.Path("out").iterdir() if not path.name.startswith(".")]
    assert main.main(words) == 0
    _contents()
