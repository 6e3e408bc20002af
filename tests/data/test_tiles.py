"""Tiles show, pixel for pixel, what their photo has there, and no object of it is lost."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
from pycocotools import coco as coco_lib

from official_yolact.cli import main
from official_yolact.data import leaks
from official_yolact.data import tiles

HEIGHT, WIDTH = 150, 210
CLASSES = [{"id": 3, "name": "leaf"}, {"id": 8, "name": "bud"}]


def write_photos(folder: pathlib.Path, names: list[str], seed: int = 0) -> str:
    """Write photos of noise with polygons and run lengths, one crowd region among them."""
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for number, name in enumerate(names, 1):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(path)
        images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
        for at in range(8):
            # Three to ten corners around a point, some beyond the photo's edge.
            angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 11)))
            radius = rng.uniform(5, 60)
            middle = rng.uniform([0, 0], [WIDTH, HEIGHT])
            points = middle + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            segmentation: Any = [np.clip(points, -5, [WIDTH + 5, HEIGHT + 5]).ravel().tolist()]
            if at == 7:
                runs = np.diff(
                    np.sort(rng.choice(np.arange(1, HEIGHT * WIDTH), 20, replace=False)), prepend=0
                )
                counts = [*runs.tolist(), HEIGHT * WIDTH - int(runs.sum())]
                segmentation = {"size": [HEIGHT, WIDTH], "counts": counts}
            entry = {"id": len(annotations) + 50, "image_id": number, "iscrowd": int(at == 7)}
            entry |= {"category_id": CLASSES[at % 2]["id"], "segmentation": segmentation}
            annotations.append({**entry, "bbox": [0, 0, 5, 5], "area": 25})
    path = folder / "instances_photos.json"
    content = {"images": images, "annotations": annotations, "categories": CLASSES}
    path.write_text(json.dumps(content))
    return str(path)


def read(path: pathlib.Path) -> npt.NDArray[np.uint8]:
    return np.asarray(PIL.Image.open(path).convert("RGB"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sides", [(64, 64), (40, 90), (200, 100)])
def test_tiles_are_what_the_photo_has_there(
    seed: int, sides: tuple[int, int], tmp_path: pathlib.Path
) -> None:
    path = write_photos(tmp_path, ["a.png", "b/a.png"], seed)
    output, least = tmp_path / "tiles", 0.4
    summary = tiles.tile_coco(path, str(output), str(tmp_path / "photos"), sides, least_visible=least)
    photos, cut = coco_lib.COCO(path), coco_lib.COCO(str(output / "instances.json"))
    source_of = {image["file_name"]: image["id"] for image in photos.dataset["images"]}
    seen = {number: np.zeros((HEIGHT, WIDTH), np.uint8) for number in photos.anns}
    regions = 0
    for tile in cut.dataset["images"]:
        rows, columns = (
            slice(tile[first], tile[first] + tile[side])
            for first, side in (("top", "height"), ("left", "width"))
        )
        assert (tile["height"], tile["width"]) == (min(sides[0], HEIGHT), min(sides[1], WIDTH))
        whole = read(tmp_path / "photos" / tile["photo"])
        np.testing.assert_array_equal(read(output / "images" / tile["file_name"]), whole[rows, columns])
        expected = {
            annotation["id"]: photos.annToMask(annotation)
            for annotation in photos.imgToAnns[source_of[tile["photo"]]]
        }
        shown = {annotation["source_id"]: annotation for annotation in cut.imgToAnns[tile["id"]]}
        assert set(shown) == {number for number, mask in expected.items() if mask[rows, columns].any()}
        for number, annotation in shown.items():
            mask = cut.annToMask(annotation)
            np.testing.assert_array_equal(mask, expected[number][rows, columns])
            seen[number][rows, columns] |= mask
            source = photos.anns[number]
            is_region = mask.sum() < least * expected[number].sum()
            assert annotation["iscrowd"] == int(source["iscrowd"] or is_region)
            assert annotation["category_id"] == source["category_id"]
            assert annotation["area"] == mask.sum()
            regions += is_region and not source["iscrowd"]
    for number, mask in seen.items():  # every pixel of every object is in some tile
        np.testing.assert_array_equal(mask, photos.annToMask(photos.anns[number]))
    assert (summary.tiles, summary.annotations) == (len(cut.imgs), len(cut.anns))
    assert summary.regions == regions
    assert cut.dataset["categories"] == CLASSES


def test_the_commands_from_large_photos_to_records(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_photos(tmp_path, ["one.png", "two.png", "three.png"])
    folder = tmp_path / "tiles"
    words = ["--images", str(tmp_path / "photos"), "--output", str(folder), "--tile", "64x96", "--json"]
    assert main.main(["data", "tile", path, *words]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    records = ["--output", str(tmp_path / "records"), "--split", "train", "--json"]
    made = str(folder / "instances.json")
    assert main.main(["data", "convert", made, "--images", str(folder / "images"), *records]) == 0
    converted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (converted["num_records"], converted["num_instances"]) == (said["tiles"], said["annotations"])


def test_tiles_of_one_photo_in_two_splits_are_seen(tmp_path: pathlib.Path) -> None:
    path = write_photos(tmp_path, [f"street {number}.png" for number in range(5)])
    tiles.tile_coco(path, str(tmp_path / "tiles"), str(tmp_path / "photos"), (64, 64))
    images = json.loads((tmp_path / "tiles/instances.json").read_text())["images"]
    names = [image["file_name"] for image in images]
    leak = leaks.find(names[::2], names[1::2])
    assert leak is not None
    assert leak.pattern


def test_photos_are_upright_and_stay_jpeg(tmp_path: pathlib.Path) -> None:
    path = write_photos(tmp_path, ["a.jpg"])
    photo = tmp_path / "photos/a.jpg"
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    upright = np.stack([rows, columns, 255 - rows], axis=2).astype(np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # is shown turned clockwise
    PIL.Image.fromarray(np.rot90(upright)).save(photo, exif=exif, quality=95)
    tiles.tile_coco(path, str(tmp_path / "tiles"), str(tmp_path / "photos"), (64, 64))
    for tile in json.loads((tmp_path / "tiles/instances.json").read_text())["images"]:
        assert tile["file_name"] == f"a_tile_{tile['top']}_{tile['left']}.jpg"
        found = read(tmp_path / "tiles/images" / tile["file_name"]).astype(int)
        expected = upright[tile["top"] : tile["top"] + 64, tile["left"] : tile["left"] + 64]
        assert np.abs(found - expected).max() <= 12


def test_photos_of_16_bits_are_scaled_or_said_to_be_dark(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_photos(tmp_path, ["a.png"])
    deep = np.random.default_rng(0).integers(0, 4096, (HEIGHT, WIDTH), np.uint16)
    PIL.Image.fromarray(deep).save(tmp_path / "photos/a.png")
    words = ["data", "tile", path, "--images", str(tmp_path / "photos"), "--tile", "64"]
    for more, shift in (([], 8), (["--bit-depth", "12"], 4)):
        output = tmp_path / f"shift {shift}"
        assert main.main([*words, "--output", str(output), *more]) == 0
        said = capsys.readouterr().err
        assert ("dark" in said) == (shift == 8)
        assert "--bit-depth 12" in said
        tile = read(output / "images/a_tile_0_0.png").astype(int)
        np.testing.assert_allclose(tile[..., 0], deep[:64, :64] >> shift, atol=1)


def test_names_that_differ_in_the_ending_alone_stay_apart(tmp_path: pathlib.Path) -> None:
    path = write_photos(tmp_path, ["a.png", "a.bmp", "b.tif"])
    summary = tiles.tile_coco(path, str(tmp_path / "tiles"), str(tmp_path / "photos"), (100, 100))
    written = {file.name for file in (tmp_path / "tiles/images").iterdir()}
    assert len(written) == summary.tiles
    assert {name.split("_tile_")[0] for name in written} == {"a.png", "a.bmp", "b"}


def test_tiles_without_an_object_can_be_left_out(tmp_path: pathlib.Path) -> None:
    path = write_photos(tmp_path, ["a.png"])
    content = json.loads(pathlib.Path(path).read_text())
    content["annotations"] = content["annotations"][:1]
    pathlib.Path(path).write_text(json.dumps(content))
    every = tiles.tile_coco(path, str(tmp_path / "all"), str(tmp_path / "photos"), (40, 40))
    some = tiles.tile_coco(path, str(tmp_path / "some"), str(tmp_path / "photos"), (40, 40), drop_empty=True)
    assert some.annotations == every.annotations
    assert some.empty > 0
    assert some.tiles + some.empty == every.tiles
    assert len(list((tmp_path / "some/images").iterdir())) == some.tiles


def test_a_photo_that_cannot_be_read_is_refused_or_left_out(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_photos(tmp_path, ["a.png", "b.png"])
    (tmp_path / "photos/b.png").write_bytes(b"not a picture")
    words = ["data", "tile", path, "--images", str(tmp_path / "photos"), "--tile", "64"]
    assert main.main([*words, "--output", str(tmp_path / "strict")]) == 2
    assert "image 2" in capsys.readouterr().err
    assert not (tmp_path / "strict/instances.json").exists()
    assert main.main([*words, "--output", str(tmp_path / "some"), "--bad-images", "skip"]) == 0
    assert "left out: 1 images that cannot be read, the first b.png" in capsys.readouterr().err
    made = json.loads((tmp_path / "some/instances.json").read_text())
    assert {image["photo"] for image in made["images"]} == {"a.png"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["annotations"][3].update(segmentation=[]), "annotation 53: segmentation"),
        (
            lambda content: content["images"][1].update(file_name="a.png"),
            r"images \[1, 2\] have one file, 'a.png': list a photo once",
        ),
        (lambda content: content["images"][1].update(file_name="../c.png"), "leads out of"),
        (lambda content: content["images"][0].update(height=HEIGHT + 1), "do not belong together"),
    ],
)
def test_what_cannot_be_cut_is_named(change: Any, message: str, tmp_path: pathlib.Path) -> None:
    path = write_photos(tmp_path, ["a.png", "b.png"])
    content = json.loads(pathlib.Path(path).read_text())
    change(content)
    pathlib.Path(path).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        tiles.tile_coco(path, str(tmp_path / "tiles"), str(tmp_path / "photos"), (64, 64))
    assert not (tmp_path / "tiles/instances.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tile", "8"], "tile is 8"),
        (["--tile", "64x"], "tile is '64x'"),
        (["--tile", "64", "--overlap", "0.95"], "overlap is 0.95"),
        (["--tile", "64", "--least-visible", "1.5"], "least-visible is 1.5"),
    ],
)
def test_options_out_of_range_are_refused(
    words: list[str], message: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_photos(tmp_path, ["a.png"])
    more = ["--images", str(tmp_path / "photos"), "--output", str(tmp_path / "tiles"), *words]
    assert main.main(["data", "tile", path, *more]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "tiles").exists()


def test_a_file_of_another_program_is_not_replaced(tmp_path: pathlib.Path) -> None:
    path = write_photos(tmp_path, ["a.png"])
    taken = tmp_path / "tiles/images/a_tile_0_0.png"
    taken.parent.mkdir(parents=True)
    taken.write_text("mine")
    with pytest.raises(ValueError, match="a_tile_0_0.png"):
        tiles.tile_coco(path, str(tmp_path / "tiles"), str(tmp_path / "photos"), (64, 64))
    assert taken.read_text() == "mine"
