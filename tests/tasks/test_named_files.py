"""Records and checkpoints that are not there are named by `config check` and when a run starts, with the cure."""

import json
import os
import shutil

import pytest

from official_yolact.cli import main


@pytest.fixture
def work(tiny_records, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_records, "records")
    return tmp_path


def configure(train="records/train-*.tfrecord", val="records/val-*.tfrecord", checkpoint=""):
    text = f"""experiment: yolact_tiny_shapes
task:
  init_checkpoint: '{checkpoint}'
  train_data:
    input_path: '{train}'
  validation_data:
    input_path: '{val}'
"""
    with open("mine.yaml", "w") as file:
        file.write(text)


# The keys, the line of the file, and what is said.
CASES = {
    "another name": ({"train": "records/trian-*.tfrecord"}, 5, "train_data", "did you mean 'records/train-*.tfrecord'?"),
    "another end": ({"val": "records/val-*.record"}, 7, "validation_data", "did you mean 'records/val-*.tfrecord'?"),
    "without an end": ({"val": "records/val"}, 7, "validation_data", "did you mean 'records/val-*.tfrecord'?"),
    "another folder": ({"train": "record/train-*.tfrecord"}, 5, "train_data", "did you mean 'records/train-*.tfrecord'?"),
    "nothing like it": ({"train": "sets/boats/x-*"}, 5, "train_data", "/sets/boats, which does not exist"),
    "a folder": ({"train": "records"}, 5, "train_data", "is a folder"),
    "one of two": ({"train": "records/train-*,gone-*"}, 5, "train_data", "'gone-*', but there is no such file"),
    "checkpoint": ({"checkpoint": "run/a"}, 3, "init_checkpoint", "did you mean 'runs/a'?"),
    "checkpoint of a name": ({"checkpoint": "runs/a/ckpt-7"}, 3, "init_checkpoint", "there is no such checkpoint"),
    "folder without a checkpoint": ({"checkpoint": "records"}, 3, "init_checkpoint", "holds no checkpoint"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_there_is_named_with_key_line_and_folder(work, capsys, name):
    fields, line, key, says = CASES[name]
    (work / "runs" / "a").mkdir(parents=True)
    configure(**fields)
    assert main.main(["config", "check", "mine.yaml"]) == 2
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"error: mine.yaml:{line}: task.{key}")
    assert says in first
    assert last == "mine.yaml: 1 error: it cannot be used"
    if "no such" in first:
        assert f": looked in {work}" in first
        assert f"(a relative path begins in {os.getcwd()})" in first
    assert main.main(["train", "mine.yaml", "--model_dir", "run_of_this"]) == 2
    assert first.partition("mine.yaml:")[2].partition(": ")[2] in capsys.readouterr().err
    assert not (work / "run_of_this").exists()


def test_what_is_there_passes_and_defaults_are_for_the_run(work, capsys):
    configure()
    assert main.main(["config", "check", "mine.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == ["mine.yaml: it can be used"]
    assert main.main(["config", "check", "yolact_resnet50_coco"]) == 0
    capsys.readouterr()
    assert main.main(["train", "yolact_resnet50_coco", "--model_dir", "run"]) == 2
    told = capsys.readouterr().err
    assert "task.train_data.input_path: 'data/coco/train-*.tfrecord', but there is no such file" in told
    assert not (work / "run").exists()


def test_records_of_another_bit_depth_are_a_warning(work, capsys):
    path = work / "records" / "manifest-val.json"
    manifest = json.loads(path.read_text())
    manifest["options"]["bit_depth"] = 12
    path.write_text(json.dumps(manifest))
    configure()
    assert main.main(["config", "check", "mine.yaml"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("warning: mine.yaml:7: task.validation_data.input_path")
    assert "was converted with --bit-depth 12, the training records with 16" in first
    assert last == "mine.yaml: it can be used (1 warning)"
