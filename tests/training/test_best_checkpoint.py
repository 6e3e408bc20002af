"""Which evaluation is the best, and that its checkpoint and its numbers agree whatever happens."""

import hashlib
import json
import math
import os

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.checkpoints import sidecar
from official_yolact.checkpoints import verify
from official_yolact.training.saving import best_checkpoint


def build(folder, metric="mask_AP", comp="higher"):
    weight = tf.Variable(tf.zeros([5]))
    exporter = best_checkpoint.BestCheckpoint(str(folder), metric, comp)
    return exporter, weight, tf.train.Checkpoint(model=tf.train.Checkpoint(weight=weight))


def evaluate(run, values, first=1):
    exporter, weight, checkpoint = run
    chosen = []
    for step, value in enumerate(values, first):
        weight.assign(tf.fill([5], float(step)))
        logs = {"box_AP": 0.1} if value is None else {"mask_AP": value, "box_AP": 0.1}
        chosen.append(exporter.maybe_export_checkpoint(checkpoint, logs, step))
    return chosen


def find_best(folder):
    found, _ = verify.find_intact(str(folder))
    return found.name if found else None


def info(folder):
    return json.loads((folder / "info.json").read_text())


@pytest.mark.parametrize(
    ("comp", "values", "expected"),
    [
        ("higher", [0.3, 0.2, 0.5, 0.5], [True, False, True, False]),
        ("lower", [0.3, 0.2, 0.5, 0.2], [True, True, False, False]),
        ("higher", [math.nan, 0.3, math.nan, 0.5], [False, True, False, True]),
        ("lower", [None, 0.3, None, 0.2], [False, True, False, True]),
        ("higher", [0.0, -1.0, tf.constant(0.25), np.float32(0.5)], [True, False, True, True]),
        ("higher", ["text", 0.1], [False, True]),
    ],
)
def test_only_a_better_number_is_better(comp, values, expected, tmp_path):
    run = build(tmp_path, comp=comp)
    assert evaluate(run, values) == expected
    best = max(step for step, chosen in enumerate(expected, 1) if chosen)
    assert info(tmp_path)["best_ckpt_global_step"] == best
    assert find_best(tmp_path) == f"best_ckpt-{best}"
    assert tf.train.latest_checkpoint(str(tmp_path)) == f"{tmp_path}/best_ckpt-{best}"
    assert sorted(os.listdir(tmp_path)) == sorted(
        [
            "checkpoint",
            "info.json",
            *(f"best_ckpt-{best}{end}" for end in (".data-00000-of-00001", ".index", ".json")),
        ]
    )


def test_before_the_first_number_the_best_is_not_a_number(tmp_path):
    run = build(tmp_path)
    evaluate(run, [math.nan])
    assert math.isnan(run[0].best_ckpt_logs["mask_AP"])
    assert find_best(tmp_path) is None
    assert not (tmp_path / "info.json").exists()


def test_nested_numbers_are_found(tmp_path):
    exporter, _, checkpoint = build(tmp_path, "coco|mask_AP")
    assert exporter.maybe_export_checkpoint(checkpoint, {"coco": {"mask_AP": 0.5}}, 3)
    assert not exporter.maybe_export_checkpoint(checkpoint, {"coco": {"mask_AP": 0.4}}, 4)
    assert exporter.best_ckpt_logs["coco|mask_AP"] == 0.5


@pytest.mark.parametrize("spoiled", [b"", b'{"mask_AP": 0.', b"\xff\xff", b"[1]", None, b'{"mask_AP": 0.1}'])
def test_a_damaged_info_file_is_written_again_and_the_best_stays(spoiled, tmp_path):
    evaluate(build(tmp_path), [0.3, 0.5])
    before = (tmp_path / "info.json").read_bytes()
    if spoiled is None:
        (tmp_path / "info.json").unlink()
    else:
        (tmp_path / "info.json").write_bytes(spoiled)
    run = build(tmp_path)
    assert (tmp_path / "info.json").read_bytes() == before
    assert evaluate(run, [0.4, 0.6], first=3) == [False, True]


