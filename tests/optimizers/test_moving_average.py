"""The moving average of the weights."""

import pathlib
import subprocess
import sys


def test_swapping_twice_leaves_every_bit_as_it_was(helper_environment):
    script = pathlib.Path(__file__).with_name("swapped_weights.py")
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**helper_environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
