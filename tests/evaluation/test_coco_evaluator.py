import numpy as np
import pytest

from official_yolact.evaluation import coco_evaluator
from official_yolact.ops import frames
from official_yolact_runtime import categories
from official_yolact_runtime import run_lengths

CATEGORIES = categories.Categories((3, 5), ("fig", "date"))
HEIGHT, WIDTH, GRID = 30, 40, (15, 20)


def example(image_id, boxes, classes, scores, padding=2, weight=1.0, size=(HEIGHT, WIDTH)):
    """Arrays of one image; masks fill their boxes on a grid of half the size."""
    rows = len(boxes) + padding
    masks = np.zeros((rows, *GRID), np.float32)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes, strict=False):
        mask[y1 // 2 : y2 // 2, x1 // 2 : x2 // 2] = 1.0
    fill = [0] * padding
    return {
        "image_id": np.int64(image_id),
        "image_info": frames.fit(size, GRID).numpy(),
        "weight": np.float32(weight),
        "detection_boxes": np.array([*boxes, *[[0, 0, 0, 0]] * padding], np.float32).reshape(-1, 4),
        "detection_scores": np.array([*scores, *fill], np.float32),
        "detection_mask_scores": np.array([*scores, *fill], np.float32),
        "detection_classes": np.array([*classes, *fill], np.int32),
        "num_detections": np.int32(len(boxes)),
        "detection_masks": masks,
    }


def update(evaluator, examples):
    rows = max(len(one["detection_scores"]) for one in examples)

    def pad(value):
        return np.pad(value, [(0, rows - len(value))] + [(0, 0)] * (value.ndim - 1))

    batch = {
        name: np.stack([pad(one[name]) if name.startswith("detection_") else one[name] for one in examples])
        for name in examples[0]
    }
    evaluator.update(batch.pop("image_id"), batch.pop("image_info"), batch.pop("weight"), batch)


@pytest.fixture
def examples():
    """Perfect detections of the small world."""
    return [
        example(7, [[2, 2, 12, 12], [4, 20, 12, 28]], [1, 2], [0.9, 0.8]),
        example(8, [[6, 6, 16, 16]], [1], [0.7]),
        example(9, [], [], []),
    ]


def test_perfect_boxes_have_an_ap_of_one(content, write, examples):
    content["annotations"][2] |= {"bbox": [6, 6, 10, 10]}
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, examples)
    found = evaluator.evaluate().metrics()
    assert found["box_AP"] == pytest.approx(1.0)
    assert found["mask_AP50"] == pytest.approx(1.0)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_the_batch_size_changes_nothing(content, write, examples, batch_size):
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    filler = example(-1, [[0, 0, 30, 40]], [1], [0.99], weight=0.0)
    padded = examples + [filler] * (-len(examples) % batch_size)
    for start in range(0, len(padded), batch_size):
        update(evaluator, padded[start : start + batch_size])
    one_by_one = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    for one in examples:
        update(one_by_one, [one])
    assert evaluator.evaluate().metrics() == one_by_one.evaluate().metrics()
    assert len(evaluator.box_results) == len(evaluator.mask_results) == 3


def test_results_are_in_coco_form(content, write, examples):
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, examples[:1])
    box, mask = evaluator.box_results[1], evaluator.mask_results[1]
    assert (box["image_id"], box["category_id"], box["bbox"]) == (7, 5, [20.0, 4.0, 8.0, 8.0])
    assert mask["segmentation"]["size"] == [HEIGHT, WIDTH]
    assert isinstance(mask["segmentation"]["counts"], str)
    decoded = run_lengths.decode_mask(mask["segmentation"])
    assert decoded[5:11, 21:27].all()
    assert not decoded[:, :18].any()


def test_masks_are_ranked_by_their_own_scores(content, write, examples):
    examples[0]["detection_mask_scores"][:2] = [0.1, 0.2]
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, examples[:1])
    assert [r["score"] for r in evaluator.box_results] == pytest.approx([0.9, 0.8])
    assert [r["score"] for r in evaluator.mask_results] == pytest.approx([0.1, 0.2])


