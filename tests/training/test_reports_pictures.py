"""Curves and pictures that are written beside the weights."""

import glob
import logging
import math
import os
import types

import cv2
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.summary.summary_iterator import summary_iterator

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.drawing import comparisons
from official_yolact.ops import frames
from official_yolact.training import reports
from official_yolact.training.reports import curves
from official_yolact.training.reports import pictures
from official_yolact.training.reports import process_memory
from official_yolact.training.reports import results_table

SIZE, GRID, ROWS = 64, 16, 5


def table_rows(tmp_path, count=30):
    table = results_table.ResultsTable(str(tmp_path))
    for step in range(1, count + 1):
        values = {f"{term}_loss": (2 + n) / step for n, term in enumerate(("class", "box", "mask"))}
        table.append(
            "train", step, {**values, "total_loss": 9 / step, "learning_rate": 1e-3, "gradient_norm": 3}
        )
        if step % 10 == 0:
            table.append("eval", step, {"mask_AP": step / 100, "mask_AP50": step / 50, "box_AP": -1})
    return table.read()


def decode(path):
    image = cv2.imread(str(path))
    assert image is not None, path
    return image[..., ::-1]


def test_curves_are_a_picture_with_something_on_it(tmp_path):
    path = tmp_path / "results.png"
    blank, drawn = [], []
    for rows, found in (([], blank), (table_rows(tmp_path), drawn)):
        curves.draw_curves(rows, str(path))
        image = decode(path)
        assert image.shape[0] > 500
        found.append(image)
        colourful = np.ptp(image.astype(int), axis=-1) > 60
        quadrants = [
            half for part in np.array_split(colourful, 2) for half in np.array_split(part, 2, axis=1)
        ]
        assert [bool(part.sum() > 50) for part in quadrants] == [bool(rows)] * 3 + [False]
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "1e-30", "1e30", ""])
def test_curves_of_any_values_are_drawn(value, tmp_path):
    row = dict.fromkeys(results_table.COLUMNS, value) | {"step": "1"}
    curves.draw_curves([{**row, "kind": "train"}, {**row, "kind": "eval"}], str(tmp_path / "x.png"))
    assert decode(tmp_path / "x.png").std() > 1


def test_drawing_curves_leaves_no_figure_behind(tmp_path):
    from matplotlib import pyplot

    curves.draw_curves(table_rows(tmp_path), str(tmp_path / "results.png"))
    assert pyplot.get_fignums() == []


def test_a_series_is_in_the_order_of_steps_without_gaps_and_not_too_long():
    rows = [{"step": str(step), "x": value} for step, value in ((3, "3"), (1, "1"), (2, ""), (4, "nan"))]
    assert curves.read_series(rows, "x") == ([1, 3], [1.0, 3.0])
    assert curves.read_series(rows, "y") == ([], [])
    steps, _ = curves.read_series([{"step": str(step), "x": "1"} for step in range(100_001)], "x")
    assert len(steps) <= 2002
    assert (steps[0], steps[-1]) == (0, 100_000)


def test_resident_memory_follows_what_is_held():
    before = process_memory.read_memory()["memory_mb"]
    held = np.ones(2**27, np.uint8)
    assert 100 < process_memory.read_memory()["memory_mb"] - before < 200
    assert held[-1] == 1
    del held
    assert process_memory.read_memory()["memory_mb"] - before < 64
    assert process_memory.read_peak_mb() >= process_memory.read_memory()["memory_mb"] - 1


def make_labels(image_ids, num_instances=1):
    count = len(image_ids)
    boxes = np.zeros((count, ROWS, 4), np.float32)
    boxes[:, :num_instances] = (0.25, 0.25, 0.75, 0.75)
    masks = np.zeros((count, ROWS, GRID, GRID), bool)
    masks[:, :num_instances, 4:12, 4:12] = True
    return {
        "boxes": boxes,
        "classes": np.ones((count, ROWS), np.int32),
        "num_instances": np.full(count, num_instances, np.int32),
        "is_crowd": np.zeros((count, ROWS), bool),
        "masks": masks,
        "image_id": np.asarray(image_ids, np.int64),
    }


