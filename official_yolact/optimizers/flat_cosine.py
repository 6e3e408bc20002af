"""A learning rate that stays, and then falls along a cosine."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.schema import Tensor


class FlatCosine(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Keeps the rate for so many steps, and lets it fall along half a cosine until `decay_steps`.

    Source: the schedule of RTMDet, arXiv 2212.07784, which is flat for the first half.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        flat_steps: int,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "FlatCosine",
    ) -> None:
        """Keep the numbers.

        Args:
          initial_learning_rate: of the first steps.
          flat_steps: from which on it falls.
          decay_steps: at which it has fallen; above `flat_steps`.
          alpha: part of it that is left then.
          name: of the schedule.
        """
        super().__init__()
        self._config: dict[str, Any] = {
            "initial_learning_rate": initial_learning_rate,
            "flat_steps": flat_steps,
            "decay_steps": decay_steps,
            "alpha": alpha,
            "name": name,
        }

    def __call__(self, step: Tensor) -> Tensor:
        """Compute the rate of a step: float32 scalar."""
        config = self._config
        flat, end, alpha = config["flat_steps"], config["decay_steps"], config["alpha"]
        passed = tf.clip_by_value((tf.cast(step, tf.float32) - flat) / float(end - flat), 0.0, 1.0)
        share = alpha + (1.0 - alpha) * (1.0 + tf.cos(math.pi * passed)) / 2.0
        return config["initial_learning_rate"] * share

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return dict(self._config)
