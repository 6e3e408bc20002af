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
