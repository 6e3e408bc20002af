from __future__ import annotations

import collections
import hashlib
import json
import pathlib

import cv2
import numpy as np
import pytest
from pycocotools import coco
from pycocotools import mask as coco_mask

from official_yolact.data.sets import shapes


def sha256_of(folder: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("shapes")
    shapes.write_shapes(str(path), 230, 20, seed=3, workers=1)
    return path


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shapes.write_shapes(str(tmp_path / "again"), 230, 20, seed=3, workers=2)
    assert sha256_of(tmp_path / "again") == sha256_of(folder)


def test_another_seed_gives_other_images(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    shapes.write_shapes(str(tmp_path), 1, 1, seed=4)
    other = (tmp_path / "train" / "000001.jpg").read_bytes()
    assert other != (folder / "train" / "000001.jpg").read_bytes()
    assert other != (tmp_path / "val" / "000001.jpg").read_bytes()


def test_an_image_does_not_depend_on_how_many_there_are(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    shapes.write_shapes(str(tmp_path), 2, 1, seed=3)
    assert (tmp_path / "train" / "000002.jpg").read_bytes() == (folder / "train" / "000002.jpg").read_bytes()


def test_annotations_say_what_pycocotools_measures(folder: pathlib.Path) -> None:
    truth = coco.COCO(str(folder / "instances_train.json"))
    for annotation in truth.anns.values():
        runs = truth.annToRLE(annotation)
        assert coco_mask.area(runs) == annotation["area"] > 0
        assert list(coco_mask.toBbox(runs)) == annotation["bbox"]
    assert sorted(truth.anns) == list(range(1, len(truth.anns) + 1))
    assert sorted(truth.imgs) == list(range(1, 231))


def test_instances_of_an_image_do_not_overlap(folder: pathlib.Path) -> None:
    truth = coco.COCO(str(folder / "instances_train.json"))
    for image_id in truth.imgs:
        masks = [truth.annToMask(annotation) for annotation in truth.imgToAnns[image_id]]
        assert sum(masks, np.zeros((128, 128), np.int64)).max() <= 1


def test_the_set_has_every_difficulty_that_it_promises(folder: pathlib.Path) -> None:
    content = json.loads((folder / "instances_train.json").read_text())
    annotations = content["annotations"]
    kinds = collections.Counter(annotation["category_id"] for annotation in annotations)
    assert set(kinds) == {category["id"] for category in content["categories"]} == set(range(1, 7))
    assert any(annotation["iscrowd"] for annotation in annotations)
    assert any(
        isinstance(annotation["segmentation"], dict) and not annotation["iscrowd"]
        for annotation in annotations
    )
    assert any(
        isinstance(annotation["segmentation"], list) and len(annotation["segmentation"]) > 1
        for annotation in annotations
    )
    assert len({annotation["image_id"] for annotation in annotations}) < len(content["images"])
    assert all(annotation["area"] >= 40 for annotation in annotations if not annotation["iscrowd"])


def test_images_have_the_size_that_is_asked_for(tmp_path: pathlib.Path) -> None:
    shapes.write_shapes(str(tmp_path), 1, 1, size=64)
    assert cv2.imread(str(tmp_path / "val" / "000001.jpg")).shape == (64, 64, 3)
    assert json.loads((tmp_path / "instances_val.json").read_text())["images"][0]["height"] == 64


def test_a_large_photo_has_as_many_small_shapes_as_its_cells(tmp_path: pathlib.Path) -> None:
    shapes.write_shapes(str(tmp_path), 3, 1, size=480, cell=80)
    truth = coco.COCO(str(tmp_path / "instances_train.json"))
    assert all((image["height"], image["width"]) == (480, 480) for image in truth.dataset["images"])
    for image_id in truth.imgs:
        masks = [truth.annToMask(annotation) for annotation in truth.imgToAnns[image_id]]
        assert sum(masks, np.zeros((480, 480), np.int64)).max() <= 1
        assert 36 <= len(masks) <= 36 * 6  # one to five in most cells, and a bar over some
    objects = [annotation for annotation in truth.anns.values() if not annotation["iscrowd"]]
    sides = np.array([max(annotation["bbox"][2:]) for annotation in objects])
    # Radii of 0.12 to 0.28 of a cell's side, and bars of twice 0.4; shapes are cut by others and by the edge.
    assert sides.max() <= 2 * 0.4 * 80 + 2
    assert 15 < np.median(sides) < 45
    # They lie everywhere: each quarter of the photos has its share.
    middles = np.array([np.array(a["bbox"][:2]) + np.array(a["bbox"][2:]) / 2 for a in objects])
    quarters = np.bincount((middles >= 240) @ np.array([1, 2]), minlength=4) / len(middles)
    assert quarters.min() > 0.15


@pytest.mark.parametrize("seed", range(20))
def test_traced_polygons_rasterize_to_the_very_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((17, 13)) > 0.6
    if seed % 2:
        mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3))) > 0
    polygons = shapes.trace_polygons(mask)
    background = cv2.connectedComponents((~np.pad(mask, 1)).astype(np.uint8), connectivity=4)[0] - 1
    assert (polygons is None) == (background > 1)
    if polygons:
        runs = coco_mask.merge(coco_mask.frPyObjects(polygons, 17, 13))
        np.testing.assert_array_equal(coco_mask.decode(runs), mask)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_train": 0}, "train is 0"),
        ({"num_val": -1}, "val is -1"),
        ({"size": 8}, "size is 8"),
        ({"seed": -1}, "seed"),
        ({"cell": 20}, "cell is 20"),
        ({"cell": 129}, "cell is 129: at least 48, at most 128"),
    ],
)
def test_options_out_of_range_are_refused(
    options: dict[str, int], message: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match=message):
        shapes.write_shapes(str(tmp_path), **options)
