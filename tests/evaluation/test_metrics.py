import copy
import re

import numpy as np
import pytest
from pycocotools import coco
from pycocotools import cocoeval

from official_yolact.evaluation import groundtruth
from official_yolact.evaluation import measurement
from official_yolact.evaluation import metrics
from official_yolact.evaluation import results
from official_yolact_runtime import categories


def measure(annotations, detections):
    truth = groundtruth.load_groundtruth(str(annotations))
    return metrics.measure_results(truth, results.load_results(str(detections), truth)).metrics()


def published_numbers(path, kind):
    block = path.read_text().split(f"type={kind}\n")[1].split("-----")[0]
    return [float(number) for number in re.findall(r"= (-?\d\.\d+)", block)]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("results_name", "kind", "prefix", "ap"),
    [
        ("fakebbox100", "bbox", "box_", 0.5045806987249628),
        ("fakesegm100", "segm", "mask_", 0.3195452758576433),
    ],
)
def test_the_coco_apis_own_example_gives_its_published_numbers(shared, results_name, kind, prefix, ap):
    folder = shared / "data" / "evaluator-truth"
    found = measure(
        folder / "instances_val2014_100.json", folder / f"instances_val2014_{results_name}_results.json"
    )
    assert found[f"{prefix}AP"] == pytest.approx(ap, abs=1e-12)
    assert list(found) == [prefix + name for name in measurement.NAMES]
    published = published_numbers(folder / "val2014_fake_eval_res.txt", kind)
    assert [round(value, 3) for value in found.values()] == published


