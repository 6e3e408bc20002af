"""The bytes that benchmarks/model_costs.py counts are those of the traced step."""

import pathlib
import subprocess
import sys


def test_the_traced_step_sums_as_many_bytes_as_are_counted(tiny_records, helper_environment):
    """Frozen batch norm in float32, synchronised in bfloat16."""
    done = subprocess.run(
        [sys.executable, str(pathlib.Path(__file__).with_name("reduced_bytes.py")), tiny_records],
        capture_output=True,
        text=True,
        check=False,
        env={**helper_environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("bytes") == 2
