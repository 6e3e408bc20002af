"""What a whole run leaves to look at."""

import collections
import csv
import glob
import json
import math
import os
import pathlib

import cv2
import pytest
import small_network
import tensorflow as tf
from tensorflow.python.summary.summary_iterator import summary_iterator

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run

LOOP_TAGS = {
    "class_loss",
    "box_loss",
    "mask_loss",
    "semantic_loss",
    "total_loss",
    "learning_rate",
    "gradient_norm",
    "positives_per_image",
    "images_per_second",
    "input_wait",
    "memory_mb",
}
EVAL_TAGS = {"box_AP", "box_AP50", "mask_AP", "mask_AP50"}


def small(records, *more):
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "task.train_data.global_batch_size=4,task.validation_data.global_batch_size=4",
        "runtime.mixed_precision_dtype=float32",
        small_network.TERMS,
        "trainer.steps_per_loop=2,trainer.summary_interval=2,trainer.checkpoint_interval=4",
        "trainer.train_steps=4,trainer.validation_interval=4,runtime.distribution_strategy=one_device",
        "task.train_data.shuffle_buffer_size=8,trainer.optimizer_config.warmup.linear.warmup_steps=2",
        "trainer.num_pictures=3",
        *more,
    ]
    return loading.load_experiment("yolact_tiny_shapes", [], terms)


def count_epoch(annotations, threshold):
    """Sum the repeat factors of the photos, rounded."""
    content = json.loads(pathlib.Path(annotations).read_text())
    photos = {image["id"]: set() for image in content["images"]}
    for entry in content["annotations"]:
        photos[entry["image_id"]].add(entry["category_id"])
    shown = collections.Counter(each for classes in photos.values() for each in classes)
    factors = {each: max(1, math.sqrt(threshold * len(photos) / shown[each])) for each in shown}
    return round(sum(max(factors[each] for each in classes) for classes in photos.values()))


def summaries(folder):
    """Tag -> its (step, value) in order, the value of an image being its encoded bytes."""
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "*tfevents*"))):
        for event in summary_iterator(path):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, tf.make_ndarray(value.tensor)))
    return found


def test_a_run_leaves_lines_a_table_curves_pictures_and_scalars(tiny_records, tmp_path, caplog):
    caplog.set_level("INFO")
    run.run(small(tiny_records, "task.train_data.repeat_threshold=0.8"), "train_and_eval", str(tmp_path))

    messages = [record.getMessage() for record in caplog.records]
    assert not [message for message in messages if message.startswith("not reported")]
    lines = [message for message in messages if message.startswith(("step 2/4", "step 4/4"))]
    length = count_epoch(f"{tiny_records}/instances-train.json", 0.8)
    assert length > 12
    assert any(f"; an epoch shows {length} examples: photos of " in message for message in messages)
    assert [line.split(" | ")[:2] for line in lines] == [
        ["step 2/4", f"epoch {8 / length:.2f}"],
        ["step 4/4", f"epoch {16 / length:.2f}"],
    ]
    assert all(
        word in lines[1] for word in ("loss", "lr", "gradient norm", "images/s", "input wait", "MB", "left")
    )
    (evaluation,) = [message for message in messages if message.startswith("evaluation of step 4 | box AP ")]
    assert "best mask AP" in evaluation
    assert sum(message.startswith("trained to step 4 | took ") for message in messages) == 1

    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["kind"], row["step"]) for row in rows[:3]] == [("train", "2"), ("train", "4"), ("eval", "4")]
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert (found["step"], float(rows[2]["mask_AP"])) == (4, pytest.approx(found["mask_AP"]))
    classes = found["classes"]
    assert list(classes) == [row["class"] for row in rows[3:]]
    assert [numbers["objects"] for numbers in classes.values()] == [float(row["objects"]) for row in rows[3:]]
    assert {row["kind"] for row in rows[3:]} == {"class"}
    # So early in a training next to nothing is found; which class it is differs.
    (table,) = [message for message in messages if message.startswith("class ")]
    assert "classes have mask AP 0: " in table.splitlines()[-1]
    assert all(math.isfinite(float(rows[1][name])) for name in LOOP_TAGS)
    assert all(0 <= float(rows[2][name]) <= 1 for name in EVAL_TAGS)

    train, validation = summaries(tmp_path / "train"), summaries(tmp_path / "validation")
    assert set(train) >= LOOP_TAGS
    assert set(validation) >= EVAL_TAGS
    known = {name for name, numbers in classes.items() if numbers["mask_AP"] >= 0}
    assert {f"mask_AP_by_class/{name}" for name in known} < set(validation)
    assert {step for step, _ in train["total_loss"]} == {2, 4}
    assert all(math.isfinite(value) for series in train.values() for _, value in series)
    assert all(math.isfinite(value) for series in validation.values() for _, value in series)
    for step, value in train["total_loss"]:
        (row,) = [row for row in rows if (row["kind"], row["step"]) == ("train", str(step))]
        assert math.isclose(float(row["total_loss"]), value, rel_tol=1e-6)

    names = ["training_batch", "validation_1", "validation_2", "validation_3"]
    shown = summaries(tmp_path / "pictures")
    assert {name: [step for step, _ in series] for name, series in shown.items()} == {
        name: [0 if name == "training_batch" else 4] for name in names
    }
    for name in names:
        encoded = shown[name][0][1][2]
        pixels = tf.io.decode_png(encoded).numpy()[..., ::-1]
        assert (pixels == cv2.imread(str(tmp_path / "pictures" / f"{name}.png"))).all()
        assert pixels.std() > 5
    assert cv2.imread(str(tmp_path / "results.png")).std() > 5
