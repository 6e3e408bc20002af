"""The comparison of detections, on detections that are worked by hand."""

import numpy as np
import pytest

from official_yolact.exporting import parity

SIDE = 96


def make_row(*found, room=8):
    """A picture's detections: (box, class, score) each; masks fill their boxes."""
    row = {
        "detection_boxes": np.zeros((room, 4), np.float32),
        "detection_scores": np.zeros(room, np.float32),
        "detection_classes": np.zeros(room, np.int32),
        "detection_masks": np.zeros((room, SIDE, SIDE), np.float32),
        "num_detections": np.int32(len(found)),
        "image_info": np.array([[SIDE, SIDE], [SIDE, SIDE], [1, 1], [0, 0]], np.float32),
    }
    for index, (box, label, score) in enumerate(found):
        row["detection_boxes"][index], row["detection_classes"][index] = box, label
        row["detection_scores"][index] = score
        top, left, bottom, right = (round(side) for side in box)
        row["detection_masks"][index, top:bottom, left:right] = 0.9
    return {**row, "detection_mask_scores": row["detection_scores"].copy()}


A = ((10, 10, 40, 40), 1, 0.9)
B = ((50, 50, 80, 90), 2, 0.7)


def find_none():
    return np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32)


def compare(model, export, precision="float32", candidates=find_none):
    comparison = parity.Comparison(parity.LIMITS[precision])
    comparison.add(model, export, candidates)
    return comparison


def test_equal_detections_have_no_fault_and_no_difference():
    comparison = compare(make_row(A, B), make_row(A, B))
    found = comparison.summary()
    assert (found["detections"], found["matched"], found["missing"], found["extra"]) == (2, 2, 0, 0)
    assert (found["box_px"], found["score"], found["mask_iou"]) == (0, 0, 1)
    assert comparison.find_faults() == []


def test_equal_scores_may_change_places():
    one, other = (A[0], 1, 0.8), (B[0], 1, 0.8)
    assert compare(make_row(one, other), make_row(other, one)).find_faults() == []


@pytest.mark.parametrize(
    ("export", "fault"),
    [
        pytest.param([A], "1 of 2 detections are missing", id="an object is missing"),
        pytest.param([A, B, ((0, 60, 30, 90), 1, 0.6)], "1 of 2 detections are extra", id="an object more"),
        pytest.param([A, (B[0], 1, 0.7)], "missing", id="another class"),
        pytest.param([A, ((50, 50, 80.1, 90), 2, 0.7)], "box_px differs by 0.1", id="a moved side"),
        pytest.param([(A[0], 1, 0.91), B], "score differs by 0.01", id="another score"),
        pytest.param([A, ((50, 50, 80, 91), 2, 0.7)], "mask_iou is 0.97561", id="a mask one column wider"),
    ],
)
def test_each_difference_is_a_fault_of_float32(export, fault):
    comparison = compare(make_row(A, B), make_row(*export))
    assert any(fault in line for line in comparison.find_faults())


def test_a_score_below_what_is_shown_matches_in_fewer_bits_and_is_not_missed():
    weak = (B[0], 2, 0.29)
    for one, other in (((A, B), (A, weak)), ((A, weak), (A, B))):
        comparison = compare(make_row(*one), make_row(*other), "int8")
        assert comparison.summary()["missing"] == comparison.summary()["extra"] == 0
        assert comparison.find_faults() == []


def test_fewer_bits_that_lose_a_third_of_the_objects_are_a_fault():
    model = make_row(A, B, ((0, 60, 30, 90), 1, 0.6))
    assert "1 of 3 detections are missing" in compare(model, make_row(A, B), "int8").find_faults()[0]


def test_the_last_of_a_full_list_may_be_another_of_equal_score():
    last = ((0, 60, 30, 90), 1, 0.7)
    assert compare(make_row(A, B, room=2), make_row(A, last, room=2)).find_faults() == []
    clearly = ((0, 60, 30, 90), 1, 0.8)
    assert compare(make_row(A, B, room=2), make_row(A, clearly, room=2)).find_faults() != []


@pytest.mark.parametrize("room", [2, 3, 8])
def test_every_detection_of_the_model_is_matched_missing_or_tied(room):
    rng = np.random.default_rng(room)
    for _ in range(50):
        # In one column, so that boxes overlap by chance; of few different scores, so that some are equal.
        model, export = (
            [
                ((top, 10, top + 20, 40), 1, score)
                for top, score in zip(
                    rng.choice(70, rng.integers(room + 1), replace=False),
                    sorted(rng.choice([0.5, 0.6, 0.7], room))[::-1],
                    strict=False,
                )
            ]
            for _ in range(2)
        )
        found = compare(make_row(*model, room=room), make_row(*export, room=room)).summary()
        assert found["matched"] + found["missing"] + found["tied"] == found["detections"] == len(model)


def test_another_anchor_of_equal_score_is_a_tie_and_any_other_box_is_not():
    near = ((50, 50, 81.3, 90), 2, 0.7)
    boxes = np.array([A[0], B[0], near[0]], np.float32)
    tied = np.array([[0.9, 0], [0, 0.7], [0, 0.7]], np.float32)
    comparison = compare(make_row(A, B), make_row(A, near), candidates=lambda: (boxes, tied))
    assert comparison.find_faults() == []
    assert comparison.summary()["tied"] == 1
    worse = tied.copy()
    worse[2, 1] = 0.6
    comparison = compare(make_row(A, B), make_row(A, near), candidates=lambda: (boxes, worse))
    assert "box_px differs by 1.3" in comparison.find_faults()[0]


