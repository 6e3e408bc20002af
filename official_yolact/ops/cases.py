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
    smallest, *larger = sorted({size for size in sizes if size <= sizes[-1]})
    if not larger:
        return function(smallest)
    # Not tf.switch_case: to see whether its index is a constant, XLA evaluates all that leads to it in an
    # interpreter, which takes a minute at some sizes.
    return tf.cond(
        needed <= smallest,
        functools.partial(function, smallest),
        functools.partial(run_smallest, needed, larger, function),
    )
