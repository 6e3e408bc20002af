"""Gradient accumulation: what it costs and what it refuses. That it equals one part: tests/tasks."""

import forks
import pytest
import tensorflow as tf

from official_yolact.tasks import accumulation


def measure(parts, records):
    return int(forks.run_beside(__file__, "part_memory.py", records, str(parts))[0])


def test_memory_is_needed_for_one_part(tiny_records):
    whole, quarter = (measure(parts, tiny_records) for parts in (1, 4))
    assert quarter < 0.6 * whole


@pytest.mark.parametrize("has_collectives", [False, True])
@pytest.mark.parametrize("jit", [False, True])
def test_the_parts_add_up_in_order(has_collectives, jit):
    seen = tf.Variable(tf.zeros([], tf.int32), shape=[])

    def compute(part):
        # Each part finds the number that the one before it has left.
        seen.assign(seen * 10 + tf.cast(part[0, 0], tf.int32))
        return {"sum": tf.reduce_sum(part)}

    @tf.function(jit_compile=jit)
    def add(batch):
        start = {"sum": tf.constant(0.0)}
        return accumulation.sum_parts(compute, batch, start, 3, has_collectives)

    batch = tf.reshape(tf.range(1.0, 13.0), [6, 2])
    assert float(add(batch)["sum"]) == 78.0
    assert int(seen) == 159


def test_a_batch_that_does_not_divide_is_refused_with_the_key():
    with pytest.raises(ValueError, match=r"trainer.gradient_accumulation: 3 parts do not divide the 4"):
        accumulation.sum_parts(lambda part: part, tf.zeros([4, 2]), tf.zeros([]), 3)
