"""Mutated files of VIA and Label Studio are read, or refused with a message that names them."""

import json
import random

import fuzzing
import label_studio_runs
import numpy as np
import PIL.Image
import pytest

from official_yolact.coco import other_formats
from official_yolact.data.formats import labelstudio
from official_yolact.data.formats import via

POLYGON = {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]}
ELLIPSE = {"name": "ellipse", "cx": 8, "cy": 8, "rx": 5, "ry": 3, "theta": 0.4}
VIA = {
    "a.png9": {
        "filename": "a.png",
        "size": 9,
        "regions": [
            {"shape_attributes": shape, "region_attributes": {"class": "nut", "ripe": {"yes": True}}}
            for shape in (POLYGON, ELLIPSE, {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4})
        ],
        "file_attributes": {},
    }
}
CSV = (
    "filename,file_size,region_shape_attributes,region_attributes\n"
    'a.png,9,"{""name"":""circle"",""cx"":8,""cy"":8,""r"":4}","{""class"":""nut""}"\n'
    'a.png,9,"{""name"":""rect"",""x"":1,""y"":1,""width"":4,""height"":4}","{""class"":""fig""}"\n'
)
SIZE = {"original_width": 16, "original_height": 16, "image_rotation": 0}
BRUSH = label_studio_runs.pack(np.eye(16, dtype=np.uint8))
TASKS = [
    {
        "id": 1,
        "data": {"image": "/data/upload/1/0123abcd-a.png"},
        "annotations": [
            {
                "id": 2,
                "completed_by": {"id": 1, "email": "a@b"},
                "updated_at": "2024",
                "result": [
                    {"id": "x", "value": {"points": [[1, 1], [90, 1], [90, 90]], "polygonlabels": ["nut"]}, **SIZE},
                    {"id": "y", "value": {"format": "rle", "rle": BRUSH, "brushlabels": ["fig"]}, **SIZE},
                    {"id": "z", "value": {"x": 9, "y": 9, "width": 30, "height": 20, "rotation": 3, "labels": ["fig"]}},
                ],
            }
        ],
        "predictions": [{"result": []}],
    }
]  # fmt: skip


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    PIL.Image.new("RGB", (16, 16)).save(tmp_path / "photos" / "a.png")
    return str(tmp_path / "photos")


def _hold(door, tmp_path, photos, write_coco, good, mutations, **options):
    path = tmp_path / "export.json"

    def read(text):
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        output = str(tmp_path / "coco.json")
        came = fuzzing.try_door(
            lambda: write_coco(str(path), photos, output, allow_most=True, force=True, **options),
            "export.json",
        )
        other_formats.describe(str(path))
        return came

    assert read(good) == fuzzing.READ
    fuzzing.hold(door, mutations, read)


def test_a_mutated_file_of_via_is_read_or_refused_by_name(tmp_path, photos):
    draw = random.Random(31)
    mutations = (fuzzing.mutate_json(draw, VIA) for _ in range(fuzzing.COUNT))
    _hold("VIA", tmp_path, photos, via.write_coco, json.dumps(VIA), mutations, class_key="class")


def test_a_mutated_csv_of_via_is_read_or_refused_by_name(tmp_path, photos):
    draw = random.Random(37)
    mutations = (fuzzing.mutate_text(draw, CSV, '",{:0123456789') for _ in range(fuzzing.COUNT))
    _hold("VIA, CSV", tmp_path, photos, via.write_coco, CSV, mutations)


def test_a_mutated_export_of_label_studio_is_read_or_refused_by_name(tmp_path, photos):
    draw = random.Random(41)
    mutations = (fuzzing.mutate_json(draw, TASKS) for _ in range(fuzzing.COUNT))
    _hold("Label Studio", tmp_path, photos, labelstudio.write_coco, json.dumps(TASKS), mutations)


def test_a_mutated_brush_is_read_or_refused_by_name(tmp_path, photos):
    draw = random.Random(43)

    def spoil():
        codes = list(fuzzing.mutate_bytes(draw, bytes(BRUSH)))
        value = {"format": "rle", "rle": codes, "brushlabels": ["fig"]}
        results = [*TASKS[0]["annotations"][0]["result"][:1], {"value": value, **SIZE}]
        return json.dumps([{**TASKS[0], "annotations": [{"result": results}]}])

    _hold(
        "brush",
        tmp_path,
        photos,
        labelstudio.write_coco,
        json.dumps(TASKS),
        (spoil() for _ in range(fuzzing.COUNT)),
    )
