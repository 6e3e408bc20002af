"""Real annotations, written as other tools write them, come back as the same masks."""

from __future__ import annotations

import base64
import io
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import label_studio_runs
import numpy as np
import PIL.Image
import pytest
from pycocotools import coco

from official_yolact.data.formats import labelme
from official_yolact.data.formats import labelstudio
from official_yolact.data.formats import mask_folder
from official_yolact.data.formats import via
from official_yolact.data.formats import yolo

pytestmark = pytest.mark.shared

SETS = [("nuts", "val.json", "images"), ("coco-open", "instances_val2017.json", "val2017")]


class Source:
    """A COCO set, its images copied into a folder of the test."""

    def __init__(self, folder: pathlib.Path, annotations: pathlib.Path, images: pathlib.Path) -> None:
        self.folder = folder
        self.truth = coco.COCO(str(annotations))
        self.images = sorted(self.truth.dataset["images"], key=lambda image: image["file_name"])[:25]
        for image in self.images:
            (folder / "images").mkdir(exist_ok=True)
            name = pathlib.Path(image["file_name"]).name
            shutil.copyfile(images / image["file_name"], folder / "images" / name)

    def entries(self, image: dict[str, Any]) -> list[dict[str, Any]]:
        """Give an image's annotations that have a mask."""
        return [entry for entry in self.truth.imgToAnns[image["id"]] if self.truth.annToMask(entry).any()]


@pytest.fixture(params=SETS, ids=lambda row: row[0])
def source(request: pytest.FixtureRequest, shared: pathlib.Path, tmp_path: pathlib.Path) -> Source:
    name, annotations, images = request.param
    return Source(tmp_path, shared / "data" / name / annotations, shared / "data" / name / images)


def compare(source: Source, output: pathlib.Path, allowed_pixels: int = 0) -> int:
    """Compare all masks, image by image in order; gives their number."""
    found = coco.COCO(str(output))
    by_name = {pathlib.Path(image["file_name"]).name: image["id"] for image in found.dataset["images"]}
    count = 0
    for image in source.images:
        wanted = source.entries(image)
        got = found.imgToAnns[by_name[pathlib.Path(image["file_name"]).name]]
        assert len(got) == len(wanted)
        for one, other in zip(got, wanted, strict=True):
            difference = int(np.sum(found.annToMask(one) != source.truth.annToMask(other)))
            assert difference <= allowed_pixels, (image["file_name"], other["id"], difference)
            count += 1
    return count