def suppress_fast(boxes, scores, order, allowed):
    """Keep what no earlier box overlaps by more than is allowed, be the earlier one kept or not."""
    kept = []
    for at, one in enumerate(order):
        for other in order[:at]:
            top, left = max(boxes[one][0], boxes[other][0]), max(boxes[one][1], boxes[other][1])
            bottom, right = min(boxes[one][2], boxes[other][2]), min(boxes[one][3], boxes[other][3])
            shared = max(0.0, bottom - top) * max(0.0, right - left)
            sizes = [(b[2] - b[0]) * (b[3] - b[1]) for b in (boxes[one], boxes[other])]
            if shared / (sum(sizes) - shared) > allowed:
                break
        else:
            kept.append((tuple(boxes[one].tolist()), 1, float(scores[one])))
    return kept


@pytest.mark.parametrize("allowed", [0.3, 0.5, 0.65])
def test_the_order_of_equal_scores_decides_in_suppression_and_is_no_fault(allowed):
    rng = np.random.default_rng(0)
    differing = 0
    for _ in range(100):
        corners = rng.uniform([0, 0], [60, 60], [12, 2])
        boxes = np.concatenate([corners, corners + rng.uniform(18, 30, [12, 2])], axis=1).astype(np.float32)
        boxes[6:] = boxes[:6] + rng.uniform(-6, 6, [6, 4]).astype(np.float32)
        scores = rng.choice([0.5, 0.6, 0.7], 12).astype(np.float32)
        found = [
            suppress_fast(boxes, scores, sorted(shuffled, key=lambda at: -scores[at]), allowed)
            for shuffled in (rng.permutation(12).tolist(), rng.permutation(12).tolist())
        ]
        differing += set(found[0]) != set(found[1])
        candidates = (boxes, scores[:, np.newaxis])
        comparison = parity.Comparison(parity.LIMITS["float32"], allowed)
        comparison.add(*(make_row(*each, room=13) for each in found), lambda both=candidates: both)
        summary = comparison.summary()
        assert (summary["missing"], summary["extra"]) == (0, 0)
        assert summary["matched"] + summary["tied"] == summary["detections"]
    assert differing > 5


def test_a_detection_with_an_anchor_of_equal_score_elsewhere_is_missed():
    boxes = np.array([A[0], B[0]], np.float32)
    scores = np.full((2, 2), 0.7, np.float32)
    comparison = compare(make_row((*A[:2], 0.7), B), make_row(B), candidates=lambda: (boxes, scores))
    assert comparison.summary()["missing"] == 1


def test_an_overlap_that_suppression_just_allows_is_a_tie():
    better, other = ((10, 10, 40, 40), 1, 0.9), ((10, 20, 40, 50), 1, 0.6)  # IoU 600 / 1200
    boxes = np.array([better[0], other[0]], np.float32)
    scores = np.array([[0.9], [0.6]], np.float32)
    for allowed, expected in ((0.5, 0), (0.5003, 1), (0.4997, 1)):
        comparison = parity.Comparison(parity.LIMITS["float32"], allowed)
        comparison.add(make_row(better, other), make_row(better), lambda: (boxes, scores))
        assert comparison.summary()["missing"] == expected


def test_a_picture_without_detections_compares():
    assert compare(make_row(), make_row()).find_faults() == []
    assert "extra" in compare(make_row(), make_row(A)).find_faults()[0]


def test_masks_are_compared_as_sets_of_pixels():
    rng = np.random.default_rng(0)
    model, export = make_row(A, B), make_row(A, B)
    for row in (model, export):
        row["detection_masks"][:2] *= rng.uniform(size=(2, SIDE, SIDE)) > 0.3
    comparison = compare(model, export)
    ious = [
        ((one > 0.5) & (other > 0.5)).sum() / ((one > 0.5) | (other > 0.5)).sum()
        for one, other in zip(model["detection_masks"][:2], export["detection_masks"][:2], strict=True)
    ]
    assert comparison.summary()["mask_iou"] == pytest.approx(min(ious), abs=1e-5)


def test_a_pixel_whose_value_is_at_the_threshold_is_tied_and_another_is_not():
    model, export = make_row(A), make_row(A)
    for value, other, expected in ((0.50005, 0.49, 1), (0.501, 0.49, 899 / 900), (0.49, 0.501, 899 / 900)):
        model["detection_masks"][0, 20, 20], export["detection_masks"][0, 20, 20] = value, other
        assert compare(model, export).summary()["mask_iou"] == pytest.approx(expected, abs=1e-5)


def test_a_loss_of_ap_beyond_the_limit_is_a_fault():
    limits = parity.LIMITS["int8"]
    assert parity.find_losses({"mask_AP": 0.70}, {"mask_AP": 0.685}, limits) == []
    (line,) = parity.find_losses({"box_AP": 0.76, "mask_AP": 0.7}, {"box_AP": 0.39, "mask_AP": 0.7}, limits)
    assert line.startswith("box_AP is 0.3900")
