"""Updates that are made or left out, on one replica and two."""

import pathlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("replicas", ["1", "2"])
def test_clipping_loss_scale_and_average_follow_numpy(replicas, helper_environment):
    script = pathlib.Path(__file__).with_name("guarded_replicas.py")
    done = subprocess.run(
        [sys.executable, str(script), replicas],
        capture_output=True,
        text=True,
        check=False,
        env=helper_environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
