"""Evaluation in parts, without processes: the exchange is a list that the test fills."""

import json

import numpy as np
import pytest
import tensorflow as tf

from official_yolact import hosts
from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import worker_evaluator
from official_yolact.evaluation import worker_part
from official_yolact_runtime import categories

CATEGORIES = categories.Categories((3, 5), ("fig", "date"))


def batch(image_ids, found):
    """A batch of 30 x 40 images with the boxes `found` has for them, shifted a little."""
    rows = 3
    arrays = {
        "detection_boxes": np.zeros((len(image_ids), rows, 4), np.float32),
        "detection_scores": np.zeros((len(image_ids), rows), np.float32),
        "detection_mask_scores": np.zeros((len(image_ids), rows), np.float32),
        "detection_classes": np.zeros((len(image_ids), rows), np.int32),
        "num_detections": np.zeros(len(image_ids), np.int32),
        "detection_masks": np.zeros((len(image_ids), rows, 15, 20), np.float32),
    }
    for index, image_id in enumerate(image_ids):
        for row, (kind, (x, y, w, h), score) in enumerate(found.get(image_id, [])):
            arrays["detection_boxes"][index, row] = [y + 0.3, x, y + h, x + w]
            arrays["detection_masks"][index, row, y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] = 1.0
            arrays["detection_scores"][index, row] = arrays["detection_mask_scores"][index, row] = score
            arrays["detection_classes"][index, row] = kind
            arrays["num_detections"][index] = row + 1
    info = np.tile(np.array([[30, 40], [15, 20], [0.5, 0.5], [0, 0]], np.float32), (len(image_ids), 1, 1))
    ids = np.array(image_ids, np.int64)
    return ids, info, (ids >= 0).astype(np.float32), arrays


FOUND = {
    7: [(1, (2, 2, 10, 10), 0.9), (2, (20, 4, 8, 8), 0.4), (1, (12, 14, 8, 8), 0.4)],
    8: [(1, (5, 6, 12, 12), 0.4)],
}
RECORDS = [7, 8, 9]


@pytest.fixture
def build(content, write):
    path = write(content)
    return lambda: worker_evaluator.WorkerEvaluator(coco_evaluator.CocoEvaluator(path, CATEGORIES))


def feed(evaluator, positions, records=RECORDS):
    """Give records by position, blank ones beyond the end."""
    ids = [records[p] if p < len(records) else -1 for p in positions]
    evaluator.update(np.array(positions, np.int32), *batch(ids, FOUND))


class Chief:
    """Stands for the exchange of a chief with workers whose parts are given."""

    def __init__(self, monkeypatch, others):
        self.answer = None
        monkeypatch.setattr(hosts, "count_workers", lambda strategy: 1 + len(others))
        monkeypatch.setattr(hosts, "is_chief", lambda strategy: True)
        monkeypatch.setattr(hosts, "gather_bytes", lambda payload, strategy: [payload, *others])
        monkeypatch.setattr(hosts, "send_from_chief", self.send)

    def send(self, payload, strategy):
        self.answer = json.loads(payload)
        return payload


def evaluate_in_parts(monkeypatch, build, parts, num_records=(3, 3), records=RECORDS):
    """Measure with one evaluator per part; the second one's bytes go to the first."""
    first, second = build(), build()
    for evaluator, positions in zip((first, second), parts, strict=True):
        for start in range(0, len(positions), 2):
            feed(evaluator, positions[start : start + 2], records)
    Chief(monkeypatch, [second._collect(num_records[1]).to_bytes()])
    return first.evaluate(num_records[0])


@pytest.mark.parametrize(
    "parts", [([0, 2], [1, 3]), ([0, 2], [3, 1]), ([2, 1], [0, 4]), ([0, 1, 2], [3, 4, 5])]
)
def test_parts_give_the_numbers_of_the_whole(monkeypatch, build, parts):
    whole = build()
    feed(whole, [0, 1, 2, 3])
    expected = whole.evaluate(3)
    assert 0 < expected["mask_AP"] < 1
    assert evaluate_in_parts(monkeypatch, build, parts) == expected


