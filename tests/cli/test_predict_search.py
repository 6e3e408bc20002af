"""Tiles and tracking through `yolact predict`, with a model of NumPy that finds each colored square."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from official_yolact.cli import main
from official_yolact_runtime import categories
from official_yolact_runtime import predictor
from official_yolact_runtime import run_lengths

GRID = 64
SMALLEST = 6
COUNT = 40


class ColorRuntime:
    """Sees a picture as 64 x 64 cells, and a square of 6 or more of them; red is a fig, green a date."""

    name = "numpy"
    num_classes = 3
    input_size = (GRID, GRID)
    batch_size = 4

    def __init__(self):
        self.batches = []

    def decode(self, encoded):
        return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))

    def detect(self, images):
        self.batches.append([image.shape[:2] for image in images])
        found = {
            "detection_boxes": np.zeros((len(images), COUNT, 4), np.float32),
            "detection_scores": np.zeros((len(images), COUNT), np.float32),
            "detection_classes": np.ones((len(images), COUNT), np.int32),
            "num_detections": np.zeros(len(images), np.int32),
            "detection_masks": np.zeros((len(images), COUNT, GRID, GRID), np.float32),
        }
        for row, image in enumerate(images):
            scale = np.array(image.shape[:2]) / GRID
            cells = np.minimum(
                ((np.arange(GRID) + 0.5)[:, np.newaxis] * scale).astype(int), np.array(image.shape[:2]) - 1
            )
            seen = image[cells[:, 0]][:, cells[:, 1]]
            for color in [c for c in np.unique(seen.reshape(-1, 3), axis=0) if c.any()]:
                mask = (seen == color).all(axis=2)
                if mask.sum() < SMALLEST**2:
                    continue
                sides = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
                corners = [(side[0] * s, (side[-1] + 1) * s) for side, s in zip(sides, scale, strict=True)]
                at = found["num_detections"][row]
                found["detection_boxes"][row, at] = np.transpose(corners).ravel()
                found["detection_scores"][row, at] = color[2] / 255
                found["detection_classes"][row, at] = 1 + (color[1] > color[0])
                found["detection_masks"][row, at] = mask
                found["num_detections"][row] += 1
        info = [[i.shape[:2], (GRID, GRID), (GRID / i.shape[0], GRID / i.shape[1]), (0, 0)] for i in images]
        return {**found, "detection_mask_scores": found["detection_scores"], "image_info": np.float32(info)}


@pytest.fixture(autouse=True)
def runtime(monkeypatch):
    runtime = ColorRuntime()
    model = predictor.Predictor(runtime, categories.Categories((3, 5), ("fig", "date")))
    monkeypatch.setattr("official_yolact.serving.models.load", lambda *_, **__: model)
    return runtime


@pytest.fixture
def predict(tmp_path, capsys):
    """Run the command; gives its exit code, what it wrote as predictions, and its messages."""

    def run(*words, output="out"):
        code = main.main(["predict", "m", *map(str, words), "--output", str(tmp_path / output)])
        err = capsys.readouterr().err
        listing = tmp_path / output / "predictions.json"
        return code, json.loads(listing.read_text()) if listing.exists() else None, err

    return run


def draw(path, size, *squares):
    """Draw squares (top, left, side, color) as a PNG."""
    image = np.zeros((*size, 3), np.uint8)
    for top, left, side, color in squares:
        image[top : top + side, left : left + side] = color
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)
    return path


RED, GREEN = (200, 10, 240), (10, 200, 230)


@pytest.fixture
def wide(tmp_path):
    """A picture whose squares are smaller than six cells of the whole."""
    squares = [
        (
            10 + 40 * row,
            10 + 44 * column,
            20,
            (200 - row, 10 + column, 240) if row % 2 else (10 + column, 200 - row, 240),
        )
        for row in range(7)
        for column in range(7)
    ]
    return draw(tmp_path / "photos" / "wide.png", (300, 320), *squares)


def test_tiles_find_the_small_objects_of_a_large_picture(predict, wide, runtime):
    code, entries, _ = predict(wide)
    assert (code, entries) == (0, [])
    code, entries, err = predict(wide, "--tile", "96", "--overlap", "0.4", output="tiled")
    assert code == 0, err
    assert "49 detections in 1 pictures" in err
    assert {(e["category_name"], tuple(e["bbox"][2:])) for e in entries} <= {
        (name, (w, h)) for name in ("fig", "date") for w in (19.5, 21, 22.5) for h in (19.5, 21, 22.5)
    }
    drawn = sum(run_lengths.decode_mask(entry["segmentation"]).astype(int) for entry in entries)
    assert drawn.max() == 1
    assert abs(drawn.sum() - 49 * 400) < 0.1 * 49 * 400
    assert max(map(len, runtime.batches)) == 4
    assert {size for batch in runtime.batches[1:] for size in batch} == {(96, 96)}


def test_fewer_are_shown_of_tiles_when_that_is_asked_for(predict, wide):
    _, entries, _ = predict(wide, "--tile", "96", "--max-detections", "10")
    assert len(entries) == 10


def test_an_object_larger_than_tiles_is_found_as_one(predict, tmp_path):
    photo = draw(tmp_path / "photos" / "a.png", (300, 320), (40, 50, 200, RED), (260, 10, 24, GREEN))
    for words in ([], ["--whole-photo"]):
        _, entries, _ = predict(photo, "--tile", "100", *words, "--force")
        assert sorted(entry["category_name"] for entry in entries) == ["date", "fig"]
        fig = next(entry for entry in entries if entry["category_name"] == "fig")
        np.testing.assert_allclose(fig["bbox"], [50, 40, 200, 200], atol=3)


@pytest.fixture
def frames(tmp_path):
    """Frames of two squares that meet; the red one is doubtful in one frame, the green one hidden in others."""
    for at in range(8):
        red = (20, 10 + 8 * at, 24, (200, 10, 60) if at == 3 else RED)
        green = [] if at in (4, 5) else [(60, 110 - 8 * at, 24, GREEN)]
        draw(tmp_path / "frames" / f"{at:03d}.png", (96, 160), red, *green)
    return tmp_path / "frames"


def test_the_objects_of_the_frames_of_a_folder_are_numbered(predict, frames, tmp_path):
    code, entries, _ = predict(frames, "--track")
    assert code == 0
    numbers = {}
    for entry in entries:
        numbers.setdefault(entry["category_name"], {})[entry["image_id"]] = entry["track_id"]
    assert numbers["fig"] == {1: None, **dict.fromkeys(range(2, 9), numbers["fig"][2])}
    assert numbers["date"] == {1: None, **dict.fromkeys((2, 3, 4, 7, 8), numbers["date"][2])}
    assert {numbers["fig"][2], numbers["date"][2]} == {1, 2}
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 8


def test_without_tracking_no_object_has_a_number(predict, frames):
    _, entries, _ = predict(frames)
    assert all("track_id" not in entry for entry in entries)
    assert sum(entry["category_name"] == "fig" for entry in entries) == 7  # the doubtful one is not shown


def test_another_folder_has_other_objects(predict, frames, tmp_path):
    for at in range(3):
        draw(tmp_path / "others" / f"{at}.png", (96, 160), (20, 70, 24, RED))
    _, entries, _ = predict(frames, tmp_path / "others", "--track")
    by_folder = {}
    for entry in entries:
        if entry["track_id"]:
            by_folder.setdefault(entry["file_name"].split("/")[-2], set()).add(entry["track_id"])
    assert by_folder == {"frames": {1, 2}, "others": {3}}


def test_tiles_and_tracking_go_together(predict, frames):
    _, entries, _ = predict(frames, "--track", "--tile", "64", "--overlap", "0.5")
    assert {entry["track_id"] for entry in entries} == {None, 1, 2}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--overlap", "0.5"], "--overlap has no effect without --tile"),
        (["--whole-photo"], "--whole-photo has no effect without --tile"),
        (["--tile", "16"], "tile is 16: expected the side of a tile in pixels, 32 or more"),
        (
            ["--tile", "64", "--overlap", "0.95"],
            "overlap is 0.95: expected a part of the tile's side, 0.1 to 0.8",
        ),
        (["--tile", "64", "--overlap", "0"], "overlap is 0.0: expected a part of the tile's side"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_the_model_is_loaded(
    predict, wide, words, says, monkeypatch
):
    monkeypatch.setattr("official_yolact.serving.models.load", None)
    code, entries, err = predict(wide, *words)
    assert (code, entries) == (2, None)
    assert says in err


def test_an_evaluation_counts_what_is_found_in_tiles(wide, tmp_path, capsys):
    image, annotations = np.asarray(Image.open(wide)), []
    for color in np.unique(image.reshape(-1, 3), axis=0)[1:]:  # the first is the ground
        rows, columns = np.nonzero((image == color).all(axis=2))
        top, left, bottom, right = (
            int(side) for side in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
        )
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": 1,
                "category_id": 5 if color[1] > color[0] else 3,
                "bbox": [left, top, right - left, bottom - top],
                "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                "area": 400,
                "iscrowd": 0,
            }
        )
    content = {
        "images": [{"id": 1, "file_name": "wide.png", "height": 300, "width": 320}],
        "categories": [{"id": 3, "name": "fig"}, {"id": 5, "name": "date"}],
        "annotations": annotations,
    }
    listing = tmp_path / "annotations.json"
    listing.write_text(json.dumps(content))
    words = ["eval", "m", "--images", str(wide.parent), "--annotations", str(listing), "--json"]
    measured = []
    for more in ([], ["--tile", "96", "--overlap", "0.4"]):
        assert main.main([*words, *more]) == 0
        measured.append(json.loads(capsys.readouterr().out.splitlines()[-1])["mask_AP50"])
    assert measured == [0, pytest.approx(1)]
    assert main.main([*words, "--overlap", "0.4"]) == 2
    assert "--overlap has no effect without --tile" in capsys.readouterr().err
