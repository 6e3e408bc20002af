"""Training ends when evaluations stop getting better, however often it is interrupted."""

import json
import math

import pytest

from official_yolact.configs import training as configs
from official_yolact.training.watch import early_stopping


def config(patience=2, comp="higher", min_delta=0.0):
    return configs.TrainerConfig(
        best_checkpoint_eval_metric="mask_AP",
        best_checkpoint_metric_comp=comp,
        early_stopping_patience=patience,
        early_stopping_min_delta=min_delta,
    )


def stops_after(values, folder, interrupted=False, **kwargs):
    """Number of evaluations before the first reason to stop; None: it never does."""
    watch = early_stopping.EarlyStopping(config(**kwargs), str(folder))
    for index, value in enumerate(values, 1):
        if interrupted:
            watch = early_stopping.EarlyStopping(config(**kwargs), str(folder))
        watch.add(10 * index, {"mask_AP": value})
        if watch.find_reason():
            return index
    return None


@pytest.mark.parametrize(
    ("values", "kwargs", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4], {}, None),
        ([0.1, 0.3, 0.2, 0.3], {}, 4),
        ([0.1, 0.1, 0.1], {"patience": 0}, None),
        ([0.3, 0.2], {"patience": 1}, 2),
        ([3.0, 2.0, 1.0, 0.5], {"comp": "lower"}, None),
        ([1.0, 2.0, 3.0], {"comp": "lower"}, 3),
        ([0.1, 0.105, 0.109, 0.2], {"min_delta": 0.01}, 3),
        ([0.1, 0.105, 0.112, 0.2], {"min_delta": 0.01}, None),
        ([math.nan, math.nan], {}, 2),
        ([math.nan, 0.1, math.nan, 0.2], {}, None),
        ([0.0, 0.0, 0.0], {}, 3),
    ],
)
def test_it_counts_evaluations_without_a_better_one(values, kwargs, expected, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    assert stops_after(values, whole, **kwargs) == expected
    assert stops_after(values, parts, interrupted=True, **kwargs) == expected


def test_the_reason_names_metric_value_step_and_setting(tmp_path):
    watch = early_stopping.EarlyStopping(config(), str(tmp_path))
    for step, value in ((10, 0.25), (20, 0.1), (30, 0.2)):
        watch.add(step, {"mask_AP": value})
    reason = watch.find_reason()
    assert "mask_AP has not been better than 0.25 (step 10)" in reason
    assert "in 2 evaluations (trainer.early_stopping_patience=2)" in reason


def test_going_back_forgets_later_evaluations(tmp_path):
    watch = early_stopping.EarlyStopping(config(), str(tmp_path))
    for step in (10, 20, 30):
        watch.add(step, {"mask_AP": 0.5})
    assert watch.find_reason()
    watch.go_back_to(10)
    assert watch.find_reason() is None
    assert [watch.has(step) for step in (10, 20)] == [True, False]


def test_a_metric_that_no_evaluation_gives_is_an_error_only_where_it_is_needed(tmp_path):
    early_stopping.EarlyStopping(config(patience=0), str(tmp_path)).add(1, {"box_AP": 0.5})
    with pytest.raises(ValueError, match="best_checkpoint_eval_metric='mask_AP': .* one of box_AP"):
        early_stopping.EarlyStopping(config(), str(tmp_path)).add(2, {"box_AP": 0.5})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"evaluations": [{"value": 1}]}', "\x00"])
def test_a_damaged_file_begins_the_count_anew(content, tmp_path, caplog):
    (tmp_path / early_stopping.FILE_NAME).write_text(content)
    watch = early_stopping.EarlyStopping(config(), str(tmp_path))
    assert not watch.has(10)
    watch.add(10, {"mask_AP": 0.5})
    assert early_stopping.EarlyStopping(config(), str(tmp_path)).has(10)


def test_only_one_worker_writes_and_nothing_partial_stays(tmp_path):
    early_stopping.EarlyStopping(config(), str(tmp_path), is_writing=False).add(10, {"mask_AP": 0.5})
    assert list(tmp_path.iterdir()) == []
    early_stopping.EarlyStopping(config(), str(tmp_path)).add(10, {"mask_AP": 0.5})
    (written,) = tmp_path.iterdir()
    assert json.loads(written.read_text())["evaluations"] == [{"step": 10, "value": 0.5}]
