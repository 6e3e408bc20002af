"""A thread pool of its own for an input pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def limit_threads(build_inputs: Callable[..., Any], num_threads: int | None) -> Callable[..., Any]:
    """Make a dataset function whose pipelines share no threads with the network.

    Args:
      build_inputs: a dataset function of the data's section and `input_context`.
      num_threads: of each pipeline; None or 0: those of the process.

    Returns:
      A dataset function.
    """
    if not num_threads:
        return build_inputs

    # Orbit passes the context only to a positional parameter of this name.
    def build(data: Any, input_context: Any = None) -> Any:
        options = tf.data.Options()
        options.threading.private_threadpool_size = num_threads
        return build_inputs(data, input_context=input_context).with_options(options)

    return build
