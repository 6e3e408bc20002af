from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tracemalloc
from typing import Any

import cv2
import numpy as np
import peak_memory
import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.coco import annotations as coco_annotations
from official_yolact.serving import stored

SIZE = (400, 500)
GREY = (90, 90, 90)


def square(left: int, top: int, side: int) -> list[list[int]]:
    return [[left, top, left + side, top, left + side, top + side, left, top + side]]


def write(folder: pathlib.Path, **changed: Any) -> str:
    PIL.Image.new("RGB", SIZE[::-1], GREY).save(folder / "a.png")
    PIL.Image.new("RGB", SIZE[::-1], GREY).save(folder / "b.png")
    content: dict[str, Any] = {
        "images": [
            {"id": 4, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]},
            {"id": 9, "file_name": "b.png", "height": SIZE[0], "width": SIZE[1]},
        ],
        "categories": [{"id": 2, "name": "fig"}],
        "annotations": [
            {"id": 1, "image_id": 4, "category_id": 2, "iscrowd": 0, "segmentation": square(50, 50, 100)}
        ],
    }
    content["annotations"][0].update(changed)
    (folder / "a.json").write_text(json.dumps(content))
    return str(folder / "a.json")


def draw(folder: pathlib.Path, **changed: Any) -> stored.StoredPicture:
    source = coco_annotations.read(write(folder, **changed))
    return stored.draw_stored(source, source.images[0], str(folder))


def test_a_mask_tints_its_pixels_and_no_others(tmp_path: pathlib.Path) -> None:
    drawn = draw(tmp_path)
    assert drawn.picture.shape == (*SIZE, 3)
    assert drawn.problems == []
    assert tuple(drawn.picture[100, 100]) != GREY
    assert (drawn.picture[170:, 170:] == GREY).all()


