"""The training step in programs of their own, since logical CPUs are made before TensorFlow starts."""

import forks
import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["frozen", "synchronised", pytest.param("synchronised_in_parts", marks=pytest.mark.rare)]
)
def test_replicas_and_parts_give_the_losses_and_gradients_of_one(kind, tiny_records):
    forks.run_beside(__file__, "equal_steps.py", tiny_records, kind)


@pytest.mark.slow
@pytest.mark.parametrize(("replicas", "compiler"), [("2", "no"), ("1", "jit")])
def test_a_step_that_is_not_finite_is_named_and_changes_nothing(replicas, compiler, tiny_records):
    """A fault in each loss, in the gradient alone, and in an image; weights, slots, averages, statistics."""
    out, _ = forks.run_beside(__file__, "faulty_steps.py", tiny_records, replicas, compiler)
    assert f"faults 7 replicas {replicas}" in out
