"""Keras' own MobileNetV2 with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

LEVELS = {"3": "block_5_add", "4": "block_12_add", "5": "block_16_project_BN"}
"""Levels of the pyramid, and the layers whose outputs they are."""


def build(width: float, side: int = 64, top: bool = False) -> Any:
    """Build the model; gammas and variances are near 1."""
    model = tf_keras.applications.MobileNetV2(
        input_shape=(side, side, 3), include_top=top, weights=None, alpha=width
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        values = layer.get_weights()
        is_norm = isinstance(layer, tf_keras.layers.BatchNormalization)
        low, high = (0.5, 1.5) if is_norm else (-0.3, 0.3)
        layer.set_weights([rng.uniform(low, high, value.shape).astype(np.float32) for value in values])
    return model


def run(model: Any, image: Any) -> list[Any]:
    """Compute the levels."""
    return tf_keras.Model(model.input, [model.get_layer(name).output for name in LEVELS.values()])(image)