def encode(mask: np.ndarray) -> str:
    file = io.BytesIO()
    PIL.Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def as_shapes(source: Source, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Write an annotation as labelme does: polygons of a group, or a brush mask."""
    label = source.truth.cats[entry["category_id"]]["name"]
    if isinstance(entry["segmentation"], list):
        return [
            {"label": label, "points": np.reshape(part, (-1, 2)).tolist(), "group_id": entry["id"]}
            for part in entry["segmentation"]
        ]
    mask = source.truth.annToMask(entry)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = (int(number) for number in (rows[0], rows[-1], columns[0], columns[-1]))
    text = encode(mask[top : bottom + 1, left : right + 1])
    points = [[left, top], [right, bottom]]
    return [{"label": label, "points": points, "shape_type": "mask", "mask": text}]


def test_labelme_gives_the_same_masks(source: Source) -> None:
    for image in source.images:
        shapes = [shape for entry in source.entries(image) for shape in as_shapes(source, entry)]
        name = pathlib.Path(image["file_name"]).name
        content = {"imagePath": name, "imageHeight": image["height"], "imageWidth": image["width"]}
        path = source.folder / "images" / f"{name}.json"
        path.write_text(json.dumps({**content, "shapes": shapes}))
    output = source.folder / "coco.json"
    summary = labelme.write_coco(str(source.folder / "images"), str(output))
    assert compare(source, output) == summary.instances > 0


@pytest.mark.parametrize("write", [repr, "{:.6f}".format], ids=["all digits", "six digits"])
def test_yolo_gives_the_same_masks_of_single_polygons(source: Source, write: Callable[[float], str]) -> None:
    labels = source.folder / "labels"
    labels.mkdir()
    for image in source.images:
        lines, kept = [], []
        for entry in source.entries(image):
            parts = entry["segmentation"]
            if isinstance(parts, list) and len(parts) == 1 and len(parts[0]) >= 6:
                points = np.reshape(parts[0], (-1, 2)) / [image["width"], image["height"]]
                lines.append(" ".join(["0", *(write(float(number)) for number in points.ravel())]))
                kept.append(entry)
        source.truth.imgToAnns[image["id"]] = kept
        (labels / f"{pathlib.Path(image['file_name']).stem}.txt").write_text("\n".join(lines))
    (source.folder / "classes.txt").write_text("thing")
    output = source.folder / "coco.json"
    summary = yolo.write_coco(str(source.folder), str(output))
    # Six digits hold pixels with two decimals, as COCO's are, but not those of nuts, which have thirteen.
    is_exact = write is repr or source.images[0]["file_name"] != "0.jpg"
    assert compare(source, output, allowed_pixels=0 if is_exact else 10) == summary.instances > 0


def test_via_gives_the_same_masks_of_single_polygons(source: Source) -> None:
    project = {}
    for image in source.images:
        name, regions, kept = pathlib.Path(image["file_name"]).name, [], []
        for entry in source.entries(image):
            parts = entry["segmentation"]
            if isinstance(parts, list) and len(parts) == 1 and len(parts[0]) >= 6:
                shape = {"name": "polygon", "all_points_x": parts[0][::2], "all_points_y": parts[0][1::2]}
                label = source.truth.cats[entry["category_id"]]["name"]
                regions.append({"shape_attributes": shape, "region_attributes": {"class": label}})
                kept.append(entry)
        source.truth.imgToAnns[image["id"]] = kept
        project[f"{name}9"] = {"filename": name, "size": 9, "regions": regions}
    (source.folder / "via.json").write_text(json.dumps({"_via_img_metadata": project}))
    output = source.folder / "coco.json"
    summary = via.write_coco(str(source.folder / "via.json"), str(source.folder / "images"), str(output))
    assert compare(source, output) == summary.instances > 0


@pytest.mark.parametrize("with_brush", [True, False], ids=["brush", "polygons"])
def test_label_studio_gives_the_same_masks(source: Source, with_brush: bool) -> None:
    tasks = []
    for image in source.images[:3]:
        size = {"original_width": image["width"], "original_height": image["height"]}
        results, kept = [], []
        for entry in source.entries(image)[:5]:
            label, parts = source.truth.cats[entry["category_id"]]["name"], entry["segmentation"]
            if with_brush:
                alpha = source.truth.annToMask(entry) * 255
                value = {"rle": label_studio_runs.pack(alpha), "format": "rle", "brushlabels": [label]}
            elif isinstance(parts, list) and len(parts) == 1 and len(parts[0]) >= 6:
                points = np.reshape(parts[0], (-1, 2)) / [image["width"], image["height"]] * 100
                value = {"points": points.tolist(), "polygonlabels": [label]}
            else:
                continue
            results.append({"value": value, **size})
            kept.append(entry)
        source.truth.imgToAnns[image["id"]] = kept
        name = pathlib.Path(image["file_name"]).name
        tasks.append(
            {"data": {"image": f"/data/upload/1/0123abcd-{name}"}, "annotations": [{"result": results}]}
        )
    source.images = source.images[:3]
    (source.folder / "export.json").write_text(json.dumps(tasks))
    output = source.folder / "coco.json"
    summary = labelstudio.write_coco(
        str(source.folder / "export.json"), str(source.folder / "images"), str(output), allow_most=True
    )
    assert compare(source, output) == summary.instances > 0


def test_label_maps_give_the_same_masks(source: Source) -> None:
    (source.folder / "masks").mkdir()
    expected: dict[str, np.ndarray] = {}
    for image in source.images:
        values = np.zeros((image["height"], image["width"]), np.uint16)
        for number, entry in enumerate(source.entries(image), start=1):
            values[source.truth.annToMask(entry) != 0] = 7 * number
        stem = pathlib.Path(image["file_name"]).stem
        expected[stem] = values
        PIL.Image.fromarray(values).save(source.folder / "masks" / f"{stem}.png")
    output = source.folder / "coco.json"
    mask_folder.write_coco(str(source.folder / "images"), str(source.folder / "masks"), str(output))
    found = coco.COCO(str(output))
    for image in found.dataset["images"]:
        rebuilt = np.zeros((image["height"], image["width"]), np.uint16)
        values = expected[pathlib.Path(image["file_name"]).stem]
        numbers = sorted(set(values.ravel().tolist()) - {0})
        for number, entry in zip(numbers, found.imgToAnns[image["id"]], strict=True):
            rebuilt[found.annToMask(entry) != 0] = number
        np.testing.assert_array_equal(rebuilt, values)
