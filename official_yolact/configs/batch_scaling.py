"""The one rule by which learning rate and steps follow the batch; it needs no TensorFlow.

Descent scales its rate with the batch, as the original does. The steps of Adam and its kin do not grow with
the gradient: their rate scales with the root of the batch. Steps of every kind are divided by the batch, so
that each photo is seen as often.

Source: S. Malladi et al., "On the SDEs and scaling rules for adaptive gradient algorithms", 2022.
"""

from __future__ import annotations

import math

_ROOT_OPTIMIZERS = ("adam", "adamw", "adam_experimental", "adamw_experimental", "lamb", "rmsprop", "adagrad")


def scale_rate(rate: float, written: int, batch: int, optimizer: str) -> float:
    """Scale a learning rate from the batch that it was written for to another.

    Args:
      rate: the learning rate.
      written: the batch that it was written for.
      batch: the other.
      optimizer: type of the optimizer, such as `torch_sgd` or `adam`.

    Returns:
      The learning rate of the other batch.
    """
    ratio = batch / written
    # Twelve digits hide the rounding of 1e-3 * 2, and nothing else.
    return float(f"{rate * (math.sqrt(ratio) if optimizer in _ROOT_OPTIMIZERS else ratio):.12g}")


def scale_warmup(steps: int, written: int, batch: int, optimizer: str) -> int:
    """Scale the steps of a warm-up; with descent they stay, as the original keeps its 500 at any batch."""
    return scale_steps(steps, written, batch) if optimizer in _ROOT_OPTIMIZERS else steps


def scale_steps(steps: int, written: int, batch: int) -> int:
    """Scale a number of steps, rounded down, but to 1 at least where there were any; -1 (never) stays."""
    return max(steps * written // batch, 1) if steps > 0 else steps
