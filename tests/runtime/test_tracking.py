"""Objects in small videos keep their numbers."""

import dataclasses
import importlib.util
import pathlib
import sys

import numpy as np
import pytest

from official_yolact_runtime import detections
from official_yolact_runtime import tracking

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "benchmarks" / "tracking.py"
SIZE = (100, 200)


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("tracking_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def make(*objects, size=SIZE):
    """Make a frame of squares (top, left, score, class) of 20 pixels."""
    masks = np.zeros((len(objects), *size), np.bool_)
    for mask, (top, left, *_) in zip(masks, objects, strict=True):
        mask[max(0, top) : max(0, top + 20), max(0, left) : max(0, left + 20)] = True
    scores = np.array([one[2] for one in objects], np.float32)
    classes = np.array([one[3] for one in objects], np.int32)
    return detections.Detections(
        image=np.zeros((*size, 3), np.uint8),
        boxes=np.array([[top, left, top + 20, left + 20] for top, left, *_ in objects], np.float32).reshape(
            -1, 4
        ),
        scores=scores,
        mask_scores=scores,
        classes=classes,
        category_ids=classes.astype(np.int64),
        names=["ab"[number - 1] for number in classes],
        masks=masks,
    )


def follow(frames, **options):
    tracker = tracking.Tracker(**options)
    return [tracker.update(frame).track_ids.tolist() for frame in frames]


def test_an_object_has_its_number_from_the_second_frame_on():
    assert follow([make((10, 10 + 5 * at, 0.9, 1)) for at in range(4)]) == [[0], [1], [1], [1]]
    assert follow([make((10, 10, 0.9, 1))] * 3, confirm_after=1) == [[1], [1], [1]]
    assert follow([make((10, 10, 0.9, 1))] * 4, confirm_after=3) == [[0], [0], [1], [1]]


def test_what_is_seen_in_one_frame_only_uses_up_no_number():
    frames = [make((10, 10, 0.9, 1)), make(), make((10, 10, 0.9, 1)), make((10, 10, 0.9, 1))]
    assert follow(frames) == [[0], [], [0], [1]]


def test_a_doubtful_detection_goes_on_with_an_object_and_begins_none():
    sure, doubtful, weak = ((10, 10, score, 1) for score in (0.9, 0.2, 0.05))
    other = (60, 100, 0.2, 1)
    frames = [make(sure, other), make(sure, other), make(doubtful, other), make(weak), make(sure)]
    assert follow(frames) == [[0], [1], [1], [], [1]]


def test_an_object_that_was_hidden_has_its_number_again_where_its_speed_led_it():
    frames = [make((40, 10 + 4 * at, 0.9, 1)) if not 8 <= at < 16 else make() for at in range(24)]
    assert follow(frames) == [[0]] + [[1]] * 7 + [[]] * 8 + [[1]] * 8


def test_a_lost_object_ends_and_its_number_is_not_used_again():
    seen = make((10, 10, 0.9, 1))
    assert follow([seen, seen, *[make()] * 5, seen, seen], lost_after=5)[-2:] == [[1], [1]]
    assert follow([seen, seen, *[make()] * 6, seen, seen], lost_after=5)[-2:] == [[0], [2]]


def test_an_object_keeps_its_class():
    fig, date = make((10, 10, 0.9, 1)), make((10, 10, 0.9, 2))
    assert follow([fig, fig, date, date, fig]) == [[0], [1], [0], [2], [1]]


def test_two_that_cross_keep_their_numbers():
    frames = [make((40, 10 + 6 * at, 0.9, 1), (46, 160 - 6 * at, 0.8, 1)) for at in range(26)]
    numbers = follow(frames)
    assert numbers[0] == [0, 0]
    assert numbers[1:] == [[1, 2]] * 25


def test_masks_decide_where_the_boxes_are_the_same():
    upper, lower = (np.fromfunction(lambda y, x, s=s: s * (y - 30) > s * (x - 30), SIZE) for s in (1, -1))
    frame = make((30, 30, 0.9, 1), (30, 30, 0.8, 1))
    frame = dataclasses.replace(frame, masks=frame.masks & np.stack([upper, lower]))
    swapped = dataclasses.replace(frame, masks=frame.masks[::-1])
    assert follow([frame, frame, swapped, frame]) == [[0, 0], [1, 2], [2, 1], [1, 2]]


def test_a_knock_of_the_camera_takes_no_number_from_another_object():
    places = [(10, 20), (10, 60), (50, 40), (50, 90)]
    frames = [
        make(*((top, left + (40 if at >= 3 else 0), 0.9, 1) for top, left in places)) for at in range(6)
    ]
    assert follow(frames) == [[0] * 4] + [[1, 2, 3, 4]] * 5


def test_a_frame_of_another_size_begins_another_video():
    first, second = make((10, 10, 0.9, 1)), make((10, 10, 0.9, 1), size=(90, 90))
    assert follow([first, first, second, second]) == [[0], [1], [0], [2]]


def test_twelve_that_cross_before_a_moving_camera(benchmark):
    found = benchmark.follow(tracking.Tracker, seed=0, frames=100, camera=True)
    plain = benchmark.follow(benchmark.PlainTracker, seed=0, frames=100, camera=True)
    assert found["switches"] <= 4 < plain["switches"]
    assert found["IDF1"] > 0.85 > plain["IDF1"]
    assert found["IDF1"] <= found["possible_IDF1"]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"score_threshold": 2}, ValueError, "score_threshold is 2"),
        ({"lost_after": 0}, ValueError, "lost_after is 0"),
        ({"confirm_after": 1.5}, TypeError, "confirm_after is 1.5"),
    ],
)
def test_arguments_are_checked(options, error, says):
    with pytest.raises(error, match=says):
        tracking.Tracker(**options)
