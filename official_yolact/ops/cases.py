"""Static shapes whose size depends on the data: one of few sizes is chosen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from official_yolact.schema import Tensor


def run_smallest(needed: Tensor, sizes: Sequence[int], function: Callable[[int], Any]) -> Any:
    """Run a function for the smallest size that is large enough.

    Tensors padded for the worst case are mostly padding. Each size is traced as a branch of its own, so that
    all shapes stay static, as XLA needs them.

    Args:
      needed: int scalar.
      sizes: ascending; the last is large enough for every `needed`, and larger ones are left out.
      function: maps a size to tensors, whose shapes do not depend on it.

    Returns:
      The function's result.
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
