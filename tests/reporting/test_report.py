import json

import known_mistakes
import numpy as np
import pytest

from official_yolact.cli import main
from official_yolact.evaluation import groundtruth
from official_yolact.evaluation import metrics
from official_yolact.evaluation import results
from official_yolact.reporting import confusion
from official_yolact.reporting import curves
from official_yolact.reporting import errors
from official_yolact.reporting import report_schema
from official_yolact.reporting import study

PLAN = [
    ["right", "class", "class", "right"],
    ["localisation", "right", "localisation", "localisation"],
    ["duplicate", "right", "right"],
    ["background", "background", "right", "background", "background"],
    ["missed", "missed", "missed", "missed", "missed", "right"],
    ["leak", "right", "leak", "leak", "leak", "leak", "leak"],
    *[["right"] * 5] * 14,
]
EXPECTED = {"class": 2, "localisation": 3, "both": 0, "duplicate": 1, "background": 4, "missed": 5}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a set with known mistakes, written by the command."""
    folder = tmp_path_factory.mktemp("report")
    annotations, found = known_mistakes.write_set(folder, PLAN)
    words = ["eval", "--detections", found, "--annotations", annotations, "--report", folder / "out"]
    assert main.main(list(map(str, words))) == 0
    names = ["bbox_detections.json", "mask_detections.json", "report.html", "report.json"]
    assert sorted(path.name for path in (folder / "out").iterdir()) == names
    return json.loads((folder / "out" / "report.json").read_text())


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_every_known_mistake_is_counted_once(report, kind):
    rows = {row["kind"]: row for row in report["measurements"][kind]["errors"]["rows"]}
    assert {name: row["count"] for name, row in rows.items()} == EXPECTED
    # The duplicate comes after everything that is right.
    assert {name for name, row in rows.items() if row["points"] > 1e-9} == {
        name for name, count in EXPECTED.items() if count and name != "duplicate"
    }
    confused = {
        (c["truth"], c["found"]): c["count"] for c in report["measurements"][kind]["confusion"][-1]["cells"]
    }
    nothing = report_schema.BACKGROUND
    wrong_class = {k: n for k, n in confused.items() if k[0] != k[1] and nothing not in k}
    assert sum(wrong_class.values()) == 2
    # Shifted and missed objects; shifted, duplicate and background detections.
    assert sum(count for (_, found), count in confused.items() if found == nothing) == 3 + 5
    assert sum(count for (truth, _), count in confused.items() if truth == nothing) == 3 + 1 + 4


def test_masks_that_leak_into_a_neighbour_are_counted(report):
    rows = {row["kind"]: row["count"] for row in report["measurements"]["mask"]["mask_errors"]["rows"]}
    assert rows == {"leak": 6, "cut": 0, "coarse": 0}
    assert report["measurements"]["box"]["mask_errors"] is None


def test_the_worst_images_are_those_with_the_mistakes(report):
    shown = report["images"]
    assert {image["id"] for image in shown["worst"]} == set(range(1, 7))
    assert not {image["id"] for image in shown["best"]} & set(range(1, 7))
    assert [image["id"] for image in shown["label_errors"]] == [4]
    candidates = [each for each in shown["label_errors"][0]["detections"] if each["is_candidate"]]
    assert len(candidates) == 4
    kinds = {image["id"]: image["kinds"] for image in shown["worst"]}
    assert kinds == {
        1: ["class", "missed"],
        2: ["localisation", "missed"],
        3: ["duplicate"],
        4: ["background"],
        5: ["missed"],
        6: ["leak"],
    }
    missed = [each for each in shown["worst"][0]["objects"] if each["outcome"] == "missed"]
    assert all("missed" in each["reason"] for each in missed)


def test_the_numbers_are_those_of_the_evaluation(report, tmp_path):
    annotations, found = known_mistakes.write_set(tmp_path, PLAN)
    truth = groundtruth.load_groundtruth(str(annotations))
    measured = metrics.measure_results(truth, results.load_results(str(found), truth))
    for kind, measurement in measured.measurements.items():
        numbers = report["measurements"][kind]["numbers"]
        for name, value in measurement.summarize().items():
            assert numbers[name]["value"] == (value if value >= 0 else None)
            assert value < 0 or numbers[name]["low"] <= value <= numbers[name]["high"]
        rows = report["measurements"][kind]["by_class"]
        assert [row["AP"]["value"] for row in rows] == [measurement.summarize(k)["AP"] for k in range(3)]
    assert report["evaluated"]["counts"] == {
        "images": 20,
        "images_without_objects": 0,
        "objects": len(truth.annotations),
        "crowds": 0,
        "classes": 3,
        "classes_without_objects": 0,
        "detections": len(json.loads(found.read_text())),
    }


def test_the_groups_are_those_of_their_images(report):
    rows = report["measurements"]["box"]["by_object_count"]
    assert [(row["name"], row["images"]) for row in rows] == [
        ("1 object", 1),
        ("2 to 4 objects", 3),
        ("5 to 9 objects", 15),
        ("10 to 19 objects", 1),
    ]
    assert rows[2]["recall"] == pytest.approx((14 * 5) / (14 * 5 + 6) + 1 / 76)
    (whole,) = report["measurements"]["box"]["by_image_size"]
    assert whole["AP"]["value"] == pytest.approx(report["measurements"]["box"]["numbers"]["AP"]["value"])


def test_what_the_report_needs_and_refuses_is_one_line(tmp_path, capsys):
    annotations, found = known_mistakes.write_set(tmp_path, [["right"]])
    words = ["eval", "--detections", str(found), "--annotations", str(annotations), "--report"]
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text("mine")
    assert main.main([*words, str(out)]) == 2
    assert "is not as this program wrote it" in capsys.readouterr().err
    assert (out / "report.json").read_text() == "mine"
    assert sorted(path.name for path in out.iterdir()) == ["report.json"]
    assert main.main(["eval", "m", "--images", "d", "--output", "o", "--report", "r"]) == 2
    assert "--report says what is wrong against --annotations" in capsys.readouterr().err


def drop(entries, name):
    return [{key: value for key, value in each.items() if key != name} for each in entries]


CHANGES = {
    "no detections": lambda a, f: (a, []),
    "no annotations": lambda a, f: ({**a, "annotations": []}, f),
    "neither": lambda a, f: ({**a, "annotations": []}, []),
    "boxes alone": lambda a, f: (
        {**a, "annotations": drop(a["annotations"], "segmentation"), "images": drop(a["images"], "height")},
        drop(f, "segmentation"),
    ),
    "masks alone": lambda a, f: (a, drop(f, "bbox")),
    "crowds alone": lambda a, f: (
        {**a, "annotations": [{**each, "iscrowd": 1} for each in a["annotations"]]},
        f,
    ),
    "scores beyond 1": lambda a, f: (a, [{**each, "score": 20 * each["score"] - 10} for each in f]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_report_is_written_of_whatever_can_be_measured(change, tmp_path):
    paths = tmp_path / "annotations.json", tmp_path / "results.json"
    plan = [["right", "class"], ["missed"], ["background"]]
    for path, content in zip(paths, change(*known_mistakes.make_set(plan)), strict=True):
        path.write_text(json.dumps(content))
    words = ["eval", "--detections", paths[1], "--annotations", paths[0], "--report", tmp_path / "out"]
    assert main.main(list(map(str, words))) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    for part in report["measurements"].values():
        value = part["errors"]["value"]
        assert value == pytest.approx(part["numbers"]["AP50"]["value"])
        assert all(
            row["points"] is None if value is None else row["points"] > -1e-9
            for row in part["errors"]["rows"]
        )


def load(folder, names, kind):
    truth = groundtruth.load_groundtruth(str(folder / names[0]))
    found = results.load_results(str(folder / names[1]), truth)
    return study.Study(kind, truth, found, metrics.measure(truth, found, kind))


SHARED = [
    pytest.param(
        "instances_val2014_100.json", "instances_val2014_fakebbox100_results.json", "box", id="boxes"
    ),
    pytest.param(
        "instances_val2014_100.json", "instances_val2014_fakesegm100_results.json", "mask", id="masks"
    ),
    pytest.param("fce_gt_ignore_test.json", "fce_dt_ignore_test.json", "box", id="crowds"),
]


@pytest.mark.shared
@pytest.mark.parametrize(("annotations", "found", "kind"), SHARED)
def test_confusion_curves_and_errors_are_those_of_loops(shared, annotations, found, kind):
    looked = load(shared / "data" / "evaluator-truth", (annotations, found), kind)
    by_loops = Loops(looked)
    steps = curves.find_all_steps(looked)
    best = steps.read(steps.best())
    assert best["f1"] == pytest.approx(max(by_loops.operate(t)[2] for t in set(by_loops.scores)))
    for point in curves.describe_thresholds(steps)["points"][::20]:
        expected = by_loops.operate(point["threshold"])
        assert (point["precision"], point["recall"], point["f1"]) == pytest.approx(expected)
    for threshold in (0.0, best["threshold"]):
        cells = confusion.confuse(looked, threshold)["cells"]
        assert {(c["truth"], c["found"]): c["count"] for c in cells} == by_loops.confuse(threshold)
    sorted_errors = errors.sort_errors(looked)
    counted = {name: int((sorted_errors.kinds == at).sum()) for at, name in enumerate(report_schema.ERRORS)}
    counted["missed"] = int(sorted_errors.missed.sum())
    assert counted == by_loops.sort_errors()
    calibration = curves.calibrate(looked)
    assert [bin["detections"] for bin in calibration["bins"]] == [
        sum(by_loops.counts[d] and int(min(s, 0.999999) * 10) == at for d, s in enumerate(by_loops.scores))
        for at in range(10)
    ]


class Loops:
    """The same in plain Python: detections and objects one by one."""

    def __init__(self, looked):
        matches = looked.measurement.matches
        self.scores = matches.scores.tolist()
        self.counts = matches.counts[0].tolist()
        self.found = [int(o) if c else -1 for o, c in zip(matches.objects[0], self.counts, strict=True)]
        self.classes = matches.category_ids.tolist()
        self.truth = matches.object_category_ids.tolist()
        self.plain = matches.object_counts.tolist()
        self.used = {o for o in self.found if o >= 0}
        self.ious = {}
        for d, image in enumerate(matches.image_ids.tolist()):
            for o, other in enumerate(matches.object_image_ids.tolist()):
                if image == other and self.plain[o]:
                    self.ious[d, o] = float(study.overlap(looked, np.array([d]), np.array([o]))[0, 0])
        self.near = {}
        for (d, o), iou in self.ious.items():
            self.near.setdefault(d, []).append((iou, o))

    def operate(self, threshold):
        kept = [d for d, s in enumerate(self.scores) if s >= threshold and self.counts[d]]
        right = sum(self.found[d] >= 0 for d in kept)
        precision, recall = right / max(1, len(kept)), right / sum(self.plain)
        return precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0

    def confuse(self, threshold):
        cells = {}

        def count(truth, found):
            cells[truth, found] = cells.get((truth, found), 0) + 1

        kept = [d for d, s in enumerate(self.scores) if s >= threshold and self.counts[d]]
        taken = {self.found[d] for d in kept if self.found[d] >= 0}
        for d in kept:
            if self.found[d] >= 0:
                count(self.truth[self.found[d]], self.classes[d])
        for d in sorted(kept, key=lambda d: -self.scores[d]):
            if self.found[d] >= 0:
                continue
            free = [(iou, -o) for iou, o in self.near.get(d, []) if iou >= 0.5 and o not in taken]
            if free:
                o = -max(free)[1]
                taken.add(o)
                count(self.truth[o], self.classes[d])
            else:
                count(-1, self.classes[d])
        for o, plain in enumerate(self.plain):
            if plain and o not in taken:
                count(self.truth[o], -1)
        return cells

    def sort_errors(self):
        number = dict.fromkeys(report_schema.ERRORS, 0)
        covered = set()
        for d, counts in enumerate(self.counts):
            if not counts or self.found[d] >= 0:
                continue
            own = max(
                [(i, o) for i, o in self.near.get(d, []) if self.truth[o] == self.classes[d]], default=(0, -1)
            )
            other = max(
                [(i, o) for i, o in self.near.get(d, []) if self.truth[o] != self.classes[d]], default=(0, -1)
            )
            used = max(
                [i for i, o in self.near.get(d, []) if self.truth[o] == self.classes[d] and o in self.used],
                default=0,
            )
            if 0.1 <= own[0] <= 0.5:
                number["localisation"] += 1
                covered.add(own[1])
            elif other[0] >= 0.5:
                number["class"] += 1
                covered.add(other[1])
            elif used >= 0.5:
                number["duplicate"] += 1
            elif max(own[0], other[0]) <= 0.1:
                number["background"] += 1
            else:
                number["both"] += 1
        number["missed"] = sum(
            p and o not in self.used and o not in covered for o, p in enumerate(self.plain)
        )
        return number
