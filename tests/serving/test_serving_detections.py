import dataclasses
import json
import pickle

import numpy as np
import pytest
from PIL import Image

from official_yolact_runtime import detections
from official_yolact_runtime import photo_masks
from official_yolact_runtime import run_lengths
from official_yolact_runtime.images import formats
from official_yolact_runtime.images import reading


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


@pytest.fixture
def undrawn(found):
    """The same, whose masks nobody has asked for."""
    parts = [found.masks[0, 1:10, 2:11], np.zeros((0, 0), bool)]
    windows = [photo_masks.Window(1, 2, parts[0]), photo_masks.Window(0, 0, parts[1])]
    return dataclasses.replace(found, masks=detections.Undrawn(windows))


def test_masks_are_drawn_when_they_are_asked_for(found, undrawn):
    assert undrawn.to_coco(1) == found.to_coco(1)
    np.testing.assert_array_equal(undrawn.draw(), found.draw())
    np.testing.assert_array_equal(undrawn.draw(zoom=3), found.draw(zoom=3))
    for chosen in ([1, 0], [True, False], [], [0, 0]):
        assert undrawn.select(chosen).to_coco(1) == found.select(chosen).to_coco(1)
    copied = pickle.loads(pickle.dumps(undrawn))
    for other in (undrawn, copied, undrawn.select([0, 1]), dataclasses.replace(undrawn, names=["a", "b"])):
        np.testing.assert_array_equal(other.masks, found.masks)
        assert other.masks is other.masks
    assert undrawn.to_coco(1) == found.to_coco(1)
    assert not hasattr(undrawn, "mask")


def test_masks_that_a_user_changes_are_the_ones_that_are_written(undrawn):
    before = undrawn.to_coco(1)
    undrawn.masks[1, 10:14, 20:25] = True
    assert undrawn.to_coco(1)[0] == before[0]
    np.testing.assert_array_equal(
        run_lengths.decode_mask(undrawn.to_coco(1)[1]["segmentation"]), undrawn.masks[1]
    )


def test_what_was_found_is_printed_in_one_line(found):
    assert str(found) == "2 detections: 1 date, 1 fig"
    assert str(found.select([0, 0, 1, 0])) == "4 detections: 1 date, 3 fig"
    assert str(found.select([0])) == "1 detection: 1 fig"
    assert str(found.select([])) == "0 detections"
    assert [found, found].__repr__() == f"[{found}, {found}]"
    assert str(dataclasses.replace(found, names=["a\nb", "\x1b[1m"])) == "2 detections: 1 \\x1b[1m, 1 a b"


def test_coco_results_hold_ids_boxes_and_masks(found):
    first, second = found.to_coco(image_id=5)
    assert list(first) == ["image_id", "category_id", "bbox", "score", "segmentation"]
    assert (first["image_id"], first["category_id"], first["bbox"], first["score"]) == (
        5,
        17,
        [3, 2, 6, 6],
        0.75,
    )
    np.testing.assert_array_equal(run_lengths.decode_mask(first["segmentation"]), found.masks[0])
    assert second["bbox"] == [0, 0, 30, 20]
    json.dumps([first, second])


def test_numbers_of_objects_stay_with_them(found):
    tracked = dataclasses.replace(found, track_ids=np.array([12, 0]))
    assert [entry["track_id"] for entry in tracked.to_coco(1)] == [12, None]
    assert [entry["track_id"] for entry in json.loads(tracked.to_json())["detections"]] == [12, None]
    assert all("track_id" not in entry for entry in found.to_coco(1))
    assert tracked.select([1]).track_ids.tolist() == [0]
    both = detections.Detections.concatenate([tracked, tracked])
    assert both.track_ids.tolist() == [12, 12, 0, 0]
    assert detections.Detections.concatenate([tracked, found]).track_ids is None
    assert found.select([]).track_ids is None


