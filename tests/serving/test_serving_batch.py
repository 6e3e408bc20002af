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