def test_an_image_that_comes_twice_counts_once(content, write, examples):
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, [examples[0], examples[0]])
    update(evaluator, [examples[0]])
    assert len(evaluator.box_results) == 2


def test_images_that_never_came_count_and_are_reported(content, write, examples, caplog):
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, examples[:1])
    assert evaluator.evaluate().metrics()["box_AP"] == pytest.approx((51 / 101 + 1) / 2, abs=1e-12)
    assert "2 of the 3 images" in caplog.text


def test_images_that_the_file_does_not_list_count_not(content, write, examples):
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, [*examples, example(100, [[0, 0, 30, 40]], [1], [0.99])])
    assert {r["image_id"] for r in evaluator.box_results} == {7, 8}


def test_a_file_of_other_images_is_refused(content, write):
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, [example(100, [], [], [])])
    with pytest.raises(ValueError, match="lists none of the 1 evaluated images"):
        evaluator.evaluate()


def test_another_size_of_the_picture_is_refused(content, write):
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    with pytest.raises(ValueError, match="image 7 has height 30 and width 40, but the picture has 40 and 30"):
        update(evaluator, [example(7, [], [], [], size=(40, 30))])


def test_reset_forgets(content, write, examples):
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, examples)
    evaluator.reset()
    assert evaluator.evaluate().metrics()["box_AP"] == 0.0


def test_a_file_without_masks_gives_box_metrics_alone(content, write, examples):
    for annotation in content["annotations"]:
        del annotation["segmentation"]
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, examples)
    assert {name[:4] for name in evaluator.evaluate().metrics()} == {"box_"}


def test_without_annotations_results_are_collected(examples):
    evaluator = coco_evaluator.CocoEvaluator("", CATEGORIES)
    update(evaluator, examples)
    assert [r["category_id"] for r in evaluator.mask_results] == [3, 5, 3]
    with pytest.raises(ValueError, match="no annotation file"):
        evaluator.evaluate()


def test_categories_are_matched_by_name(content, write, examples):
    content["categories"] = [{"id": 3, "name": "date"}, {"id": 5, "name": "fig"}]
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, examples[:1])
    assert [r["category_id"] for r in evaluator.box_results] == [5, 3]


def test_classes_that_the_file_does_not_have_are_left_out(content, write, examples):
    content["categories"].pop()
    content["annotations"].pop(1)
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES)
    update(evaluator, examples)
    assert {r["category_id"] for r in evaluator.box_results} == {3}


def test_a_file_with_none_of_the_classes_is_refused(content, write):
    with pytest.raises(ValueError, match="fig, date, the model has apple: none in common"):
        coco_evaluator.CocoEvaluator(write(content), categories.Categories((3,), ("apple",)))


def test_malformed_masks_are_refused_before_anything_is_detected(content, write):
    content["annotations"][0]["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": "0"}
    with pytest.raises(ValueError, match=r"annotation 0: segmentation: counts"):
        coco_evaluator.CocoEvaluator(write(content), CATEGORIES)


def test_boxes_are_cut_to_whole_pixels_where_asked_and_masks_go_with_what_vanishes(content, write, examples):
    examples[0]["detection_boxes"][0] = [2.9, 2.2, 12.9, 12.1]
    examples[0]["detection_boxes"][1] = [4.0, 20.2, 12.0, 20.9]
    evaluator = coco_evaluator.CocoEvaluator(write(content), CATEGORIES, integer_boxes=True)
    update(evaluator, examples)
    assert [one["bbox"] for one in evaluator.box_results] == [[2, 2, 10, 10], [6, 6, 10, 10]]
    assert [one["image_id"] for one in evaluator.mask_results] == [7, 8]


def test_boxes_that_were_collected_are_cut_as_those_that_are_added(content, write, examples):
    examples[0]["detection_boxes"][1] = [4.0, 20.2, 12.0, 20.9]
    exact, cut = (
        coco_evaluator.CocoEvaluator(write(content), CATEGORIES, integer) for integer in (False, True)
    )
    update(exact, examples)
    update(cut, examples)
    assert len(exact.box_results) > len(cut.box_results)
    exact.cut_boxes()
    assert (exact.box_results, exact.mask_results) == (cut.box_results, cut.mask_results)
