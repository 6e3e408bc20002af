"""Trainings that are killed at random times end bit for bit as one that is left alone.

OFFICIAL_YOLACT_KILLS=30 kills each of them so often. The matrix of whole runs kills under every strategy.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

RUNS = [
    ("off", 1, 2),
    pytest.param("mirrored", 2, 1, marks=pytest.mark.rare),
    pytest.param("mirrored", 1, 1, marks=pytest.mark.rare),
]


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "replicas", "kills"), RUNS)
def test_a_training_that_is_killed_at_random_times_ends_as_one_that_is_left_alone(
    tiny_records, helper_environment, tmp_path, strategy, replicas, kills
):
    plan = {
        "records": tiny_records,
        "folder": str(tmp_path),
        "strategy": strategy,
        "replicas": replicas,
        "kills": int(os.environ.get("OFFICIAL_YOLACT_KILLS", kills)),
    }
    done = subprocess.run(
        [sys.executable, str(pathlib.Path(__file__).with_name("kill_runs.py")), json.dumps(plan)],
        capture_output=True,
        text=True,
        check=False,
        env={**helper_environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-6000:]
    report = json.loads(done.stdout.splitlines()[-1])
    print(report)
    assert report["kills"] == plan["kills"]
    assert report["starts_from_a_checkpoint"] >= plan["kills"] / 2
    tensors = report["tensors"]
    assert min(tensors["averages"], tensors["slots"], tensors["others"]) > 30
    assert tensors["statistics"] == 26
