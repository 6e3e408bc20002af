import json

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
        (lambda r: r[1].update(image_id=70), r"\[1\].image_id is 70: not an image of"),
        (lambda r: r[1].update(image_id=None), r"\[1\].image_id is None"),
        (lambda r: r[1].update(category_id="x"), r"\[1\].category_id is 'x'"),
        (lambda r: r[1].update(score=float("nan")), r"\[1\].score is nan"),
        (lambda r: r[1].pop("score"), r"\[1\].score is None"),
        (lambda r: r[1].update(bbox=[1, 2, float("inf"), 4]), r"\[1\]: bbox is"),
        (lambda r: r[1].pop("bbox"), r"\[1\] has no bbox"),
        (lambda r: r[2].pop("segmentation"), r"\[2\] has no segmentation"),
        (lambda r: (r[1].pop("bbox"), r[1].pop("segmentation")), r"\[1\] has neither"),
        (
            lambda r: r[1].update(segmentation={"size": [30, 40], "counts": "0"}),
            r"\[1\]: segmentation.counts",
        ),
        (
            lambda r: r[1].update(segmentation={"size": [40, 30], "counts": [1200]}),
            r"\[1\]: segmentation.size",
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