def test_many_masks_of_a_large_photo_are_held_as_their_runs(tmp_path: pathlib.Path) -> None:
    side, count = 1500, 60
    PIL.Image.new("L", (side, side), 90).save(tmp_path / "a.png")
    annotations = [
        {"id": at, "image_id": 4, "category_id": 2, "iscrowd": 0, "segmentation": square(at, at, 1400)}
        for at in range(1, count + 1)
    ]
    content = {
        "images": [{"id": 4, "file_name": "a.png", "height": side, "width": side}],
        "categories": [{"id": 2, "name": "fig"}],
        "annotations": annotations,
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    source = coco_annotations.read(str(tmp_path / "a.json"))
    tracemalloc.start()
    try:
        drawn = stored.draw_stored(source, source.images[0], str(tmp_path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert drawn.picture.shape == (side, side, 3)
    # All masks at once would be `count` bytes for each pixel.
    assert peak < 25 * side * side


def test_a_photo_with_more_annotations_than_labels_fit_is_drawn_without(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_label = draw(tmp_path).picture
    monkeypatch.setattr(stored, "_MAX_LABELS", 0)
    assert (draw(tmp_path).picture != with_label).any()
    assert "a photo has 1 annotations: none is labelled" in caplog.text


BIG = (4000, 3200)


def write_big(folder: pathlib.Path, height: int, width: int) -> str:
    """Write a photo of a ramp with a square, a crowd, a box without mask and a tiny object."""
    ramp = np.linspace(0, 150, width, dtype=np.uint8)[np.newaxis].repeat(height, axis=0)
    PIL.Image.fromarray(ramp).convert("RGB").save(folder / "big.jpg")
    shapes = (square(1000, 800, 600), square(2000, 2400, 700), square(10**7, 0, 5), square(100, 3000, 1))
    annotations = [
        {"id": at, "image_id": 4, "category_id": 2, "iscrowd": int(at == 1), "segmentation": shape}
        for at, shape in enumerate(shapes)
    ]
    annotations[2]["bbox"] = [2400, 600, 400, 500]
    content = {
        "images": [{"id": 4, "file_name": "big.jpg", "height": height, "width": width}],
        "categories": [{"id": 2, "name": "fig"}],
        "annotations": annotations,
    }
    (folder / "big.json").write_text(json.dumps(content))
    return str(folder / "big.json")


def test_a_large_photo_is_drawn_reduced_with_everything_in_its_place(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_big(tmp_path, *BIG)
    source = coco_annotations.read(path)
    drawn = stored.draw_stored(source, source.images[0], str(tmp_path))
    height, width = drawn.picture.shape[:2]
    factor = height / BIG[0]
    assert abs(height * width - stored.MAX_PIXELS) < 0.001 * stored.MAX_PIXELS
    assert abs(width / BIG[1] - factor) < 1e-3
    monkeypatch.setattr(stored, "MAX_PIXELS", BIG[0] * BIG[1])
    whole = stored.draw_stored(source, source.images[0], str(tmp_path))
    assert whole.picture.shape == (*BIG, 3)
    assert len(drawn.problems) == len(whole.problems) == 1
    expected = cv2.resize(whole.picture, (width, height), interpolation=cv2.INTER_AREA).astype(int)
    differs = (np.abs(drawn.picture - expected) > 30).any(axis=-1)
    # Lines, labels and the stripes of the crowd have their own sizes in each picture.
    assert differs.mean() < 0.04
    tinted = (drawn.picture != drawn.picture[..., :1]).any(axis=-1)
    assert tinted[round(2700 * factor), round(2300 * factor) - 50 : round(2300 * factor) + 50].any()
    assert tinted[round(850 * factor), round(2400 * factor) - 4 : round(2400 * factor) + 5].any()
    assert tinted[round(3000 * factor) - 4 : round(3000 * factor) + 5, round(100 * factor)].any()


def test_a_photo_of_the_largest_size_takes_little_memory(tmp_path: pathlib.Path) -> None:
    path = write_big(tmp_path, 7000, 7000)
    program = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "import peak_memory\n"
        "from official_yolact.cli import main\n"
        "code = main.main(['data', 'show', sys.argv[1], '--images', sys.argv[2], '--output', sys.argv[2] + '/o'])\n"
        "print(code, peak_memory.peak_kb())"
    )
    tests = str(pathlib.Path(peak_memory.__file__).parent)
    words = [sys.executable, "-c", program, path, str(tmp_path), tests]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    code, peak = said.split()[-2:]
    assert code == "0"
    assert int(peak) < 400_000
    assert cv2.imread(str(tmp_path / "o" / "000.png")).shape == (3547, 3547, 3)


def test_a_crowd_is_hatched(tmp_path: pathlib.Path) -> None:
    inner = (slice(60, 140), slice(60, 140))
    solid = draw(tmp_path).picture[inner]
    counts = [0] * SIZE[0] * SIZE[1]
    mask = np.zeros(SIZE, np.uint8)
    mask[50:150, 50:150] = 1
    edges = np.flatnonzero(np.diff(mask.T.ravel(), prepend=0, append=0)).tolist()
    counts = np.diff([0, *edges, mask.size]).tolist()
    hatched = draw(tmp_path, iscrowd=1, segmentation={"size": list(SIZE), "counts": counts}).picture[inner]
    assert (solid != GREY).any(axis=-1).all()
    assert 0.2 < (hatched == GREY).all(axis=-1).mean() < 0.6


def test_an_unusable_mask_leaves_the_box_and_is_said(tmp_path: pathlib.Path) -> None:
    drawn = draw(tmp_path, segmentation=square(10**7, 0, 5), bbox=[50, 50, 100, 100])
    assert len(drawn.problems) == 1
    assert "annotation 1: segmentation: number 0 is 10000000" in drawn.problems[0]
    assert tuple(drawn.picture[100, 50]) != GREY
    assert tuple(drawn.picture[120, 100]) == GREY


def test_a_photo_without_annotations_is_shown_as_it_is(tmp_path: pathlib.Path) -> None:
    source = coco_annotations.read(write(tmp_path))
    drawn = stored.draw_stored(source, source.images[1], str(tmp_path))
    assert (drawn.picture == GREY).all()


def test_a_turned_photo_is_shown_in_the_frame_of_its_annotations(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path)
    picture = np.zeros((*SIZE[::-1], 3), np.uint8)
    picture[:, :200] = 200
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(picture).save(tmp_path / "b.png", exif=exif)
    source = coco_annotations.read(path)
    drawn = stored.draw_stored(source, source.images[1], str(tmp_path)).picture
    # Turned clockwise, the left edge is on top.
    assert drawn.shape == (*SIZE, 3)
    assert drawn[10, 250].tolist() == [200] * 3
    assert drawn[390, 250].tolist() == [0] * 3


def test_the_command_writes_pictures_and_a_sheet(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, look = write(tmp_path), str(tmp_path / "look")
    words = ["data", "show", path, "--images", str(tmp_path), "--output", look, "--json"]
    assert main.main(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [cv2.imread(name).shape for name in printed["pictures"]] == [(*SIZE, 3)] * 2
    assert cv2.imread(printed["sheet"]) is not None
    assert main.main([*words, "--ids", "9"]) == 0
    assert len(json.loads(capsys.readouterr().out)["pictures"]) == 1


def test_a_photo_that_cannot_be_drawn_is_said_and_the_others_are_drawn(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, look = write(tmp_path), str(tmp_path / "look")
    words = ["data", "show", path, "--images", str(tmp_path), "--output", look]
    PIL.Image.new("RGB", (77, 33)).save(tmp_path / "a.png")
    assert main.main(words) == 0
    error = capsys.readouterr().err
    assert "not drawn" in error
    assert "image 4: height and width are 400 and 500" in error
    (tmp_path / "b.png").unlink()
    assert main.main(words) == 2
    assert "none of the images could be drawn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.json"], "name the folder of their images"),
        (["a.json", "x=1", "--images", "."], "overrides a configuration"),
        (["a.json", "--images", ".", "--ids", "77"], "image '77'"),
        (["yolact_tiny_shapes", "--images", "."], "go with ANNOTATIONS.json"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: list[str],
    message: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    assert main.main(["data", "show", *arguments, "--output", "look"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "look").exists()
