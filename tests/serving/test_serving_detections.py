import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from official_yolact.coco import segmentations
from official_yolact.images import image_folders
from official_yolact.images import reading
from official_yolact.serving import detections


@pytest.fixture
def found():
    masks = np.zeros((2, 20, 30), bool)
    masks[0, 2:8, 3:9] = True
    return detections.Detections(
        image=np.full((20, 30, 3), 90, np.uint8),
        boxes=np.array([[2, 3, 8, 9], [0, 0, 20, 30]], np.float32),
        scores=np.array([0.875, 1.0], np.float32),
        mask_scores=np.array([0.75, 0.5], np.float32),
        classes=np.array([2, 1], np.int32),
        category_ids=np.array([17, 4], np.int64),
        names=["fig", "date"],
        masks=masks,
    )


def test_coco_results_hold_ids_boxes_and_masks(found):
    first, second = found.to_coco(image_id=5)
    assert list(first) == ["image_id", "category_id", "bbox", "score", "segmentation"]
    assert (first["image_id"], first["category_id"], first["bbox"], first["score"]) == (
        5,
        17,
        [3, 2, 6, 6],
        0.75,
    )
    np.testing.assert_array_equal(segmentations.decode_mask(first["segmentation"]), found.masks[0])
    assert second["bbox"] == [0, 0, 30, 20]
    json.dumps([first, second])


def test_json_names_what_was_found(found):
    content = json.loads(found.to_json())
    assert (content["height"], content["width"]) == (20, 30)
    assert [d["category_name"] for d in content["detections"]] == ["fig", "date"]
    assert "image_id" not in content["detections"][0]


def test_a_picture_is_saved_in_its_size(found, tmp_path):
    for name in ("out.png", "out.jpg"):
        found.save(tmp_path / name)
        assert Image.open(tmp_path / name).size == (30, 20)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), found.draw())


def test_a_name_without_a_known_ending_is_refused(found, tmp_path):
    with pytest.raises(ValueError, match=r"name it \.jpg or \.png"):
        found.save(tmp_path / "out.xyz")


def test_every_ending_is_written_or_refused_by_name(found, tmp_path):
    Image.init()
    written, refused = set(), {}
    for ending in sorted({*Image.registered_extensions(), *image_folders.EXTENSIONS, ".xyz", ""}):
        path = tmp_path / f"out{ending}"
        try:
            found.save(path)
        except ValueError as error:
            refused[path] = str(error)
        else:
            assert reading.decode(path.read_bytes()).size == (30, 20)
            written.add(ending)
    for path, message in refused.items():
        assert message.startswith(f"{path}: cannot be written as ")
        assert all(other in message for other in image_folders.EXTENSIONS)
        assert not path.exists()
    assert written >= set(image_folders.EXTENSIONS)


def test_a_picture_that_its_format_has_no_room_for_is_refused_by_name(found, tmp_path):
    wide = dataclasses.replace(
        found, image=np.zeros((1, 20_000, 3), np.uint8), masks=np.zeros((2, 1, 20_000), bool)
    )
    with pytest.raises(ValueError, match=r"out\.webp: cannot be written as WEBP .*name it \.jpg or \.png"):
        wide.save(tmp_path / "out.webp")
    assert not list(tmp_path.iterdir())


def test_detections_are_counted(found):
    assert len(found) == 2
