import json

import numpy as np
import pytest

from official_yolact.evaluation import groundtruth
from official_yolact.evaluation import results


@pytest.fixture
def truth(content, write):
    return groundtruth.load_groundtruth(write(content))


def test_ids_given_as_strings_are_integers_afterwards(truth, perfect, write):
    perfect[0] |= {"image_id": "7", "category_id": "3"}
    found = results.load_results(write(perfect, "r.json"), truth)
    assert [(r["image_id"], r["category_id"]) for r in found] == [(7, 3), (7, 5), (8, 3)]


def test_unknown_categories_are_left_out_and_reported(truth, perfect, write, caplog):
    perfect[1]["category_id"] = 80
    assert len(results.load_results(write(perfect, "r.json"), truth)) == 2
    assert "1 detections have categories" in caplog.text


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda r: r[1].update(image_id=70), r"\[1\]: image_id is 70: not an image of"),
        (lambda r: r[1].update(image_id=None), r"\[1\]: image_id is None"),
        (lambda r: r[1].update(category_id="x"), r"\[1\]: category_id is 'x'"),
        (lambda r: r[1].update(score=float("nan")), r"\[1\]: score is nan"),
        (lambda r: r[1].pop("score"), r"\[1\]: score is None"),
        (lambda r: r[1].update(bbox=[1, 2, float("inf"), 4]), r"\[1\]: bbox is"),
        (lambda r: r[1].pop("bbox"), r"\[1\] has no bbox"),
        (lambda r: r[2].pop("segmentation"), r"\[2\] has no segmentation"),
        (lambda r: (r[1].pop("bbox"), r[1].pop("segmentation")), r"\[1\] has neither"),
        (
            lambda r: r[1].update(segmentation={"size": [30, 40], "counts": "0"}),
            r"\[1\]: segmentation: counts",
        ),
        (
            lambda r: r[1].update(segmentation={"size": [40, 30], "counts": [1200]}),
            r"\[1\]: segmentation: size",
        ),
        (lambda r: [x.update(category_id=1) for x in r], "no category_id of it is among"),
        (lambda r: r.insert(0, []), r"\[0\] is \[\]"),
    ],
)
def test_malformed_results_are_refused_by_name(truth, perfect, write, damage, says):
    damage(perfect)
    path = write(perfect, "r.json")
    with pytest.raises(ValueError, match=says) as caught:
        results.load_results(path, truth)
    assert str(caught.value).startswith(path)


def test_an_object_is_no_results_list(truth, content, write):
    with pytest.raises(ValueError, match="expected a list of detections"):
        results.load_results(write(content, "r.json"), truth)


def test_results_are_written_whole_and_read_again(truth, perfect, write, tmp_path):
    found = results.load_results(write(perfect, "r.json"), truth)
    path = str(tmp_path / "again.json")
    results.write_results(path, found)
    assert results.load_results(path, truth) == found
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.json", "annotations.json", "r.json"]
    with open(path, encoding="utf-8") as file:
        assert json.load(file) == found


def test_one_kind_is_selected(truth, perfect, write):
    found = results.load_results(write(perfect, "r.json"), truth)
    assert {tuple(r) for r in results.select(found, "bbox")} == {("image_id", "category_id", "score", "bbox")}
    assert all("bbox" not in r for r in results.select(found, "segmentation"))
    assert results.select(results.select(found, "bbox"), "segmentation") == []


def test_boxes_are_cut_as_the_original_cuts_their_corners():
    random = np.random.default_rng(3)
    corners = np.float32(np.sort(random.uniform(0, 60, (500, 2, 2)), axis=1))
    corners[::3] = corners[::3] // 20 + random.uniform(0, 1, corners[::3].shape).round(1)
    corners.sort(axis=1)
    whole = corners.astype(np.int64)
    expected = [[*first, *(last - first)] if np.prod(last - first) > 0 else None for first, last in whole]
    sides = [[*first, *(last - first)] for first, last in np.float64(corners)]
    assert [results.cut_box(box) for box in sides] == expected
    assert None in expected
    # 10.1 + 9.9 is 20 only after rounding, and 0.7 + 0.1 stays below 1.
    assert results.cut_box([10.1, 0.7, 9.9, 1.3]) == [10, 0, 10, 2]
    assert results.cut_box([-3.0, -0.5, 5.0, 1.4]) is None


def test_a_file_is_read_with_boxes_cut_and_without_what_vanishes(truth, perfect, write):
    perfect[0]["bbox"] = [2.9, 2.2, 9.9, 10.7]
    perfect[1]["bbox"] = [20.2, 4.0, 0.7, 8.0]
    found = results.load_results(write(perfect, "results.json"), truth, integer_boxes=True)
    assert [one["bbox"] for one in found] == [[2, 2, 10, 10], [5, 5, 12, 12]]
    plain = results.load_results(write(perfect, "results.json"), truth)
    assert [one["bbox"] for one in plain][:2] == [perfect[0]["bbox"], perfect[1]["bbox"]]
