"""Whole runs through Model Garden's train_lib, in small: modes, restart, determinism, reports."""

import glob
import json
import logging
import os
import re
import shutil

import numpy as np
import pytest
import small_network
import tensorflow as tf
from tensorflow.python.summary.summary_iterator import summary_iterator

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run
from official_yolact.training.watch import plateau
from official_yolact_runtime import categories

LOSSES = {"class_loss", "box_loss", "mask_loss", "semantic_loss", "total_loss"}


def small(records, *overrides):
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "task.train_data.global_batch_size=4,task.validation_data.global_batch_size=4",
        "runtime.mixed_precision_dtype=float32",
        small_network.TERMS,
        "trainer.steps_per_loop=2,trainer.summary_interval=2,trainer.checkpoint_interval=4,trainer.num_pictures=0",
        "trainer.train_steps=8,trainer.validation_interval=8,runtime.distribution_strategy=one_device",
        "task.train_data.shuffle_buffer_size=8,trainer.optimizer_config.warmup.linear.warmup_steps=2",
    ]
    return loading.load_experiment("yolact_tiny_shapes", [], [*terms, *overrides])


def scalars(folder):
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "*tfevents*"))):
        for event in summary_iterator(path):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
    return found


def test_train_and_eval_writes_checkpoints_scalars_categories_and_the_best(tiny_records, tmp_path):
    params = small(tiny_records)
    run.run(params, "train_and_eval", str(tmp_path))
    assert os.path.basename(tf.train.latest_checkpoint(str(tmp_path))) == "ckpt-8"
    train, validation = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    assert set(train) >= LOSSES | {"learning_rate"}
    assert [step for step, _ in train["mask_loss"]] == [2, 4, 6, 8]
    assert all(np.isfinite(value) for name in LOSSES for _, value in train[name])
    assert {"box_AP", "mask_AP", "mask_AP50"} <= set(validation)
    assert json.loads((tmp_path / "best_ckpt" / "info.json").read_text())
    assert categories.Categories.load(str(tmp_path / "categories.json")).num_classes == 7
    assert loading.load_config(str(tmp_path / "params.yaml")).as_dict() == params.as_dict()


def variables(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return {name: reader.get_tensor(name).tobytes() for name in names if not name.startswith("save_counter")}


def test_an_evaluation_of_averaged_weights_leaves_no_trace_in_the_training(tiny_records, tmp_path):
    steps = "trainer.train_steps=4,trainer.validation_interval=2,trainer.checkpoint_interval=2"
    average = "{trainer: {optimizer_config: {ema: {average_decay: 0.9}}}}"
    for mode in ("train", "train_and_eval"):
        run.run(small(tiny_records, steps, average), mode, str(tmp_path / mode))
    found, evaluated = (variables(tmp_path / mode / "ckpt-4") for mode in ("train", "train_and_eval"))
    assert found == evaluated
    best = tmp_path / "train_and_eval" / "best_ckpt"
    step = int(json.loads((best / "info.json").read_text())["best_ckpt_global_step"])
    saved = variables(best.parent / f"ckpt-{step}")
    weights = variables(best / f"best_ckpt-{step}")
    mark = "/.OPTIMIZER_SLOT/optimizer/average/"
    averages = {name.replace(mark, "/"): value for name, value in saved.items() if mark in name}
    assert len(averages) > 30
    assert {name: weights[name] for name in averages} == averages
    assert not (tmp_path / "train_and_eval" / "ema_checkpoints").exists()


def test_a_run_that_is_done_says_so_and_how_to_go_on(tiny_records, tmp_path, caplog):
    for mode, steps in (("train", 2), ("train", 1), ("train_and_eval", 1)):
        params = small(tiny_records, f"trainer.train_steps={steps}")
        caplog.clear()
        run.run(params, mode, str(tmp_path))
        said = [text for text in caplog.messages if text.startswith("nothing left to do")]
        expected = f"nothing left to do: step 2 of {steps} is reached. Raise trainer.train_steps to go on, or"
        assert [text.startswith(expected) for text in said] == ([True] if steps == 1 else [])


def test_an_evaluation_of_other_weights_takes_them_for_their_averages(tiny_records, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run.run(small(tiny_records, "trainer.train_steps=2"), "train", str(first))
    average = "{trainer: {optimizer_config: {ema: {average_decay: 0.9}}}}"
    run.run(small(tiny_records, average, f"task.init_checkpoint={first}"), "eval", str(second))
    trained, evaluated = variables(first / "ckpt-2"), variables(second / "best_ckpt" / "best_ckpt-0")
    names = [name for name in trained if "/.OPTIMIZER_SLOT/" not in name and name in evaluated]
    names = [name for name in names if not name.startswith(("optimizer", "global_step"))]
    assert len(names) > 50
    assert {name: evaluated[name] for name in names} == {name: trained[name] for name in names}


def test_a_wrong_number_of_classes_is_named_before_training(tiny_records, tmp_path):
    with pytest.raises(ValueError, match=r"num_classes: 5, but .* has 6 classes: set it to 7"):
        run.run(small(tiny_records, "task.model.num_classes=5"), "train", str(tmp_path))


def test_what_the_watch_on_the_masks_says_is_logged_where_there_are_no_validation_data(
    tiny_records, tmp_path, caplog, monkeypatch
):
    seen = []

    def speak(self, result):
        seen.append((result.step, result.mask_loss))
        return "masks stand still" if result.step == 4 else None

    monkeypatch.setattr(plateau.MaskPlateau, "update", speak)
    with caplog.at_level(logging.WARNING):
        params = small(tiny_records, "trainer.train_steps=4", "task.validation_data.input_path=''")
        run.run(params, "train", str(tmp_path))
    assert "masks stand still" in caplog.text
    np.testing.assert_allclose(seen, scalars(tmp_path / "train")["mask_loss"], rtol=1e-6)


def test_a_damaged_record_ends_the_training_with_its_name_or_is_borne(tiny_records, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(tiny_records, data)
    (shard,) = data.glob("train-*.tfrecord")
    content = bytearray(shard.read_bytes())
    content[200] ^= 1  # in the payload of the first record
    shard.write_bytes(content)
    intervals = [f"trainer.{name}=500" for name in ("train_steps", "steps_per_loop", "summary_interval")]
    found = rf"(?s)of (\d+) records .*max_bad_fraction.*{shard.name}: record 0: record damaged"
    params = small(data, "trainer.checkpoint_interval=500", *intervals)
    with pytest.raises(ValueError, match=found) as caught:
        run.run(params, "train", str(tmp_path / "first"))
    # Within the first epoch or two, long before the end of the loop.
    assert int(re.search(found, str(caught.value))[1]) < 100
    run.run(small(data, "task.train_data.max_bad_fraction=1.0"), "train", str(tmp_path / "second"))
    assert tf.train.latest_checkpoint(str(tmp_path / "second")).endswith("ckpt-8")
