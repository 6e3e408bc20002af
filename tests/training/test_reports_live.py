"""What is shown between the lines of loops and evaluations, on a clock that the test turns."""

import types

import numpy as np
import pytest
import tensorflow as tf

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run_log
from official_yolact.training.reports import live


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO")
    return lambda: [record.getMessage() for record in caplog.records if record.levelname == "INFO"]


@pytest.fixture
def shown(clock):
    """A `Live` of a run of 1,000 steps of 8 images with an evaluation of 400 images every 500 steps."""
    terms = ["trainer.train_steps=1000,trainer.validation_interval=500,task.train_data.global_batch_size=8"]
    loss = types.SimpleNamespace(name="total_loss", result=lambda: np.float32(12.345))
    trainer = types.SimpleNamespace(
        loop_start=0,
        strategy=tf.distribute.get_strategy(),
        task=types.SimpleNamespace(unusable={False: types.SimpleNamespace(num_records=400)}),
        train_metrics=[types.SimpleNamespace(name="mask_loss", result=lambda: 1.0), loss],
    )
    return live.Live(loading.load_experiment("yolact_tiny_shapes", [], terms), trainer, clock)


def train(shown, clock, steps, seconds):
    for done in steps:
        clock.now += seconds
        shown.observe_step(done, None if done == 1 else seconds)


def test_a_slow_run_has_a_line_within_fifteen_seconds_of_its_first_step_and_then_one_a_minute(
    shown, clock, said
):
    train(shown, clock, [1], 100.0)
    assert said() == []
    train(shown, clock, range(2, 60), 4.0)
    lines = said()
    assert lines[0] == "step 4/1,000 | loss 12.3 | 2.00 images/s | left 1:06:24"
    assert [line.split("/")[0] for line in lines] == ["step 4", "step 19", "step 34", "step 49"]


def test_a_line_of_a_loop_takes_the_place_of_one_in_between(shown, clock, said):
    train(shown, clock, [1], 1.0)
    for loop in range(20):
        shown._trainer.loop_start = 50 * loop
        train(shown, clock, range(2, 51), 1.0)
        shown.end_loop()
    assert [line.split(" |")[0] for line in said()] == ["step 11/1,000"]


def test_on_a_terminal_the_line_is_redrawn_five_times_a_second(shown, clock, monkeypatch, said):
    drawn = []
    monkeypatch.setattr(run_log, "is_terminal", lambda: True)
    monkeypatch.setattr(run_log, "show", lambda line: drawn.append(line) or True)
    train(shown, clock, range(1, 102), 0.05)
    assert 20 <= len(drawn) <= 25
    assert said() == []


def test_an_evaluation_says_how_far_it_is_and_counts_in_the_time_left(shown, clock, said):
    train(shown, clock, range(1, 3), 1.0)
    shown.end_loop()
    clock.now += 50.0  # the first batch is compiled
    for _ in range(100):
        shown.observe_evaluation({"image_id": ([0, 1, 2, 3],)})
        clock.now += 1.0
    shown.observe_comparisons("masks", 30, 200)
    clock.now += 30.0
    shown.observe_comparisons("masks", 60, 200)
    shown.end_evaluation({})
    assert said() == [
        # 4 images a second, after the first 4
        "evaluating: 8/400 images | left 1:38",
        "evaluating: 128/400 images | left 1:08",
        "evaluating: 248/400 images | left 0:38",
        "evaluating: 368/400 images | left 0:08",
        "evaluating: 30 % of the comparisons of masks",
    ]
    clock.now += 5.0
    shown._trainer.loop_start = 500
    clock.now += 1.0
    shown.observe_step(1, 1.0)
    # One more evaluation, which took 135 s from its first batch on, with all that followed.
    assert shown.remaining.estimate(900) == pytest.approx(100 + 135)
