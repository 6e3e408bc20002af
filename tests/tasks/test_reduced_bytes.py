"""The bytes that benchmarks/model_costs.py counts are those of the traced step."""

import forks


def test_the_traced_step_sums_as_many_bytes_as_are_counted(tiny_records):
    """Frozen batch norm in float32, synchronised in bfloat16."""
    out, _ = forks.run_beside(__file__, "reduced_bytes.py", tiny_records)
    assert out.count("bytes") == 2
