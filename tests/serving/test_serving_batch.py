import json
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from official_yolact.evaluation import coco_evaluator
from official_yolact.serving import batch
from official_yolact.serving import sources


@pytest.fixture
def photos(tmp_path, bright, dark):
    paths = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png", tmp_path / "x" / "b.jpg"]
    for path, image in zip(paths, [bright, dark, bright], strict=True):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return [str(path) for path in paths]


def test_pictures_and_predictions_are_written(fake, photos, tmp_path):
    output = tmp_path / "out" / "deep"
    steps = []
    done = batch.predict_files(fake, photos, str(output), progress=lambda *state: steps.append(state))
    assert (done.num_pictures, done.num_detections, done.skipped) == (3, 3, [])
    assert sorted(os.listdir(output)) == ["a-2.jpg", "a.jpg", "b.jpg", "predictions.json"]
    assert Image.open(output / "a-2.jpg").size == (40, 100)
    entries = json.loads((output / "predictions.json").read_text())
    assert [(e["image_id"], e["category_id"], e["category_name"], e["file_name"]) for e in entries] == [
        (1, 5, "date", photos[0]),
        (2, 3, "fig", photos[1]),
        (3, 5, "date", photos[2]),
    ]
    assert set(entries[0]) == {
        "image_id", "category_id", "bbox", "score", "segmentation", "file_name", "category_name",
    }  # fmt: skip
    assert isinstance(entries[0]["segmentation"]["counts"], str)
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_a_picture_that_cannot_be_read_is_skipped_and_keeps_its_number(fake, photos, tmp_path):
    with open(photos[1], "wb") as file:
        file.write(b"garbage")
    done = batch.predict_files(fake, photos, str(tmp_path / "out"))
    assert done.num_pictures == 2
    assert len(done.skipped) == 1
    assert photos[1] in done.skipped[0]
    entries = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [e["image_id"] for e in entries] == [1, 3]


def test_nothing_readable_is_an_error(fake, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"garbage")
    with pytest.raises(ValueError, match=r"no picture could be read: .*a\.jpg"):
        batch.predict_files(fake, [str(path)], str(tmp_path / "out"))


def test_a_photo_is_never_overwritten(fake, photos, tmp_path):
    before = pathlib.Path(photos[2]).read_bytes()
    with pytest.raises(ValueError, match="would overwrite the picture itself"):
        batch.predict_files(fake, photos, str(tmp_path / "x"))
    assert pathlib.Path(photos[2]).read_bytes() == before


def test_pictures_without_instances_are_written_too(fake, photos, tmp_path):
    done = batch.predict_files(fake, photos, str(tmp_path / "out"), score_threshold=1.0)
    assert (done.num_pictures, done.num_detections) == (3, 0)
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == []


@pytest.mark.parametrize("batch_size", [1, 2])
def test_every_detection_reaches_the_evaluator(make, fake, photos, batch_size):
    model = make(batch_size)
    listed = [sources.ListedImage(10 + index, path) for index, path in enumerate(photos)]
    evaluator = coco_evaluator.CocoEvaluator("", fake.categories)
    batch.collect_detections(model, listed, evaluator)
    # Two anchors, and two classes of each.
    assert [r["image_id"] for r in evaluator.box_results] == [10] * 4 + [11] * 4 + [12] * 4
    scores = [r["score"] for r in evaluator.box_results]
    np.testing.assert_allclose(scores, [0.982, 0.2, 0.0, 0.0] * 3, atol=1e-3)
    height, width = evaluator.mask_results[4]["segmentation"]["size"]
    assert (height, width) == (100, 40)


def test_one_bad_picture_does_not_end_an_evaluation(fake, photos):
    pathlib.Path(photos[1]).write_bytes(b"garbage")
    listed = [sources.ListedImage(10 + index, path) for index, path in enumerate(photos)]
    evaluator = coco_evaluator.CocoEvaluator("", fake.categories)
    steps = []
    (skipped,) = batch.collect_detections(fake, listed, evaluator, lambda *state: steps.append(state))
    assert photos[1] in skipped
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert {r["image_id"] for r in evaluator.box_results} == {10, 12}
