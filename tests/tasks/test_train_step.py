"""The training step in programs of their own, since logical CPUs are made before TensorFlow starts."""

import pathlib
import subprocess
import sys

import pytest


def run_program(name, environment, *arguments):
    done = subprocess.run(
        [sys.executable, str(pathlib.Path(__file__).with_name(name)), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("kind", ["frozen", "bfloat16", "synchronised", "synchronised_in_parts"])
def test_replicas_and_parts_give_the_losses_and_gradients_of_one(kind, tiny_records, helper_environment):
    run_program("equal_steps.py", helper_environment, tiny_records, kind)


@pytest.mark.parametrize(
    ("replicas", "precision", "parts", "compiler"),
    [("1", "float32", "1", "no"), ("2", "float32", "2", "no"), ("1", "float32", "2", "jit")],
)
def test_a_step_that_is_not_finite_is_named_and_changes_nothing(
    replicas, precision, parts, compiler, tiny_records, helper_environment
):
    """A fault in each loss, in the gradient alone, and in an image; weights, slots, averages, statistics."""
    out = run_program(
        "faulty_steps.py", helper_environment, tiny_records, replicas, precision, parts, compiler
    )
    assert f"faults 7 replicas {replicas}" in out
