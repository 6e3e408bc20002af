"""What one reads while a run goes on."""

import pathlib
import re

import pytest

from official.modeling import optimization
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training.reports import console
from official_yolact.training.reports import remaining

LOGS = {
    "total_loss": 12.3456,
    "class_loss": 4.2,
    "box_loss": 1.05,
    "mask_loss": 6.126,
    "semantic_loss": 0.98765,
    "learning_rate": 1.25e-4,
    "gradient_norm": 8.0,
    "images_per_second": 0.031,
    "input_wait": 0.028,
    "memory_mb": 2345.6,
}


def test_a_line_of_training_says_it_all():
    assert console.format_train_line(1200, 800_000, LOGS, epoch=0.0819, seconds_left=200_000) == (
        "step 1,200/800,000 | epoch 0.08 | loss 12.3 (class 4.20, box 1.05, mask 6.13, semantic 0.988)"
        " | lr 1.25e-04 | gradient norm 8.00 | 0.0310 images/s | input wait 3 % | 2,346 MB | left 2 d 7:33"
    )


def test_the_line_in_the_documents_is_one_that_the_published_schedule_prints():
    params = loading.load_experiment("yolact_resnet50_coco")
    step, num_steps, batch = 1200, params.trainer.train_steps, params.task.train_data.global_batch_size
    rate = optimization.OptimizerFactory(params.trainer.optimizer_config).build_learning_rate()(step)
    losses = {"class_loss": 4.2, "box_loss": 1.05, "mask_loss": 6.13, "semantic_loss": 0.988}
    logs = {**LOGS, **losses, "total_loss": sum(losses.values()), "learning_rate": float(rate)}
    logs["images_per_second"] = 23.1
    left = (num_steps - step) * batch / 23.1
    line = console.format_train_line(step, num_steps, logs, step * batch / 117_266, left)
    document = pathlib.Path(__file__).parents[2] / "docs" / "training.md"
    assert line in document.read_text(encoding="utf-8").splitlines(), line


def test_what_is_not_known_is_left_out_of_the_line():
    assert console.format_train_line(2, 8, {}) == "step 2/8"
    for name in LOGS:
        line = console.format_train_line(2, 8, {key: value for key, value in LOGS.items() if key != name})
        assert "None" not in line
        assert "nan" not in line


def test_steps_that_were_not_finite_are_named_only_where_there_were_some():
    assert "not finite" not in console.format_train_line(2, 8, {**LOGS, "nonfinite_steps": 0})
    assert "3 steps not finite" in console.format_train_line(2, 8, {**LOGS, "nonfinite_steps": 3})


def test_a_loop_without_a_finite_step_has_no_loss():
    line = console.format_train_line(2, 8, {**LOGS, "total_loss": float("nan"), "nonfinite_steps": 2})
    assert line.startswith("step 2/8 | no finite loss in this loop | lr 1.25e-04 |")
    assert "2 steps not finite" in line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (0.0123456, "0.0123"),
        (12.3456, "12.3"),
        (123.456, "123"),
        (999.4, "999"),
        (999.6, "1,000"),
        (12345.6, "12,300"),
        (1e9, "1.00e+09"),
        (0.00099, "9.90e-04"),
        (1.25e-12, "1.25e-12"),
        (-0.5, "-0.500"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert console.format_number(value) == text


@pytest.mark.parametrize("digits", [1.0, 1.2345, 9.994, 9.996])
def test_no_number_reads_as_zero_or_is_off_by_more_than_half_a_percent(digits):
    for exponent in range(-12, 7):
        value = digits * 10.0**exponent
        text = console.format_number(value)
        assert float(text.replace(",", "")) == pytest.approx(value, rel=5.1e-3)
        assert len(re.sub(r"e.*|[,.]|^0\.?0*", "", text)) >= 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (-3, "0:00"),
        (5.4, "0:05"),
        (59.6, "1:00"),
        (754, "12:34"),
        (3600, "1:00:00"),
        (86399, "23:59:59"),
        (86400, "1 d 0:00"),
        (183845, "2 d 3:04"),
    ],
)
def test_durations(seconds, text):
    assert console.format_duration(seconds) == text


def test_a_line_of_evaluation_gives_percent_and_the_best():
    logs = {"box_AP": 0.3215, "box_AP50": 0.5, "mask_AP": 0.2987, "mask_AP50": -1.0}
    assert console.format_eval_line(8000, logs, "mask_AP", (4000, 0.301)) == (
        "evaluation of step 8,000 | box AP 32.1 (AP50 50.0) | mask AP 29.9 (AP50 none)"
        " | best mask AP 30.1 at step 4,000"
    )
    assert console.format_eval_line(0, {}, "mask_AP") == "evaluation of step 0"


def test_the_end_of_a_training_states_its_peaks():
    line = console.format_end_line(8, 65, 1234.5, 4567.8)
    assert line == "trained to step 8 | took 1:05 | peak memory 1,234 MB, 4,568 MB on a GPU"
    assert console.format_end_line(8, 65, 1234.5, None).endswith("peak memory 1,234 MB")


def test_the_time_left_is_the_usual_step_and_the_evaluations_that_are_still_to_come():
    left = remaining.RemainingTime(num_steps=100, evaluation_interval=40)
    assert left.estimate(0) is None
    for _ in range(10):
        left.add_step(2.0)
    assert left.estimate(10) == 180.0
    left.add_evaluation(30.0)
    # Evaluations follow the steps 40, 80 and 100.
    assert [left.estimate(step) for step in (10, 40, 41, 80, 81, 100)] == [270, 210, 178, 100, 68, 30]


def test_a_slow_step_changes_the_time_left_by_nothing_and_regular_waiting_counts():
    left = remaining.RemainingTime(num_steps=1000)
    for _ in range(20):
        left.add_step(1.0)
    before = left.estimate(20)
    left.add_step(300.0)
    assert left.estimate(20) == before
    for step in range(100):
        left.add_step(6.0 if step % 5 == 0 else 1.0)
    assert left.estimate(900) == 100 * 2.0


def test_the_steps_of_the_last_minutes_count():
    left = remaining.RemainingTime(num_steps=300)
    for seconds in [5.0] * 100 + [1.0] * 60:
        left.add_step(seconds)
    assert left.estimate(200) == 100.0


def test_a_row_of_the_terminals_table_stands_below_its_heading_and_fits():
    row = console.format_row(1200, LOGS, epoch=0.0819, seconds_left=200_000)
    assert row.split() == [
        "1,200",
        "0.08",
        "12.3",
        "4.20",
        "1.05",
        "6.13",
        "0.988",
        "0.0310",
        "2",
        "d",
        "7:33",
    ]
    assert len(row) == len(console.ROW_HEADING) < 80
    assert console.format_row(800_000, {}).split() == ["800,000", *["-"] * 8]
