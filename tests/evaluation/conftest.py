"""A small world of three images and two categories, with a detection for each object."""

import json

import pytest


def square(left, top, side):
    return [left, top, left + side, top, left + side, top + side, left, top + side]


@pytest.fixture
def content():
    """A COCO file: image 7 with two objects, image 8 with one, image 9 with none."""
    annotations = [
        {
            "id": 0,
            "image_id": 7,
            "category_id": 3,
            "bbox": [2, 2, 10, 10],
            "segmentation": [square(2, 2, 10)],
        },
        {"id": 1, "image_id": 7, "category_id": 5, "bbox": [20, 4, 8, 8], "segmentation": [square(20, 4, 8)]},
        {
            "id": 2,
            "image_id": 8,
            "category_id": 3,
            "bbox": [5, 5, 12, 12],
            "segmentation": [square(5, 5, 12)],
        },
    ]
    for annotation in annotations:
        annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
        annotation["iscrowd"] = 0
    return {
        "images": [{"id": i, "height": 30, "width": 40, "file_name": f"{i}.jpg"} for i in (7, 8, 9)],
        "categories": [{"id": 3, "name": "fig"}, {"id": 5, "name": "date"}],
        "annotations": annotations,
    }


@pytest.fixture
def write(tmp_path):
    """Write JSON, give its path."""

    def write_json(value, name="annotations.json"):
        path = tmp_path / name
        path.write_text(json.dumps(value), encoding="utf-8")
        return str(path)

    return write_json


@pytest.fixture
def perfect(content):
    """A results list that equals the ground truth."""
    return [
        {
            "image_id": a["image_id"],
            "category_id": a["category_id"],
            "bbox": a["bbox"],
            "segmentation": a["segmentation"],
            "score": 0.5 + 0.1 * i,
        }
        for i, a in enumerate(content["annotations"])
    ]
