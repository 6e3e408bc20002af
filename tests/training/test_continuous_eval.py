"""Evaluation beside a training: here the training is a thread that moves finished checkpoints in."""

import csv
import json
import shutil
import threading
import time

import small_network

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run


def configure(records, *more):
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "task.train_data.global_batch_size=4,task.validation_data.global_batch_size=4",
        "runtime.mixed_precision_dtype=float32,trainer.num_pictures=0",
        small_network.TERMS,
        "trainer.steps_per_loop=2,trainer.summary_interval=2,trainer.checkpoint_interval=2",
        "trainer.train_steps=4,runtime.distribution_strategy=one_device,task.train_data.shuffle_buffer_size=8",
    ]
    return loading.load_experiment("yolact_tiny_shapes", [], [*terms, *more])


def copy_checkpoint(source, target, step):
    """In the order in which a save moves them: data, index, record."""
    for ending in ("data-00000-of-00001", "index", "json"):
        name = f"ckpt-{step}.{ending}"
        shutil.copy(source / name, target / f"{name}.part")
        (target / f"{name}.part").rename(target / name)


def read_evaluations(folder):
    path = folder / "results.csv"
    rows = csv.DictReader(path.read_text().splitlines()) if path.is_file() else []
    return [int(row["step"]) for row in rows if row["kind"] == "eval"]


def test_each_checkpoint_is_evaluated_as_it_appears_and_the_last_one_ends_it(tiny_records, tmp_path):
    done, live = tmp_path / "done", tmp_path / "live"
    run.run(configure(tiny_records), "train", str(done))
    live.mkdir()

    def train():
        time.sleep(1.5)
        for name in ("params.yaml", "categories.json"):
            shutil.copy(done / name, live / name)
        (live / "ckpt-9_temp").mkdir()  # as of a save that is going on
        copy_checkpoint(done, live, 2)
        begin = time.monotonic()
        while read_evaluations(live) != [2] and time.monotonic() - begin < 300:
            time.sleep(0.1)
        copy_checkpoint(done, live, 4)

    trainer = threading.Thread(target=train)
    trainer.start()
    run.run(configure(tiny_records, "trainer.continuous_eval_timeout=300"), "continuous_eval", str(live))
    trainer.join()
    assert read_evaluations(live) == [2, 4]
    assert json.loads((live / "best_ckpt" / "info.json").read_text())["best_ckpt_global_step"] in (2, 4)
    assert (live / "ckpt-9_temp").is_dir()
    for path in done.iterdir():
        if path.name.startswith(("ckpt-", "params", "categories")):
            assert (live / path.name).read_bytes() == path.read_bytes(), path.name
    assert not (live / "train").exists()