def test_an_object_has_one_color_wherever_it_is_in_the_list(found):
    tracked = dataclasses.replace(
        found, boxes=found.boxes[[0, 0]], masks=found.masks[[0, 0]], classes=np.ones(2, int)
    )
    first, second = (
        dataclasses.replace(tracked.select([row]), track_ids=np.array([track])).draw()
        for row, track in ((0, 3), (1, 3))
    )
    np.testing.assert_array_equal(first[4, 5], second[4, 5])
    other = dataclasses.replace(tracked.select([0]), track_ids=np.array([4])).draw()
    assert (other[4, 5] != first[4, 5]).any()


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
    for ending in sorted({*Image.registered_extensions(), *formats.EXTENSIONS, ".xyz", ""}):
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
        assert all(other in message for other in formats.EXTENSIONS)
        assert not path.exists()
    assert written >= set(formats.EXTENSIONS)


def test_a_picture_that_its_format_has_no_room_for_is_refused_by_name(found, tmp_path):
    wide = dataclasses.replace(
        found, image=np.zeros((1, 20_000, 3), np.uint8), masks=np.zeros((2, 1, 20_000), bool)
    )
    with pytest.raises(ValueError, match=r"out\.webp: cannot be written as WEBP .*name it \.jpg or \.png"):
        wide.save(tmp_path / "out.webp")
    assert not list(tmp_path.iterdir())


def test_detections_are_counted(found):
    assert len(found) == 2


def test_selected_instances_keep_all_that_is_theirs(found):
    second = found.select([1])
    assert (len(second), second.names, second.classes.tolist(), second.category_ids.tolist()) == (
        1,
        ["date"],
        [1],
        [4],
    )
    assert second.to_coco(3) == found.to_coco(3)[1:]
    assert found.select(found.scores < 0.9).to_coco(3) == found.to_coco(3)[:1]
    assert found.select([1, 0]).names == ["date", "fig"]
    for nothing in ([], np.zeros(2, bool)):
        assert (len(found.select(nothing)), found.select(nothing).masks.shape) == (0, (0, 20, 30))
    for wrong in ([2], np.ones(3, bool)):
        with pytest.raises(IndexError):
            found.select(wrong)


@pytest.mark.parametrize("corner", [(0, 0), (5, 70), (-4, 3), (50, -6), (95, 95), (300, 0), (-30, -40)])
def test_shifted_instances_lie_where_pixel_by_pixel_they_belong(found, corner):
    whole = np.zeros((100, 110, 3), np.uint8)
    moved = found.shift(*corner, whole)
    expected = np.zeros((2, 100, 110), bool)
    for row, y, x in zip(*np.nonzero(found.masks), strict=True):
        if 0 <= y + corner[0] < 100 and 0 <= x + corner[1] < 110:
            expected[row, y + corner[0], x + corner[1]] = True
    np.testing.assert_array_equal(moved.masks, expected)
    for box, (y1, x1, y2, x2) in zip(moved.boxes, found.boxes, strict=True):
        rows, columns = (
            np.clip(np.add(side, offset), 0, end)
            for side, offset, end in (((y1, y2), corner[0], 100), ((x1, x2), corner[1], 110))
        )
        assert box.tolist() == [rows[0], columns[0], rows[1], columns[1]]
    assert moved.image is whole
    assert (moved.names, moved.boxes.dtype) == (found.names, np.float32)


def test_tiles_together_are_the_detections_of_their_picture_best_first(found):
    whole = np.zeros((20, 60, 3), np.uint8)
    parts = [found.shift(0, 0, whole), found.shift(0, 30, whole), found.select([]).shift(0, 9, whole)]
    joined = detections.Detections.concatenate(parts)
    assert joined.names == ["fig", "fig", "date", "date"]
    assert joined.mask_scores.tolist() == [0.75, 0.75, 0.5, 0.5]
    assert joined.boxes[:, 1].tolist() == [3, 33, 0, 30]
    assert joined.masks.any((1, 2)).tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match="20x30 and 20x60 pixels"):
        detections.Detections.concatenate([found, parts[0]])
    with pytest.raises(ValueError, match="no size"):
        detections.Detections.concatenate([])
