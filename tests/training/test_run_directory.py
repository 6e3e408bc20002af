"""How a run's directory records its beginning and what is compared when it goes on."""

import json
import logging
import os

import pytest
import tensorflow as tf
import yaml

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run_directory
from official_yolact_runtime import categories


def build(records, *overrides):
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "task.train_data.global_batch_size=8",
    ]
    return loading.load_experiment("yolact_tiny_shapes", [], [*terms, *overrides])


def begin(records, folder, step=40):
    """Leave what a run that was stopped leaves."""
    run_directory.open_run(build(records), "train", str(folder))
    tf.train.Checkpoint(step=tf.Variable(step)).write(str(folder / f"ckpt-{step}"))


def reopen(records, folder, *overrides, **kwargs):
    run_directory.open_run(build(records, *overrides), "train", str(folder), **kwargs)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_new_run_writes_its_configuration_and_classes(tiny_records, tmp_path):
    params = build(tiny_records)
    run_directory.open_run(params, "train", str(tmp_path / "run"))
    assert sorted(os.listdir(tmp_path / "run")) == ["categories.json", "params.yaml"]
    assert loading.load_config(str(tmp_path / "run" / "params.yaml")).as_dict() == params.as_dict()
    assert categories.Categories.load(str(tmp_path / "run" / "categories.json")).num_classes == 7
    assert params.task.model.freeze_bn is False


@pytest.mark.parametrize(
    "weights", ["task.init_checkpoint=''", "task.init_checkpoint=a,task.init_checkpoint_modules=backbone"]
)
def test_an_evaluation_without_weights_is_refused_and_makes_nothing(tiny_records, tmp_path, weights):
    with pytest.raises(
        ValueError, match="rnu: there is no checkpoint to evaluate: give .* task.init_checkpoint"
    ):
        run_directory.open_run(build(tiny_records, weights), "eval", str(tmp_path / "rnu"))
    assert os.listdir(tmp_path) == []
    begin(tiny_records, tmp_path / "run")
    run_directory.open_run(build(tiny_records, weights), "eval", str(tmp_path / "run"))
    run_directory.open_run(build(tiny_records, "task.init_checkpoint=a"), "eval", str(tmp_path / "new"))


@pytest.mark.parametrize(
    "name", ["params.yaml", "categories.json", "evaluations.json", "results.png", "pictures/a.png"]
)
def test_a_run_begins_over_no_file_that_no_run_wrote(tiny_records, tmp_path, name):
    place, elsewhere = tmp_path / "run" / name, tmp_path / "elsewhere"
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    with pytest.raises(ValueError, match=f"{name}: is there, and no training wrote it.*--restart"):
        reopen(tiny_records, tmp_path / "run")
    assert place.read_text() == "mine"
    place.unlink()
    elsewhere.write_text("mine")
    place.symlink_to(elsewhere)
    with pytest.raises(ValueError, match=f"{name}: is there, and no training wrote it.*--restart"):
        reopen(tiny_records, tmp_path / "run")
    reopen(tiny_records, tmp_path / "run", restart=True)
    assert elsewhere.read_text() == "mine"
    (moved,) = (tmp_path / "run").glob("before-restart-*")
    assert (moved / name).read_text() == "mine"


def test_a_run_without_checkpoint_begins_anew(tiny_records, tmp_path):
    reopen(tiny_records, tmp_path)
    reopen(tiny_records, tmp_path, "task.model.head.num_filters=32")
    assert (
        yaml.safe_load((tmp_path / "params.yaml").read_text())["task"]["model"]["head"]["num_filters"] == 32
    )


def test_going_on_unchanged_changes_no_file_and_says_nothing(tiny_records, tmp_path, caplog):
    begin(tiny_records, tmp_path)
    before = content(tmp_path)
    caplog.clear()
    reopen(tiny_records, tmp_path)
    assert content(tmp_path) == before
    assert "since the run began" not in caplog.text