@pytest.mark.shared
def test_crowds_and_string_ids_give_the_published_numbers(shared):
    folder = shared / "data" / "evaluator-truth"
    found = measure(folder / "fce_gt_ignore_test.json", folder / "fce_dt_ignore_test.json")
    expected = {
        "box_AP": 0.7099009900990099,
        "box_AP50": 1.0,
        "box_AP75": 0.8415841584158416,
        "box_AR1": 0.0,
        "box_AR10": 0.45384615384615384,
        "box_AR100": 0.7153846153846154,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert "mask_AP" not in found


@pytest.mark.shared
def test_polygons_give_the_published_number(shared):
    folder = shared / "data" / "evaluator-truth"
    found = measure(folder / "fce_gt_dataset.json", folder / "fce_dt_dataset.json")
    assert found["mask_AP"] == pytest.approx(0.6947194719471946, abs=1e-12)


def test_perfect_detections_have_an_ap_of_one(content, perfect, write):
    found = measure(write(content), write(perfect, "r.json"))
    for kind in ("box_", "mask_"):
        assert found[kind + "AP"] == pytest.approx(1.0)
        assert found[kind + "APl"] == -1.0  # the small world has no large object


def test_a_lost_object_costs_its_share_by_hand(content, perfect, write):
    # Figs: one of two found, recall 0.5: 51 of the 101 recall points. Dates: all.
    found = measure(write(content), write(perfect[:2], "r.json"))
    assert found["box_AP"] == pytest.approx((51 / 101 + 1) / 2, abs=1e-12)
    assert found["mask_AP"] == pytest.approx((51 / 101 + 1) / 2, abs=1e-12)


def test_an_image_without_objects_counts_its_false_detections(content, perfect, write):
    false = {**perfect[0], "image_id": 9, "score": 0.99}
    found = measure(write(content), write([*perfect, false], "r.json"))
    # The false fig is first: precision 1/2 for the first fig and 2/3 for the second, which the
    # interpolation carries back over all recalls.
    assert found["box_AP"] == pytest.approx((2 / 3 + 1) / 2, abs=1e-12)


@pytest.mark.parametrize("first_id", [0, 1, 1000])
def test_the_ids_of_annotations_do_not_matter(content, perfect, write, first_id):
    for index, annotation in enumerate(content["annotations"]):
        annotation["id"] = first_id + index
    assert measure(write(content), write(perfect, "r.json"))["box_AP"] == pytest.approx(1.0)


def test_equal_annotation_ids_are_refused_and_hide_no_object(content, perfect, write):
    for annotation in content["annotations"]:
        annotation["id"] = 4
    with pytest.raises(ValueError, match="1 ids occur more than once, the first is 4"):
        measure(write(content), write(perfect[:2], "r.json"))


def test_a_crowd_is_neither_found_nor_missed(content, perfect, write):
    content["annotations"][0]["iscrowd"] = 1
    assert measure(write(content), write(perfect, "r.json"))["box_AP"] == pytest.approx(1.0)
    assert measure(write(content), write(perfect[1:], "r.json"))["box_AP"] == pytest.approx(1.0)


def test_no_detections_give_zero(content, write):
    found = measure(write(content), write([], "r.json"))
    assert found["box_AP"] == found["mask_AP"] == found["mask_AR100"] == 0.0


def test_no_objects_give_minus_one(content, write):
    content["annotations"] = []
    assert set(measure(write(content), write([], "r.json")).values()) == {-1.0}


@pytest.mark.parametrize(("dropped", "kept"), [("bbox", "mask_"), ("segmentation", "box_")])
def test_only_what_the_results_state_is_measured(content, perfect, write, dropped, kept):
    for result in perfect:
        del result[dropped]
    found = measure(write(content), write(perfect, "r.json"))
    assert list(found) == [kept + name for name in measurement.NAMES]


def test_evaluating_twice_gives_the_same_and_changes_nothing(content, perfect, write):
    truth = groundtruth.load_groundtruth(write(content))
    found = results.load_results(write(perfect, "r.json"), truth)
    before = copy.deepcopy((truth.annotations, truth.mask_annotations, found))
    first = metrics.measure_results(truth, found).metrics()
    assert metrics.measure_results(truth, found).metrics() == first
    assert (truth.annotations, truth.mask_annotations, found) == before


def test_the_size_class_of_a_detected_mask_is_its_own_not_its_boxes(content, write):
    # A false diagonal sliver: its box of 90 x 90 is medium, its mask of 90 px small.
    content["images"] = [{"id": 7, "file_name": "7.jpg", "height": 100, "width": 100}]
    content["annotations"] = [
        {
            "id": 1,
            "image_id": 7,
            "category_id": 3,
            "bbox": [0, 0, 50, 50],
            "segmentation": [[0, 0, 50, 0, 50, 50, 0, 50]],
        }
    ]
    sliver = {"image_id": 7, "category_id": 3, "score": 0.9, "bbox": [5, 5, 90, 90]}
    sliver["segmentation"] = [[5, 5, 95, 94, 95, 95]]
    hit = {**content["annotations"][0], "score": 0.5}
    found = measure(write(content), write([sliver, hit], "r.json"))
    assert found["mask_APm"] == pytest.approx(1.0)
    assert found["box_APm"] == pytest.approx(0.5)


def test_nothing_is_printed(content, perfect, write, capsys):
    measure(write(content), write(perfect, "r.json"))
    assert capsys.readouterr().out == ""


def draw_scene(draw):
    """Draw boxes of objects, crowds among them, and detections near them, of all sizes."""
    images = [{"id": index, "height": 400, "width": 400} for index in range(1, 7)]
    objects = [
        {
            "id": index,
            "image_id": int(draw.integers(1, 7)),
            "category_id": int(draw.integers(1, 4)),
            "bbox": [*draw.uniform(0, 200, 2).tolist(), *draw.uniform(4, 180, 2).tolist()],
            "iscrowd": int(draw.random() < 0.15),
        }
        for index in range(1, 90)
    ]
    for each in objects:
        # Some areas are those of a mask, so an object may be small and its box large.
        each["area"] = each["bbox"][2] * each["bbox"][3] * float(draw.choice([1.0, 0.3]))
    found = []
    for index in range(400):
        near = objects[int(draw.integers(len(objects)))]
        moved = np.array(near["bbox"]) + draw.normal(0, 1, 4) * draw.choice([0.0, 2.0, 20.0])
        box = [*moved[:2].tolist(), *np.maximum(moved[2:], 1.0).tolist()]
        score = round(float(draw.random()), 2)
        group = near["category_id"] if draw.random() < 0.9 else 1 + near["category_id"] % 3
        found.append({"id": index + 1, "image_id": near["image_id"], "category_id": group, "score": score})
        found[-1] |= {"bbox": box, "area": box[2] * box[3], "iscrowd": 0}
    return images, objects, found


def evaluate_by_pycocotools(images, objects, found):
    """Run pycocotools itself; ids of objects and detections count from 1."""
    indices = []
    for annotations in (objects, found):
        indices.append(coco.COCO())
        categories = [{"id": index, "name": str(index)} for index in (1, 2, 3)]
        indices[-1].dataset = {"images": images, "categories": categories, "annotations": annotations}
        indices[-1].createIndex()
    evaluation = cocoeval.COCOeval(*indices, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(5))
def test_everything_that_is_returned_is_what_pycocotools_itself_finds(seed):
    images, objects, found = draw_scene(np.random.default_rng(seed))
    theirs = evaluate_by_pycocotools(images, copy.deepcopy(objects), copy.deepcopy(found))
    truth = groundtruth.GroundTruth(
        "scene", {i["id"]: i for i in images}, categories.Categories((2, 1, 3), ("2", "1", "3")), objects
    )
    reports = []
    ours = metrics.measure(truth, found, "box", lambda *state: reports.append(state))
    # 3 classes, 6 images.
    assert reports == [("boxes", done, 18) for done in range(1, 19)]
    for name in ("precision", "recall", "scores"):
        np.testing.assert_array_equal(getattr(ours, name), theirs.eval[name])
    assert list(ours.summarize().values()) == theirs.stats.tolist()
    assert (list(ours.category_ids), ours.class_names) == ([1, 2, 3], ["1", "2", "3"])
    for category in range(3):
        one = theirs.eval["precision"][:, :, category, 0, 2]
        assert ours.summarize(category)["AP"] == pytest.approx(one[one > -1].mean())
    matches = ours.matches
    assert matches.scores.tolist() == [one["score"] for one in found]
    expected = [np.full((10, 400), -1), np.zeros((10, 400), bool), np.full((10, 89), -1)]
    for one in theirs.evalImgs:
        if one is not None and one["aRng"] == [0, 1e10]:
            for column, index in enumerate(one["dtIds"]):
                expected[0][:, index - 1] = one["dtMatches"][:, column] - 1
                expected[1][:, index - 1] = one["dtIgnore"][:, column] == 0
            for column, index in enumerate(one["gtIds"]):
                expected[2][:, index - 1] = one["gtMatches"][:, column] - 1
    for mine, other in zip((matches.objects, matches.counts, matches.detections), expected, strict=True):
        np.testing.assert_array_equal(mine, other)


def overlap(one, other):
    width, height = (
        min(one[a] + one[a + 2], other[a] + other[a + 2]) - max(one[a], other[a]) for a in (0, 1)
    )
    shared = max(width, 0) * max(height, 0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def test_the_nearest_object_is_that_of_loops():
    images, objects, found = draw_scene(np.random.default_rng(7))
    truth = groundtruth.GroundTruth(
        "scene", {i["id"]: i for i in images}, categories.Categories((1, 2, 3), ("1", "2", "3")), objects
    )
    matches = metrics.measure(truth, found, "box").matches
    keys = ("image_id", "category_id")
    for row, one in enumerate(found):
        overlaps = [
            0
            if each["iscrowd"] or any(each[k] != one[k] for k in keys)
            else overlap(one["bbox"], each["bbox"])
            for each in objects
        ]
        assert matches.ious[row] == pytest.approx(max(overlaps))
        assert matches.nearest[row] == (int(np.argmax(overlaps)) if max(overlaps) > 0 else -1)
    assert matches.object_counts.tolist() == [not each["iscrowd"] for each in objects]
    for mine, key in ((matches.object_image_ids, "image_id"), (matches.object_category_ids, "category_id")):
        assert mine.tolist() == [each[key] for each in objects]
    for mine, key in ((matches.image_ids, "image_id"), (matches.category_ids, "category_id")):
        assert mine.tolist() == [each[key] for each in found]


def test_detections_beyond_the_hundred_best_match_nothing(content, perfect, write):
    truth = groundtruth.load_groundtruth(write(content))
    found = results.load_results(write(perfect[:1], "r.json"), truth)
    many = [{**found[0], "score": 0.5 + row / 1000} for row in range(150)]
    for kind in ("box", "mask"):
        matches = metrics.measure(truth, many, kind).matches
        assert matches.counts.sum(axis=1).tolist() == [100] * 10
        assert matches.objects[:, 149].tolist() == [0] * 10
        assert (matches.objects[:, :149] == -1).all()
        assert (matches.nearest >= 0).tolist() == [False] * 50 + [True] * 100
        assert matches.detections.tolist() == [[149, -1, -1]] * 10


def test_of_nothing_there_are_no_matches(content, write):
    content["annotations"] = []
    truth = groundtruth.load_groundtruth(write(content))
    evaluation = metrics.measure_results(truth, [])
    assert list(evaluation.measurements) == ["box", "mask"]
    assert evaluation.measurements["box"].matches.objects.shape == (10, 0)
    assert list(evaluation.class_metrics()) == ["fig", "date"]
    assert evaluation.class_metrics()["fig"].pop("objects") == 0
    assert set(list(evaluation.class_metrics()["fig"].values())[1:]) == {-1.0}


def test_objects_and_numbers_of_each_class_are_those_of_its_own_annotations(content, perfect, write):
    content["annotations"][2]["iscrowd"] = 1
    content["annotations"].append({**content["annotations"][1], "id": 3, "image_id": 9})
    truth = groundtruth.load_groundtruth(write(content))
    found = results.load_results(write(perfect[:2], "r.json"), truth)
    classes = metrics.measure_results(truth, found).class_metrics()
    assert {name: numbers["objects"] for name, numbers in classes.items()} == {"fig": 1, "date": 2}
    for name, category_id in (("fig", 3), ("date", 5)):
        alone = copy.deepcopy(content)
        for key, field in (("annotations", "category_id"), ("categories", "id")):
            alone[key] = [each for each in alone[key] if each[field] == category_id]
        own = groundtruth.load_groundtruth(write(alone))
        of_class = [one for one in found if one["category_id"] == category_id]
        expected = metrics.measure_results(own, of_class).metrics()
        assert {key: value for key, value in classes[name].items() if key != "objects"} == expected


def test_classes_of_one_name_are_told_apart_by_their_ids(content):
    truth = groundtruth.GroundTruth(
        "a.json",
        {image["id"]: image for image in content["images"]},
        categories.Categories((3, 5), ("fig", "fig")),
        content["annotations"],
    )
    classes = measurement.Evaluation({"box": metrics.measure(truth, [], "box")}).class_metrics()
    assert {name: numbers["objects"] for name, numbers in classes.items()} == {"fig (3)": 2, "fig (5)": 1}