@pytest.mark.parametrize("ending", [".index", ".data-00000-of-00001"])
def test_a_best_checkpoint_that_is_damaged_is_forgotten(ending, tmp_path):
    evaluate(build(tmp_path), [0.3, 0.5])
    path = tmp_path / f"best_ckpt-2{ending}"
    path.write_bytes(path.read_bytes()[:-7])
    run = build(tmp_path)
    assert find_best(tmp_path) is None
    assert evaluate(run, [0.2], first=3) == [True]
    assert find_best(tmp_path) == "best_ckpt-3"


def test_a_run_of_model_garden_goes_on(tmp_path):
    """Its checkpoints have no record; its info file may hold NaN."""
    checkpoint = tf.train.Checkpoint(model=tf.train.Checkpoint(weight=tf.Variable(tf.zeros([5]))))
    tf.train.CheckpointManager(checkpoint, str(tmp_path), 1, checkpoint_name="best_ckpt").save()
    (tmp_path / "info.json").write_text('{"mask_AP": 0.4, "best_ckpt_global_step": 7.0}')
    assert evaluate(build(tmp_path), [0.3, 0.5], first=8) == [False, True]
    (tmp_path / "info.json").write_text('{"mask_AP": NaN}')
    for path in tmp_path.glob("best_ckpt-*.json"):
        path.unlink()
    assert evaluate(build(tmp_path), [0.2], first=10) == [True]


def test_weights_that_are_not_finite_are_never_the_best(tmp_path):
    run = exporter, weight, checkpoint = build(tmp_path)
    evaluate(run, [0.3])
    weight.assign(tf.fill([5], np.nan))
    assert not exporter.maybe_export_checkpoint(checkpoint, {"mask_AP": 0.9}, 5)
    assert find_best(tmp_path) == "best_ckpt-1"
    assert info(tmp_path)["mask_AP"] == 0.3


def test_an_earlier_step_may_be_better_after_going_back(tmp_path):
    evaluate(build(tmp_path), [0.3], first=100)
    run = build(tmp_path)
    assert evaluate(run, [0.4], first=80) == [True]
    assert find_best(tmp_path) == "best_ckpt-80"
    assert info(tmp_path)["best_ckpt_global_step"] == 80


def test_numbers_that_are_no_scalars_are_left_out_of_the_info_file(tmp_path):
    exporter, _, checkpoint = build(tmp_path)
    exporter.maybe_export_checkpoint(checkpoint, {"mask_AP": 0.5, "image": tf.zeros([2, 2]), "note": "x"}, 1)
    assert info(tmp_path) == {"mask_AP": 0.5, "best_ckpt_global_step": 1.0}


def test_the_direction_is_checked(tmp_path):
    with pytest.raises(ValueError, match="higher, lower"):
        build(tmp_path, comp="max")


@pytest.mark.parametrize("written", ["NaN", "null"])
def test_the_best_of_a_run_with_numbers_that_were_not_finite_goes_on(written, tmp_path):
    """Records were written with NaN once; today they have null."""
    run = build(tmp_path)
    assert evaluate(run, [0.3]) == [True]
    record = next(tmp_path.glob("best_ckpt-*.json"))
    content = json.loads(record.read_text())
    content.pop("sha256")
    content["metrics"] |= {"mask_AP_small": json.loads(written), "by_class": {"fig": json.loads(written)}}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    record.write_text(json.dumps({**content, "sha256": digest}))
    assert written in record.read_text()
    (tmp_path / "info.json").unlink()
    assert sidecar.read(str(record.with_suffix(""))) is not None
    again = build(tmp_path)
    assert info(tmp_path)["mask_AP"] == 0.3
    assert evaluate(again, [0.2, 0.4], 8) == [False, True]