def test_a_part_survives_the_wire_to_the_last_bit(build):
    evaluator = build()
    feed(evaluator, [0, 1])
    part = evaluator._collect(3)
    assert len(part.boxes) == 4
    assert worker_part.WorkerPart.from_bytes(part.to_bytes()) == part


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            ([0, 1, 2], [0, 1, 2]),
            r"3 of 3 .*more than once: record 0 \(image 7\), 1 \(image 8\), 2 \(image 9\)",
        ),
        (([0, 2], [0, 3]), r"1 of 3 .*not evaluated: record 1\b"),
        (([0, 1, 1, 2], [3, 4, 5, 6]), r"1 of 3 .*more than once: record 1 \(image 8\)\."),
    ],
)
def test_records_that_come_twice_or_not_at_all_are_named(monkeypatch, build, parts, words):
    with pytest.raises(ValueError, match=words):
        evaluate_in_parts(monkeypatch, build, parts)


def test_one_process_alone_is_checked_too(build):
    evaluator = build()
    feed(evaluator, [0, 0])
    with pytest.raises(ValueError, match=r"not evaluated: record 1\b"):
        evaluator.evaluate(3)


def test_an_evaluation_of_the_first_batches_only_is_complete_as_far_as_it_goes(build):
    evaluator = build()
    feed(evaluator, [0, 1])
    assert evaluator.evaluate(3)["mask_AP"] > 0


def test_workers_with_different_files_are_told_apart(monkeypatch, build):
    with pytest.raises(ValueError, match=r"\[3, 2\] records: .* same files on every host"):
        evaluate_in_parts(monkeypatch, build, ([0, 2], [1, 3]), num_records=(3, 2))


def test_an_image_that_two_records_have_counts_as_in_one_process(monkeypatch, build):
    records = [7, 8, 7, 9]
    whole = build()
    feed(whole, [0, 1, 2, 3], records)
    expected = whole.evaluate(4)
    parts = evaluate_in_parts(monkeypatch, build, ([1, 2], [0, 3]), num_records=(4, 4), records=records)
    assert parts == expected


def test_an_unusable_record_counts_as_without_detections(monkeypatch, build):
    records = [7, -1, 9]
    whole = build()
    feed(whole, [0, 1, 2], records)
    expected = whole.evaluate(3)
    assert evaluate_in_parts(monkeypatch, build, ([0, 2], [1, 3]), records=records) == expected


def test_the_other_workers_take_the_answer_of_the_chief(monkeypatch, build):
    evaluator = build()
    feed(evaluator, [1])
    sent = []
    monkeypatch.setattr(hosts, "count_workers", lambda strategy: 2)
    monkeypatch.setattr(hosts, "is_chief", lambda strategy: False)
    monkeypatch.setattr(
        hosts, "gather_bytes", lambda payload, strategy: sent.append(payload) or [b"", payload]
    )
    monkeypatch.setattr(hosts, "send_from_chief", lambda text, strategy: '{"scores": {"mask_AP": 0.25}}')
    assert evaluator.evaluate(3) == {"mask_AP": 0.25}
    assert worker_part.WorkerPart.from_bytes(sent[0]).image_ids == [8]
    monkeypatch.setattr(hosts, "send_from_chief", lambda text, strategy: '{"error": "record 4 (image 9)"}')
    with pytest.raises(ValueError, match=r"record 4 \(image 9\)"):
        evaluator.evaluate(3)


def test_one_process_sends_nothing():
    assert hosts.count_workers(tf.distribute.get_strategy()) == 1
    assert hosts.gather_bytes(b"alone") == [b"alone"]
    assert hosts.send_from_chief("alone") == "alone"
