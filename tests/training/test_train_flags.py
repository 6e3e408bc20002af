"""`python -m official_yolact.train`: Model Garden's flags, from a process of its own."""

import csv
import os
import subprocess
import sys

import pytest
import small_network

SMALL = (
    f"{small_network.TERMS},task.train_data.global_batch_size=4,runtime.mixed_precision_dtype=float32,"
    "trainer.train_steps=2,trainer.steps_per_loop=2,trainer.summary_interval=2"
)


def train(*flags):
    return subprocess.run(
        [sys.executable, "-m", "official_yolact.train", *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
    )


def test_flags_file_and_override_train_a_model(tiny_records, tmp_path):
    config = tmp_path / "shapes.yaml"
    config.write_text(
        f"experiment: yolact_tiny_shapes\ntask: {{train_data: {{input_path: {tiny_records}/train-*}}}}\n"
    )
    done = train(
        "--experiment=yolact_tiny_shapes",
        f"--config_file={config}",
        f"--params_override={SMALL}",
        "--mode=train",
        f"--model_dir={tmp_path}/run",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert {"ckpt-2.index", "params.yaml", "categories.json", "train"} <= set(os.listdir(tmp_path / "run"))
    log = (tmp_path / "run" / "log.txt").read_text()
    for text in (
        "tensorflow/core/platform/cpu_feature_guard.cc",
        "Sharding callback",
        "Running default trainer",
    ):
        assert text in log
        assert text not in done.stdout + done.stderr
    assert [line.split(" | ")[0] for line in done.stderr.splitlines() if line.startswith("step ")] == [
        "step 2/2"
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--experiment=yolact_resnet51_coco"], "unknown experiment 'yolact_resnet51_coco'"),
        (
            ["--experiment=yolact_tiny_shapes", "--params_override=task.sed=1"],
            "task.sed: 1 is the value of an unknown key; did you mean 'seed'",
        ),
        (
            ["--config_file=nowhere.yaml"],
            "nowhere.yaml: no such file, and none of the package's: .*yolact_im400_coco.*yaml",
        ),
        (
            ["--experiment=yolact_tiny_shapes", "--params_override=task.annotation_file=/nowhere/val.json"],
            "task.annotation_file: '/nowhere/val.json', but .*No such file.*; name the COCO instances file",
        ),
    ],
)
def test_unusable_flags_are_one_message_and_exit_code_2(flags, message, tmp_path):
    import re

    done = train(*flags, "--mode=train_and_eval", f"--model_dir={tmp_path}/run")
    assert done.returncode == 2
    assert re.search(message, done.stderr), done.stderr[-2000:]
    assert "Traceback" not in done.stderr


def test_going_back_before_there_is_a_checkpoint_is_one_message_with_the_cure(tiny_records, tmp_path):
    done = train(
        "--experiment=yolact_tiny_shapes",
        f"--params_override={SMALL},task.train_data.input_path={tiny_records}/train-*,"
        "trainer.loss_upper_bound=0.001,trainer.recovery_max_trials=1",
        "--mode=train",
        f"--model_dir={tmp_path}/run",
    )
    assert done.returncode == 2
    assert "written none yet: lower trainer.checkpoint_interval" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_training_that_cannot_go_on_ends_with_its_advice_and_exit_code_2(tiny_records, tmp_path):
    overrides = f"{SMALL},task.train_data.input_path={tiny_records}/train-*"
    done = train(
        "--experiment=yolact_tiny_shapes",
        f"--params_override={overrides},task.losses.mask_weight=3e38,trainer.nonfinite=stop",
        "--mode=train",
        f"--model_dir={tmp_path}/run",
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert "official_yolact.train: error: step 1: mask_loss not finite; nothing was changed" in done.stderr
    assert "lower the learning rate" in done.stderr
    assert "Traceback" not in done.stderr
    # No step of the loop counted: the means are empty, not 0.
    assert " | no finite loss in this loop | " in done.stderr
    with open(tmp_path / "run" / "results.csv", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert {row[name] for name in ("total_loss", "mask_loss", "gradient_norm")} == {"nan"}
    assert row["nonfinite_steps"] == "2"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode=nonsense", "--model_dir=run"], "--mode=nonsense: value should be one of <train|eval|"),
        (["--mod=train"], "Unknown command line flag 'mod'. Did you mean: mode"),
        (["--mode=train"], "--model_dir"),
    ],
)
def test_wrong_flags_are_one_line_and_exit_code_2(flags, message):
    done = train("--experiment=yolact_tiny_shapes", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("official_yolact.train: error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
