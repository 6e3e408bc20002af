"""Static shapes of several sizes, chosen by the data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from official_yolact.schema import Tensor


def run_smallest(needed: Tensor, sizes: Sequence[int], function: Callable[[int], Any]) -> Any:
    """Run a function for the smallest size that is large enough.

    What is padded for the worst case is mostly padding. Each size is a branch of its own, so that all
    shapes stay static, as XLA wants them.

    Args:
      needed: int scalar.
      sizes: that the function is traced for; none above the last, which counts as large enough.
      function: from the size to tensors, which have the same shapes for every size.

    Returns:
      What the function gives.
    """
    ascending = [*sorted({size for size in sizes[:-1] if size < sizes[-1]}), sizes[-1]]
    larger = [tf.cast(needed > size, tf.int32) for size in ascending[:-1]]
    branches = [functools.partial(function, size) for size in ascending]
    return tf.switch_case(tf.add_n(larger), branches) if larger else branches[0]()
