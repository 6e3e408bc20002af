"""When the watch on the masks speaks, and when it does not."""

import math

import pytest

from official_yolact.training.watch import plateau
from official_yolact.training.watch import watcher

PLATEAU = 6.125 * math.log(2)


def feed(losses, steps_per_loop=50):
    watch = plateau.MaskPlateau(6.125)
    return [
        watch.update(watcher.LoopResult(step=50 + i * steps_per_loop, mask_loss=loss))
        for i, loss in enumerate(losses)
    ]


@pytest.mark.parametrize("factor", [1.0, 1.08, 1.3])
def test_a_loss_that_stands_at_ln_2_is_reported_once(factor):
    messages = feed([factor * PLATEAU * (1 + 0.004 * (i % 2)) for i in range(12)])
    assert [i for i, message in enumerate(messages) if message] == [4]
    assert "init_checkpoint" in messages[4]
    assert "since step 50" in messages[4]


@pytest.mark.parametrize(
    "losses",
    [
        [PLATEAU * (1.4 - 0.03 * i) for i in range(12)],
        [0.5 * PLATEAU] * 12,
        [2.5 * PLATEAU] * 12,
        [PLATEAU] * 4,
        [float("nan")] * 12,
    ],
    ids=["falls", "lower", "higher", "short", "nan"],
)
def test_losses_that_move_or_lie_elsewhere_are_not(losses):
    assert not any(feed(losses))


def test_short_loops_are_judged_over_a_hundred_steps():
    messages = feed([7.0, 5.5, *[PLATEAU * 1.06] * 9], steps_per_loop=20)
    assert [i for i, message in enumerate(messages) if message] == [7]
    assert "since step 90" in messages[7]


def test_a_few_steps_are_too_few_to_judge():
    assert not any(feed([PLATEAU] * 12, steps_per_loop=5))


# Of a training of MobileNetV2 from ImageNet's weights on 92 photos, in batches of 4, whose mask AP stayed 0.
NOISY = [
    16.55, 5.54, 5.02, 5.09, 5.79, 5.71, 5.99, 5.66, 5.61, 5.22, 5.44, 5.87, 5.45, 5.68, 5.30, 5.62, 5.86, 5.53,
    6.07, 5.30, 5.65, 5.93, 5.40, 5.62, 5.21, 5.19, 4.70, 4.99,
]  # fmt: skip


def test_a_loss_that_goes_up_and_down_there_is_reported_where_its_mean_does_not_fall():
    messages = feed(NOISY)
    assert [bool(message) for message in messages].count(True) == 1
    at = next(i for i, message in enumerate(messages) if message)
    assert 20 <= at < len(NOISY) - 1
    assert f"since step {50 + 50 * (at - 20)}" in messages[at]


def test_it_is_not_where_the_mean_falls_or_too_little_was_seen():
    up_and_down = [5.9, 5.7] * 15
    assert any(feed(up_and_down, steps_per_loop=60))
    assert not any(feed([loss - 0.02 * i for i, loss in enumerate(up_and_down)], steps_per_loop=60))
    assert not any(feed(up_and_down, steps_per_loop=30))
    assert not any(feed(up_and_down[:15], steps_per_loop=120))