def make_batch(image_ids):
    images = np.zeros((len(image_ids), SIZE, SIZE, 3), np.float32)
    return tf.constant(images), {key: tf.constant(value) for key, value in make_labels(image_ids).items()}


def make_outputs(image_ids, score=0.9, height=48, width=96, weight=1.0):
    """What a validation step gives on one replica: a detection in the right lower quarter."""
    count = len(image_ids)
    boxes = np.zeros((count, ROWS, 4), np.float32)
    boxes[:, 0] = (height / 2, width / 2, height, width)
    masks = np.zeros((count, ROWS, GRID, GRID), np.float32)
    masks[:, 0, 8:, 8:] = 1.0
    outputs = {
        "image_id": np.asarray(image_ids, np.int64),
        "weight": np.full(count, weight, np.float32),
        "image_info": np.tile(frames.fit((height, width), (SIZE, SIZE)), (count, 1, 1)),
        "detection_boxes": boxes,
        "detection_scores": np.full((count, ROWS), score, np.float32),
        "detection_mask_scores": np.full((count, ROWS), score, np.float32),
        "detection_classes": np.full((count, ROWS), 2, np.int32),
        "num_detections": np.ones(count, np.int32),
        "detection_masks": masks,
    }
    return {key: (tf.constant(value),) for key, value in outputs.items()}


@pytest.fixture
def params(tiny_records):
    overrides = [
        f"task.train_data.input_path={tiny_records}/train-*.tfrecord",
        f"task.validation_data.input_path={tiny_records}/val-*.tfrecord",
        "trainer.num_pictures=2,trainer.train_steps=4",
    ]
    return loading.load_experiment("yolact_tiny_shapes", [], overrides)


def make_trainer(strategy=None):
    records = types.SimpleNamespace(num_records=8, epoch_length=8)
    return types.SimpleNamespace(
        global_step=tf.Variable(0, dtype=tf.int64),
        loop_start=0,
        strategy=strategy or tf.distribute.get_strategy(),
        task=types.SimpleNamespace(unusable={True: records, False: records}, class_metrics={}),
        train_dataset=[make_batch([1, 2, -1])],
        eval_dataset=[make_batch([11, 12]), make_batch([13, -1])],
        train_metrics=[],
        step_observers=[],
        eval_observers=[],
    )


def evaluate(trainer, eval_actions, step, *outputs):
    trainer.global_step.assign(step)
    for one in outputs:
        for observe in trainer.eval_observers:
            observe(one)
    for action in eval_actions:
        action({"mask_AP": 0.25, "box_AP": 0.5})


def image_tags(folder):
    return [
        (value.tag, event.step)
        for path in glob.glob(os.path.join(folder, "*tfevents*"))
        for event in summary_iterator(path)
        for value in event.summary.value
    ]


def finish_loops(train_actions, count):
    for _ in range(count):
        for action in train_actions:
            action({})


def test_the_first_batch_is_drawn_once_without_unusable_examples(params, tmp_path):
    train_actions, _ = reports.build_actions(params, make_trainer(), str(tmp_path))
    assert not (tmp_path / "pictures").exists()
    finish_loops(train_actions, 2)
    sheet = decode(tmp_path / "pictures" / "training_batch.png")
    assert sheet.shape == (384 + 16, 2 * 384 + 3 * 8, 3)
    assert image_tags(tmp_path / "pictures") == [("training_batch", 0)]


def test_a_run_that_goes_on_leaves_the_picture_of_its_first_batch(params, tmp_path):
    trainer = make_trainer()
    trainer.loop_start = 8
    train_actions, _ = reports.build_actions(params, trainer, str(tmp_path))
    finish_loops(train_actions, 1)
    assert not (tmp_path / "pictures").exists()


