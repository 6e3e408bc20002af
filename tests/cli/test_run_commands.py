"""What the training, import and configuration commands say, without a training."""

import json

import pytest

from official_yolact.cli import main
from official_yolact.cli import train


def test_the_equivalent_model_garden_line_is_printed(tmp_path, capsys, monkeypatch):
    from official_yolact.training import run

    calls = []
    monkeypatch.setattr(run, "run", lambda *args: calls.append(args))
    code = main.main(
        [
            "train",
            "yolact_tiny_shapes_cpu.yaml",
            "--model_dir",
            str(tmp_path),
            "--mode",
            "train",
            "--restart",
            "task.seed=4",
        ]
    )
    assert code == 0
    [(params, mode, model_dir, restart)] = calls
    assert (params.task.seed, mode, model_dir, restart) == (4, "train", str(tmp_path), True)
    printed = capsys.readouterr().err
    assert "python -m official_yolact.train --config_file=" in printed
    assert "yolact_tiny_shapes_cpu.yaml --mode=train" in printed
    assert "--restart --params_override=task.seed=4" in printed


def test_the_modes_of_the_command_are_those_of_the_run():
    from official_yolact.training import run

    assert train._MODES == run.MODES


def test_config_show_prints_the_whole_configuration(capsys):
    assert main.main(["config", "show", "yolact_resnet50_coco_1gpu.yaml", "task.seed=7", "--json"]) == 0
    params = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert params["task"]["seed"] == 7
    assert params["trainer"]["train_steps"] == 800_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["config", "show", "yolact_resnet50_coco", "task.sed=7"], "did you mean 'seed'"),
        (["config", "check", "nothing.yaml"], "nothing.yaml: no such file"),
        (["config", "check", "yolact_resnet51_coco"], "did you mean 'yolact_resnet50_coco'"),
        (
            ["train", "yolact_tiny_shapes", "--model_dir", "/tmp/x", "trainer.train_steps=-1"],
            "expected 0 or more",
        ),
        (
            ["train", "yolact_tiny_shapes", "--model_dir", "x", "task.train_data.input_path=/nowhere/t-*"],
            "/nowhere/t-.*no such file.*yolact data convert",
        ),
        (["import-weights", "/nowhere.npz", "--model", "mobilenetv2", "--output", "x"], "/nowhere.npz"),
    ],
)
def test_unusable_input_is_one_message_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    import re

    monkeypatch.chdir(tmp_path)
    assert main.main(arguments) == 2
    printed = capsys.readouterr().err
    assert re.search(message, printed), printed
    assert "Traceback" not in printed