def test_changes_are_told_with_what_they_mean_and_kept_beside_the_start(tiny_records, tmp_path, caplog):
    begin(tiny_records, tmp_path)
    start = (tmp_path / "params.yaml").read_bytes()
    changes = ["trainer.train_steps=3000", "task.train_data.global_batch_size=16", "task.seed=3"]
    reopen(tiny_records, tmp_path, *changes)
    assert "trainer.train_steps: 2000 -> 3000 (the learning rate follows" in caplog.text
    assert (
        "task.train_data.global_batch_size: 8 -> 16 (the place in the data is step x batch: it goes on at "
        "example 640, where it was at 320, and leaves some out" in caplog.text
    )
    assert "task.seed: 0 -> 3 (the order of the examples is another" in caplog.text
    assert (tmp_path / "params.yaml").read_bytes() == start
    later = loading.load_config(str(tmp_path / "params-40.yaml"))
    assert (later.trainer.train_steps, later.task.seed) == (3000, 3)
    before = content(tmp_path)
    reopen(tiny_records, tmp_path, *changes)
    assert content(tmp_path) == before


def test_set_back_again_is_a_change_too(tiny_records, tmp_path):
    begin(tiny_records, tmp_path)
    reopen(tiny_records, tmp_path, "task.seed=3")
    tf.train.Checkpoint(step=tf.Variable(80)).write(str(tmp_path / "ckpt-80"))
    reopen(tiny_records, tmp_path)
    assert loading.load_config(str(tmp_path / "params-80.yaml")).task.seed == 0


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("task.model.protonet.num_prototypes=16", "task.model.protonet.num_prototypes: 32 -> 16"),
        ("task.model.input_size=[96,96]", r"task.model.input_size: \[128, 128\] -> \[96, 96\]"),
        ("task.model.norm_activation.norm_momentum=0.99", "norm_activation.norm_momentum: 0.9 -> 0.99"),
        ("task.model.normalization.mean=[1.0,2.0,3.0]", r"normalization.mean: .* -> \[1.0, 2.0, 3.0\]"),
        ("task.model.freeze_bn=true", "task.model.freeze_bn: False -> True"),
    ],
)
def test_another_architecture_is_refused_with_key_old_new_and_cure(override, told, tiny_records, tmp_path):
    begin(tiny_records, tmp_path)
    before = content(tmp_path)
    with pytest.raises(ValueError, match=rf"(?s)another architecture: .*{told}.*init_checkpoint.*--restart"):
        reopen(tiny_records, tmp_path, override)
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    "override", ["task.model.detection_generator.nms=traditional", "task.model.class_prior=0.02"]
)
def test_what_follows_the_network_may_change(override, tiny_records, tmp_path, caplog):
    begin(tiny_records, tmp_path)
    reopen(tiny_records, tmp_path, override)
    assert override.split("=")[0] in caplog.text


def test_other_classes_are_refused_by_number_and_name(tiny_records, tmp_path):
    begin(tiny_records, tmp_path)
    path = tmp_path / "categories.json"
    listed = json.loads(path.read_text())
    listed["categories"][0]["name"], listed["categories"][1]["name"] = "cat", "dog"
    path.write_text(json.dumps(listed))
    with pytest.raises(
        ValueError, match=r"other classes: class 1: 'cat' \(id 1\) -> '\w+' \(id 1\); class 2: 'dog'"
    ):
        reopen(tiny_records, tmp_path)


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe\x00", b"task: [1", b"just words", b"task: 5\n", b"task: {model: 5}\na: 1\na: 2\n"],
)
def test_a_damaged_record_is_one_error_with_its_cure(text, tiny_records, tmp_path):
    begin(tiny_records, tmp_path)
    (tmp_path / "params.yaml").write_bytes(text)
    with pytest.raises(ValueError, match=r"(?s)params.yaml: .*damaged.*delete it"):
        reopen(tiny_records, tmp_path)


