"""The thread pool that `runtime.dataset_num_private_threads` gives an input pipeline."""

import tensorflow as tf

import orbit
from official_yolact.training import private_threads

seen = []


def build_inputs(data, input_context=None):
    seen.append(input_context)
    return tf.data.Dataset.range(data).batch(2, drop_remainder=True)


def test_threads_are_limited_only_where_a_number_is_given():
    assert private_threads.limit_threads(build_inputs, None) is build_inputs
    assert private_threads.limit_threads(build_inputs, 0) is build_inputs
    limited = private_threads.limit_threads(build_inputs, 3)(6)
    assert limited.options().threading.private_threadpool_size == 3
    assert [batch.tolist() for batch in limited.as_numpy_iterator()] == [[0, 1], [2, 3], [4, 5]]


def test_orbit_still_passes_the_context():
    """It looks at the function's signature; without the context each replica would read all."""
    seen.clear()
    limited = private_threads.limit_threads(build_inputs, 3)
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    data = orbit.utils.make_distributed_dataset(strategy, limited, 4)
    assert [batch.numpy().tolist() for batch in data] == [[0, 1], [2, 3]]
    assert isinstance(seen[0], tf.distribute.InputContext)
