from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

import pytest

from official_yolact.coco import annotations as coco_annotations

GOOD: dict[str, Any] = {
    "images": [
        {"id": 5, "file_name": "b.jpg", "height": 20, "width": 30},
        {"id": 2, "file_name": "a.jpg", "height": 20, "width": 30},
    ],
    "annotations": [
        {
            "id": 11,
            "image_id": 5,
            "category_id": 90,
            "bbox": [1, 2, 3, 4],
            "area": 6.5,
            "iscrowd": 0,
            "segmentation": [[1, 2, 4, 2, 4, 6]],
        },
        {"id": 10, "image_id": 5, "category_id": 0, "segmentation": [[1, 2, 4, 2, 4, 6]]},
    ],
    "categories": [{"id": 90, "name": "tie"}, {"id": 0, "name": "cat"}],
}


def read(path: pathlib.Path, content: Any) -> coco_annotations.CocoJson:
    path = path / "a.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return coco_annotations.read(str(path))


def test_records_keep_the_files_order_and_classes_follow_the_category_id(tmp_path: pathlib.Path) -> None:
    source = read(tmp_path, GOOD)
    assert [image.id for image in source.images] == [5, 2]
    assert [annotation.id for annotation in source.annotations[5]] == [11, 10]
    assert source.annotations[2] == []
    assert source.categories.class_of() == {0: 1, 90: 2}
    assert source.categories.names == ("cat", "tie")
    assert source.orphans == 0


def test_missing_box_area_and_crowd_mark_are_allowed(tmp_path: pathlib.Path) -> None:
    first, second = read(tmp_path, GOOD).annotations[5]
    assert (first.box, first.area, first.is_crowd) == ((1, 2, 3, 4), 6.5, False)
    assert (second.box, second.area, second.is_crowd) == (None, None, False)


def test_ids_given_as_strings_are_the_ints_that_they_spell(tmp_path: pathlib.Path) -> None:
    content = copy.deepcopy(GOOD)
    content["images"][0]["id"] = "5"
    content["annotations"][0].update(id="11", image_id=5.0, category_id="90")
    assert read(tmp_path, content).annotations == read(tmp_path, GOOD).annotations


def test_annotations_of_images_that_are_not_listed_are_counted(tmp_path: pathlib.Path) -> None:
    content = copy.deepcopy(GOOD)
    content["annotations"][0]["image_id"] = 77
    source = read(tmp_path, content)
    assert source.orphans == 1
    assert sum(len(listed) for listed in source.annotations.values()) == 1


def change(section: str, **fields: Any) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    content[section][0].update(fields)
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<html>", "not JSON"),
        ("", "not JSON"),
        ("[]", "a list, not an object"),
        ({}, "has no categories"),
        (GOOD | {"images": {}}, "images is {}"),
        (GOOD | {"images": []}, "images is empty"),
        (GOOD | {"annotations": []}, "no annotation belongs"),
        (GOOD | {"categories": []}, "categories is empty"),
        (GOOD | {"annotations": None}, "annotations is None"),
        (change("categories", id=0), "categories: 1 ids occur more than once, the first is 0"),
        (change("categories", name=[]), r"categories\[0\] is .*give it an id and a name"),
        (change("images", id=2), "images: 1 ids occur more than once, the first is 2"),
        (change("images", id="five"), r"images\[0\]: id is 'five': give an integer"),
        (change("images", file_name=None), "image 5: file_name is None"),
        (change("images", height=0), "image 5: height is 0"),
        (change("images", width=2.5), "image 5: width is 2.5"),
        (change("annotations", id=10), "annotations: 1 ids occur more than once, the first is 10"),
        (change("annotations", id=None), r"annotations\[0\]: id is None"),
        (change("annotations", id=True), r"annotations\[0\]: id is True"),
        (change("annotations", id=2**70), r"annotations\[0\]: id is 1180"),
        (change("annotations", category_id=7), "annotation 11: category_id is 7, which categories does not"),
        (change("annotations", image_id=[]), r"annotation 11: image_id is \[\]"),
        (change("annotations", bbox=[1, 2, 3]), r"annotation 11: bbox is \[1, 2, 3\]: give \[x, y, width"),
        (change("annotations", bbox=[1, 2, float("nan"), 4]), "annotation 11: bbox is nan"),
        (change("annotations", bbox=[1, 2, float("inf"), 4]), "annotation 11: bbox is inf"),
        (change("annotations", bbox="1234"), "annotation 11: bbox is '1234'"),
        (change("annotations", area=float("nan")), "annotation 11: area is nan"),
        (change("annotations", iscrowd=2), "annotation 11: iscrowd is 2: give 0 or 1"),
        (GOOD | {"annotations": [3]}, r"annotations\[0\] is 3"),
        (GOOD | {"images": [3]}, r"images\[0\] is 3"),
    ],
)
def test_what_cannot_be_is_one_error_with_file_record_field_and_value(
    content: Any, message: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match=rf"a\.json: {message}"):
        read(tmp_path, content)