def test_lost_records_are_told_and_written_again(tiny_records, tmp_path, caplog):
    begin(tiny_records, tmp_path)
    (tmp_path / "params.yaml").unlink()
    (tmp_path / "categories.json").unlink()
    reopen(tiny_records, tmp_path)
    assert "params.yaml is missing" in caplog.text
    assert "categories.json is missing" in caplog.text
    assert {"params.yaml", "categories.json"} <= set(os.listdir(tmp_path))


def test_a_restart_moves_the_run_and_nothing_else(tiny_records, tmp_path, caplog):
    begin(tiny_records, tmp_path)
    (tmp_path / "best_ckpt").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoint").write_bytes(b"")
    caplog.set_level(logging.WARNING)
    reopen(tiny_records, tmp_path, "task.model.head.num_filters=32", restart=True)
    (folder,) = [name for name in os.listdir(tmp_path) if name.startswith("before-restart-")]
    assert sorted(os.listdir(tmp_path)) == sorted([folder, "categories.json", "notes.txt", "params.yaml"])
    moved = set(os.listdir(tmp_path / folder))
    assert {"params.yaml", "categories.json", "ckpt-40.index", "best_ckpt", "checkpoint"} <= moved
    assert folder in caplog.text
    with pytest.raises(ValueError, match="mode is 'eval', which trains nothing"):
        run_directory.open_run(build(tiny_records), "eval", str(tmp_path), restart=True)


def test_a_worker_that_is_not_the_chief_writes_nothing(tiny_records, tmp_path):
    reopen(tiny_records, tmp_path, is_chief=False)
    assert os.listdir(tmp_path) == []
    begin(tiny_records, tmp_path)
    before = content(tmp_path)
    reopen(tiny_records, tmp_path, "task.seed=3", is_chief=False)
    reopen(tiny_records, tmp_path, "task.model.head.num_filters=32", is_chief=False, restart=True)
    assert content(tmp_path) == before
    with pytest.raises(ValueError, match="another architecture"):
        reopen(tiny_records, tmp_path, "task.model.head.num_filters=32", is_chief=False)


def test_an_evaluation_keeps_the_classes_and_writes_no_configuration(tiny_records, tmp_path):
    run_directory.open_run(build(tiny_records, "task.init_checkpoint=a"), "eval", str(tmp_path))
    assert os.listdir(tmp_path) == ["categories.json"]
    (tmp_path / "categories.json").write_text('{"categories": [{"id": 9, "name": "x"}]}')
    run_directory.open_run(build(tiny_records, "task.init_checkpoint=a"), "eval", str(tmp_path))
    assert categories.Categories.load(str(tmp_path / "categories.json")).ids == (9,)


def test_a_bucket_holds_the_records_too(tiny_records):
    folder = "ram://bucket/run"
    run_directory.open_run(build(tiny_records), "train", folder)
    assert sorted(tf.io.gfile.listdir(folder)) == ["categories.json", "params.yaml"]
    tf.train.Checkpoint(step=tf.Variable(40)).write(f"{folder}/ckpt-40")
    run_directory.open_run(build(tiny_records, "task.seed=3"), "train", folder)
    assert tf.io.gfile.exists(f"{folder}/params-40.yaml")
    with pytest.raises(ValueError, match="another architecture"):
        run_directory.open_run(build(tiny_records, "task.model.head.num_filters=32"), "train", folder)
    assert not os.path.exists("ram:")


@pytest.mark.parametrize("has_attributes", [True, False], ids=["attributes", "a list"])
def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(
    has_attributes, tiny_records, tmp_path, monkeypatch
):
    for name in () if has_attributes else ("setxattr", "getxattr"):
        monkeypatch.delattr(os, name, raising=False)
    reopen(tiny_records, tmp_path)
    reopen(tiny_records, tmp_path, "task.seed=3")
    (tmp_path / "params.yaml").write_text("mine: 1\n")
    with pytest.raises(ValueError, match=r"params\.yaml: is there, and no training wrote it"):
        reopen(tiny_records, tmp_path)
