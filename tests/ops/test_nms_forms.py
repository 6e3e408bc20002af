"""The other forms of suppression, against loops in NumPy, the recorded original and by hand."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import nms

SIZES = np.array([[90, 120], [64, 64]], np.float32)


def second_threshold(boxes, scores, sizes, threshold, iou, top_k, count):
    return nms.fast_nms(boxes, scores, threshold, iou, top_k, count, second_threshold=True)


def cross_class(boxes, scores, sizes, threshold, iou, top_k, count):
    return nms.cross_class_nms(boxes, scores, threshold, iou, top_k, count)


def traditional(boxes, scores, sizes, threshold, iou, top_k, count):
    return nms.traditional_nms(boxes, scores, sizes, threshold, iou, count)


def overlap(a, b, border=0.0):
    """IoU of two boxes in float32, by scalars; 0 for two boxes without area."""
    sides = [np.float32(max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + border)) for i in (0, 1)]
    areas = [np.float32((box[2] - box[0] + border) * (box[3] - box[1] + border)) for box in (a, b)]
    shared = sides[0] * sides[1]
    union = areas[0] + areas[1] - shared
    return shared / union if union else np.float32(0)


def best_of(kept, count):
    """Sort (score, class from 1, anchor) by score, then class, then anchor."""
    return sorted(kept, key=lambda k: (-k[0], k[1], k[2]))[:count]


def second_threshold_by_loops(boxes, scores, size, threshold, iou, top_k, count):
    kept = []
    for label in range(scores.shape[1]):
        order = sorted(np.flatnonzero(scores[:, label] > threshold), key=lambda a: (-scores[a, label], a))
        order = order[:top_k]
        for place, anchor in enumerate(order):
            if all(overlap(boxes[better], boxes[anchor]) <= iou for better in order[:place]):
                kept.append((scores[anchor, label], label + 1, anchor))
    return best_of(kept, count)


def cross_class_by_loops(boxes, scores, size, threshold, iou, top_k, count):
    labels = [int(np.flatnonzero(row == row.max())[0]) for row in scores]
    found = [
        (scores[a, label], label + 1, a) for a, label in enumerate(labels) if scores[a, label] > threshold
    ]
    found = sorted(found, key=lambda k: (-k[0], k[2]))[:top_k]
    kept = [
        one
        for place, one in enumerate(found)
        if all(overlap(boxes[better[2]], boxes[one[2]]) <= iou for better in found[:place])
    ]
    return kept[:count]


def traditional_by_loops(boxes, scores, size, threshold, iou, top_k, count):
    pixels = boxes * np.array([*size, *size], np.float32)
    kept = []
    for label in range(scores.shape[1]):
        order = sorted(np.flatnonzero(scores[:, label] > threshold), key=lambda a: (-scores[a, label], a))
        of_class = []
        for anchor in order:
            if all(overlap(pixels[better], pixels[anchor], 1.0) < iou for better in of_class):
                of_class.append(anchor)
        kept += [(scores[anchor, label], label + 1, anchor) for anchor in of_class]
    return best_of(kept, count)


FORMS = {
    "second_threshold": (second_threshold, second_threshold_by_loops),
    "cross_class": (cross_class, cross_class_by_loops),
    "traditional": (traditional, traditional_by_loops),
}


def random_case(seed, num_anchors=60, num_classes=4):
    rng = np.random.default_rng(seed)
    centre, size = rng.random((2, num_anchors, 2)), rng.uniform(0.1, 0.6, (2, num_anchors, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], -1).astype(np.float32)
    return boxes, rng.dirichlet(np.ones(num_classes) * 0.3, (2, num_anchors)).astype(np.float32)


def coarse_case(seed):
    """Boxes on an eighth grid, some without area and some the same, and scores in tenths, so many equal."""
    boxes, scores = random_case(seed)
    return np.round(boxes * 8) / 8, np.round(scores * 10).astype(np.float32) / 10


def rows_of(kept, image):
    count = int(kept.num[image])
    parts = (np.asarray(part[image]) for part in (kept.scores, kept.classes, kept.indices))
    parts = list(parts)
    assert not any(part[count:].any() for part in parts)
    return [tuple(row) for row in zip(*(part[:count].tolist() for part in parts), strict=True)]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_kept_detections_are_those_of_the_loop(name, jit):
    form, by_loops = FORMS[name]
    for limits in [(0.05, 0.5, 20, 30), (0.6, 0.3, 200, 100), (0.05, 0.25, 60, 400)]:
        run = tf.function(lambda b, s, limits=limits: form(b, s, SIZES, *limits), jit_compile=jit)
        for boxes, scores in (random_case(7), coarse_case(8)):
            kept = run(boxes, scores)
            assert kept.indices.shape == kept.classes.shape == kept.scores.shape == (2, limits[3])
            assert (kept.indices.dtype, kept.classes.dtype, kept.num.dtype) == (tf.int32,) * 3
            for i in range(2):
                assert rows_of(kept, i) == by_loops(boxes[i], scores[i], SIZES[i], *limits)


def crowded_case(seed, num_candidates, num_objects, coarse):
    """Boxes around a few objects, each with 40 likely classes; the other anchors hold next to nothing."""
    rng = np.random.default_rng(seed)
    boxes, scores = np.zeros((2, 700, 4), np.float32), np.full((2, 700, 40), 1e-6, np.float32)
    for image, count in enumerate([num_candidates, num_candidates // 2]):
        chosen = rng.permutation(700)[:count]
        objects = rng.integers(0, num_objects, count)
        centre = rng.random((num_objects, 2))[objects] + rng.normal(0, 0.01, (count, 2))
        side = rng.uniform(0.05, 0.3, (num_objects, 2))[objects] * np.exp(rng.normal(0, 0.2, (count, 2)))
        boxes[image, chosen] = np.concatenate([centre - side / 2, centre + side / 2], axis=-1)
        logits = 2 * rng.standard_normal((num_objects, 40))[objects] + rng.standard_normal((count, 40))
        scores[image, chosen] = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return boxes, (np.round(scores * 50) / 50 if coarse else scores).astype(np.float32)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", ["fast", *FORMS])
def test_the_candidates_alone_give_what_all_anchors_give(name, jit, monkeypatch):
    limits = (0.05, 0.5, 200, 100)
    form = FORMS[name][0] if name in FORMS else lambda b, s, sizes, *limits: nms.fast_nms(b, s, *limits)
    run = tf.function(lambda b, s: form(b, s, SIZES, *limits), jit_compile=jit)
    counts = [(0, 1), (30, 2), (64, 1), (65, 5), (400, 3), (512, 40), (513, 8), (700, 60)]
    cases = [crowded_case(i, *each, coarse) for i, each in enumerate(counts) for coarse in (False, True)]
    found = [run(*case) for case in cases]
    monkeypatch.setattr(nms, "_POOLS", ())
    monkeypatch.setattr(nms, "_STAGES", ())
    plain = tf.function(lambda b, s: form(b, s, SIZES, *limits))
    assert max(int(kept.num[0]) for kept in found) > 50
    for case, kept in zip(cases, found, strict=True):
        for got, expected in zip(kept, plain(*case), strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.shared
@pytest.mark.parametrize("case", ["small", "mid", "big"])
@pytest.mark.parametrize(
    ("recorded", "name"),
    [("fast_second", "second_threshold"), ("cross", "cross_class"), ("trad", "traditional")],
)
@pytest.mark.parametrize("jit", [False, True])
def test_kept_detections_equal_the_recorded_ones(shared, case, recorded, name, jit):
    arrays = np.load(shared / "fixtures" / "nms.npz")
    boxes, scores = arrays[f"{case}_boxes"][None][..., [1, 0, 3, 2]], arrays[f"{case}_scores"].T[None]
    form, expected = FORMS[name][0], {part: arrays[f"{case}_{recorded}_{part}"] for part in ("idx", "class")}
    most = max(100, len(expected["idx"]))  # the original does not cut the cross-class form to 100
    size = np.full([1, 2], 550, np.float32)
    kept = tf.function(lambda b, s: form(b, s, size, 0.05, 0.5, 200, most), jit_compile=jit)(boxes, scores)
    count = int(kept.num[0])
    np.testing.assert_array_equal(kept.indices[0, :count], expected["idx"])
    np.testing.assert_array_equal(kept.classes[0, :count], expected["class"] + 1)
    np.testing.assert_array_equal(kept.scores[0, :count], arrays[f"{case}_{recorded}_score"])


@pytest.mark.shared
def test_cross_class_detections_are_cut_to_the_best(shared):
    arrays = np.load(shared / "fixtures" / "nms.npz")
    boxes, scores = arrays["big_boxes"][None][..., [1, 0, 3, 2]], arrays["big_scores"].T[None]
    kept = nms.cross_class_nms(boxes, scores, 0.05, 0.5, 200, 100)
    np.testing.assert_array_equal(kept.indices[0], arrays["big_cross_idx"][:100])


@pytest.mark.parametrize("name", FORMS)
def test_a_score_of_exactly_the_threshold_is_too_low(name):
    boxes, scores = random_case(9)
    kept = FORMS[name][0](boxes, np.full_like(scores, 0.25), SIZES, 0.25, 0.5, 200, 10)
    assert kept.num.numpy().tolist() == [0, 0]
    assert not any(np.asarray(part).any() for part in kept)


@pytest.mark.parametrize("name", FORMS)
def test_an_image_without_detections_beside_one_with_them_stays_empty(name):
    boxes, scores = random_case(10)
    scores[0] = 0.0
    form, by_loops = FORMS[name]
    kept = form(boxes, scores, SIZES, 0.05, 0.5, 20, 30)
    assert int(kept.num[0]) == 0
    assert rows_of(kept, 1) == by_loops(boxes[1], scores[1], SIZES[1], 0.05, 0.5, 20, 30)


@pytest.mark.parametrize("name", FORMS)
def test_equal_scores_keep_the_order_of_class_then_anchor(name):
    boxes = np.array([[[0, 0, 0.2, 0.2], [0.4, 0.4, 0.6, 0.6], [0.8, 0.8, 1, 1]]], np.float32)
    scores = np.array([[[0.1, 0.5], [0.5, 0.1], [0.5, 0.1]]], np.float32)
    kept = FORMS[name][0](boxes, scores, SIZES[:1], 0.3, 0.5, 200, 3)
    order = [(0.5, 2, 0), (0.5, 1, 1), (0.5, 1, 2)]
    assert rows_of(kept, 0) == (order if name == "cross_class" else order[1:] + order[:1])


@pytest.mark.parametrize("name", FORMS)
def test_more_detections_than_there_can_be_are_padded(name):
    boxes = np.array([[[0, 0, 0.5, 0.5]]], np.float32)
    kept = FORMS[name][0](boxes, np.array([[[0.75]]], np.float32), SIZES[:1], 0.3, 0.5, 200, 9)
    assert kept.scores.shape == (1, 9)
    assert rows_of(kept, 0) == [(0.75, 1, 0)]


@pytest.mark.parametrize("name", FORMS)
def test_a_batch_equals_its_images_one_by_one_and_may_be_of_any_size(name):
    boxes, scores = random_case(11)
    form = FORMS[name][0]
    specs = [tf.TensorSpec([None, 60, 4]), tf.TensorSpec([None, 60, 4]), tf.TensorSpec([None, 2])]
    run = tf.function(lambda b, s, z: form(b, s, z, 0.05, 0.5, 20, 30), input_signature=specs)
    assert [part.shape.as_list() for part in run.get_concrete_function().structured_outputs] == [
        [None, 30],
        [None, 30],
        [None, 30],
        [None],
    ]
    both = run(boxes, scores, SIZES)
    for i in range(2):
        one = run(boxes[i : i + 1], scores[i : i + 1], SIZES[i : i + 1])
        for together, alone in zip(both, one, strict=True):
            np.testing.assert_array_equal(together[i], alone[0])
    assert run(boxes[:0], scores[:0], SIZES[:0]).num.shape == (0,)


def test_an_object_of_two_likely_classes_is_found_once_across_classes():
    boxes = np.array([[[0, 0, 1, 1], [0, 0, 1, 0.9]]], np.float32)
    scores = np.array([[[0.5, 0.4], [0.35, 0.45]]], np.float32)
    by_class = nms.fast_nms(boxes, scores, 0.05, 0.5, 200, 4)
    np.testing.assert_allclose(rows_of(by_class, 0), [(0.5, 1, 0), (0.45, 2, 1)])
    assert [row[1:] for row in rows_of(nms.cross_class_nms(boxes, scores, 0.05, 0.5, 200, 4), 0)] == [(1, 0)]


def test_the_second_threshold_leaves_out_only_low_scores():
    boxes = np.array([[[0, 0, 0.4, 0.4], [0.5, 0.5, 1, 1]]], np.float32)
    scores = np.array([[[0.9, 0.01], [0.02, 0.6]]], np.float32)
    first = nms.fast_nms(boxes, scores, 0.05, 0.5, 200, 9)
    second = nms.fast_nms(boxes, scores, 0.05, 0.5, 200, 9, second_threshold=True)
    assert [row[1:] for row in rows_of(first, 0)] == [(1, 0), (2, 1), (1, 1), (2, 0)]
    assert [row[1:] for row in rows_of(second, 0)] == [(1, 0), (2, 1)]


def test_a_suppressed_box_suppresses_in_every_form_but_the_traditional():
    boxes = np.array([[[0.0, 0, 1, 1], [0.0, 0.3, 1, 1.3], [0.0, 0.6, 1, 1.6]]], np.float32)
    scores = np.array([[[0.9], [0.8], [0.7]]], np.float32)
    size = np.full([1, 2], 1000, np.float32)
    found = {name: FORMS[name][0](boxes, scores, size, 0.05, 0.5, 200, 3) for name in FORMS}
    kept = {name: [row[2] for row in rows_of(one, 0)] for name, one in found.items()}
    assert kept == {"second_threshold": [0], "cross_class": [0], "traditional": [0, 2]}


@pytest.mark.parametrize(("iou", "expected"), [(0.5, [0]), (0.51, [0, 1])])
def test_the_traditional_form_counts_border_pixels_and_suppresses_at_the_threshold(iou, expected):
    # Of 100 pixels 10 x 10, the second box has 10 x 5; without the border it would be 9 x 4 of 81.
    boxes = np.array([[[0, 0, 9, 9], [0, 0, 9, 4]]], np.float32) / np.array([16, 32, 16, 32], np.float32)
    kept = nms.traditional_nms(boxes, np.array([[[0.9], [0.8]]], np.float32), [[16, 32]], 0.05, iou, 4)
    assert [row[2] for row in rows_of(kept, 0)] == expected


def test_two_boxes_without_area_both_stay_but_in_the_traditional_form_where_they_are_one_pixel():
    boxes = np.full([1, 2, 4], 0.5, np.float32)
    scores = np.array([[[0.9], [0.8]]], np.float32)
    found = {name: FORMS[name][0](boxes, scores, SIZES[:1], 0.05, 0.5, 200, 3).num for name in FORMS}
    assert {name: int(num[0]) for name, num in found.items()} == {
        "second_threshold": 2,
        "cross_class": 2,
        "traditional": 1,
    }


def test_the_traditional_form_has_no_limit_of_candidates():
    place = np.arange(250, dtype=np.float32)
    boxes = np.stack([place, place, place, place], -1)[None] * 100
    scores = np.linspace(0.9, 0.1, 250, dtype=np.float32)[None, :, None]
    kept = tf.function(nms.traditional_nms)(boxes, scores, np.ones([1, 2]), 0.05, 0.5, 250)
    np.testing.assert_array_equal(kept.indices[0], place)


def _lower_by_loops(kept, boxes, iou, factor):
    """Kept of one image: list of (score, class, anchor), best first."""
    out = []
    for place, (score, label, anchor) in enumerate(kept):
        repeats = any(
            other != label and overlap(boxes[better], boxes[anchor]) > iou
            for _, other, better in kept[:place]
        )
        if factor or not repeats:
            out.append((np.float32(score * np.float32(factor)) if repeats else score, label, anchor))
    return [one for _, one in sorted(enumerate(out), key=lambda pair: (-pair[1][0], pair[0]))]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("iou", "factor"), [(0.5, 0.3), (0.8, 0.5), (0.6, 0.0), (0.5, 1.0)])
def test_scores_of_other_classes_at_one_place_are_lowered_as_by_loops(jit, iou, factor):
    rng = np.random.default_rng(61)
    low = rng.integers(0, 3, (2, 30, 2)) / 10
    boxes = np.concatenate([low, low + 0.3 + rng.integers(0, 3, (2, 30, 2)) / 10], -1).astype(np.float32)
    scores = (rng.random((2, 30, 4)) * 0.9).astype(np.float32)
    boxes[1], scores[1, 2:] = boxes[1, :1], 0  # two anchors in all, and rows of padding

    def run(boxes, scores):
        kept = nms.fast_nms(boxes, scores, 0.05, 0.5, 20, 12, second_threshold=True)
        return kept, nms.lower_other_classes(kept, boxes, iou, factor)

    before, after = tf.function(run, jit_compile=jit)(boxes, scores)
    for i in range(2):
        num = int(before.num[i])
        rows = zip(
            before.scores[i].numpy(), before.classes[i].numpy(), before.indices[i].numpy(), strict=True
        )
        expected = _lower_by_loops(list(rows)[:num], boxes[i], iou, factor)
        assert int(after.num[i]) == len(expected)
        padding = [(0, 0, 0)] * (12 - len(expected))
        columns = [np.array(column) for column in zip(*expected, *padding, strict=True)]
        np.testing.assert_allclose(after.scores[i], columns[0], rtol=1e-6)
        np.testing.assert_array_equal(after.classes[i], columns[1])
        np.testing.assert_array_equal(after.indices[i], columns[2])
    if factor == 1:
        np.testing.assert_array_equal(after.scores, before.scores)