def test_the_same_images_are_drawn_after_each_evaluation_truth_left_and_found_right(params, tmp_path):
    trainer = make_trainer()
    train_actions, eval_actions = reports.build_actions(params, trainer, str(tmp_path))
    finish_loops(train_actions, 1)
    evaluate(trainer, eval_actions, 2, make_outputs([11, 12]), make_outputs([13]))
    first = {name: decode(tmp_path / "pictures" / name) for name in ("validation_1.png", "validation_2.png")}
    evaluate(trainer, eval_actions, 4, make_outputs([13, 12], score=0.1), make_outputs([11], score=0.1))
    folder = tmp_path / "pictures"
    names = sorted(name for name in os.listdir(folder) if "tfevents" not in name)
    assert names == ["training_batch.png", "validation_1.png", "validation_2.png"]
    shown = [(f"validation_{number}", step) for step in (2, 4) for number in (1, 2)]
    assert sorted(image_tags(folder)) == sorted([("training_batch", 0), *shown])
    height, width = 192, 384  # 48 x 96, four times as large
    for name, before in first.items():
        after = decode(folder / name)
        assert before.shape == after.shape == (24 + height, 2 * width + 8, 3)
        left, right = before[24:, :width], before[24:, width + 8 :]
        ground = left[5, 5]  # the mean colour that normalisation takes off
        np.testing.assert_allclose(ground, params.task.model.normalization.mean, atol=1)
        assert (left[height // 2, width // 2] != ground).any()
        assert (left[-20, -20] == ground).all()
        assert (right[-20, -20] != ground).any()
        assert (right[height // 4, width // 4] == ground).all()
        np.testing.assert_array_equal(after[24:, :width], left)
        np.testing.assert_array_equal(after[24:, width + 8 :], np.broadcast_to(ground, right.shape))


def test_padding_is_no_image_and_replicas_come_one_after_another(params, tmp_path):
    trainer = make_trainer()
    drawing = pictures.Pictures(params, trainer, str(tmp_path))
    padding, first, second = make_outputs([-1, 11], weight=0.0), make_outputs([12]), make_outputs([13])
    drawing.observe(padding)
    drawing.observe({key: first[key] + second[key] for key in first})
    drawing.draw_evaluation({})
    assert sorted(name for name in os.listdir(tmp_path / "pictures") if name.endswith("png")) == [
        "validation_1.png",
        "validation_2.png",
    ]
    assert drawing._wanted == [12, 13]


def test_an_evaluation_without_images_draws_nothing(params, tmp_path):
    pictures.Pictures(params, make_trainer(), str(tmp_path)).draw_evaluation({})
    assert os.listdir(tmp_path) == []


def test_without_pictures_none_are_drawn_and_no_detections_kept(params, tmp_path):
    params.override({"trainer": {"num_pictures": 0}})
    trainer = make_trainer()
    _, eval_actions = reports.build_actions(params, trainer, str(tmp_path))
    evaluate(trainer, eval_actions, 2, make_outputs([11]))
    assert len(trainer.eval_observers) == 1  # that of the progress
    assert sorted(os.listdir(tmp_path)) == ["metrics.json", "results.csv", "results.png"]


def test_a_report_that_fails_is_named_once_and_harms_nothing(params, tmp_path, caplog):
    trainer = make_trainer()
    (tmp_path / "file").write_text("")
    train_actions, eval_actions = reports.build_actions(params, trainer, str(tmp_path / "file"))
    caplog.set_level(logging.INFO)
    trainer.global_step.assign(4)
    for _ in range(3):
        for action in train_actions:
            action({"total_loss": 1.0})
        evaluate(trainer, eval_actions, 4, make_outputs([11]))
    messages = [record.getMessage() for record in caplog.records]
    said = [message for message in messages if message.startswith("not reported: ")]
    assert [message.split(" (")[0].removeprefix("not reported: ") for message in said] == [
        "row of a loop in results.csv",
        "results.png",
        "picture of a training batch",
        "rows of an evaluation in results.csv",
        "metrics.json",
        "results.png",
        "pictures of validation images",
    ]
    assert sum(message.startswith("step 4/4 | epoch 8.00 | loss 1.00") for message in messages) == 3
    assert sum(message.startswith("evaluation of step 4 | box AP 50.0 ") for message in messages) == 3


def test_the_logs_of_a_loop_get_memory_and_lose_a_speed_that_was_not_measured(params, tmp_path):
    train_actions, _ = reports.build_actions(params, make_trainer(), str(tmp_path))
    logs = {"total_loss": tf.constant(1.0), "images_per_second": 0.0, "input_wait": 0.0}
    for action in train_actions:
        action(logs)
    assert logs.keys() == {"total_loss", "memory_mb"}
    logs = {"images_per_second": 5.0, "input_wait": 0.5, "best": {"nested": 1.0}}
    for action in train_actions:
        action(logs)
    assert logs.keys() == {"images_per_second", "input_wait", "best", "memory_mb"}


def test_a_restart_writes_its_rows_once(params, tmp_path):
    params.override({"trainer": {"num_pictures": 0}})
    for start, end in ((0, 3), (2, 4)):
        trainer = make_trainer()
        train_actions, eval_actions = reports.build_actions(params, trainer, str(tmp_path))
        for step in range(start + 1, end + 1):
            trainer.loop_start = step - 1
            trainer.global_step.assign(step)
            for action in train_actions:
                action({"total_loss": float(start)})
            evaluate(trainer, eval_actions, step)
    rows = results_table.ResultsTable(str(tmp_path)).read()
    assert [(row["kind"], int(row["step"])) for row in rows] == [
        (kind, step) for step in (1, 2, 3, 4) for kind in ("train", "eval")
    ]
    assert [row["total_loss"] for row in rows if row["kind"] == "train"] == ["0", "0", "2", "2"]
    assert float(rows[0]["epoch"]) == params.task.train_data.global_batch_size / 8


def test_all_detections_from_a_score_on_are_drawn():
    scores = np.linspace(0.05, 1.04, 100)[np.random.default_rng(0).permutation(100)]
    detections = {
        "num_detections": 90,
        "detection_mask_scores": scores,
        "detection_boxes": np.tile([10.0, 20.0, 50.0, 100.0], (100, 1)),
        "detection_classes": np.arange(100),
        "detection_masks": np.zeros((100, 4, 4)),
        "image_info": frames.fit((100, 200), (64, 64)).numpy(),
    }
    shown = pictures.select_detections(detections)
    expected = sorted((score for score in scores[:90] if score >= 0.15), reverse=True)
    assert len(expected) > 70
    np.testing.assert_allclose(shown.scores, expected, rtol=1e-6)
    np.testing.assert_allclose(shown.boxes, np.tile([0.1, 0.1, 0.5, 0.5], (len(expected), 1)), rtol=1e-6)
    np.testing.assert_allclose(scores[shown.classes], expected, rtol=1e-6)
    detections["detection_mask_scores"] = np.full(100, 0.149)
    assert len(pictures.select_detections(detections).classes) == 0
    detections["num_detections"] = 0
    assert pictures.select_detections(detections).masks.shape[0] == 0


@pytest.mark.parametrize(
    ("image", "panel"),
    [((64, 64), (384, 384)), ((480, 640), (384, 512)), ((400, 300), (400, 300)), ((5000, 10), (512, 1))],
)
def test_a_panel_has_the_proportions_of_the_image_within_bounds(image, panel):
    assert comparisons.choose_size(*image) == panel
    assert math.isclose(panel[0] / panel[1], image[0] / image[1], rel_tol=0.1) or min(panel) == 1
