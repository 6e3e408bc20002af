"""Initial weights as a function of a seed."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import tf_keras


def seed_weights(model: Any, seed: int) -> None:
    """Draw every random variable of a built model anew, each from its layer's own initialiser.

    `tf.random.set_seed` does not reach the initialisers of tf_keras, and seeding them from outside
    would change global state. A variable is drawn from (seed, the index of its layer in the model),
    not from its name, which counts the layers that the process has made before.

    Args:
      model: built `tf_keras.Model`.
      seed: any integer.
    """
    for index, layer in enumerate(flatten_layers(model)):
        for position, variable in enumerate(layer._trainable_weights):
            initializer = _find_initializer(layer, variable)
            if initializer is None or "seed" not in initializer.get_config():
                continue
            key = zlib.crc32(f"{seed}/{index}/{position}".encode()) & 0x7FFFFFFF
            seeded = type(initializer).from_config({**initializer.get_config(), "seed": key})
            variable.assign(seeded(variable.shape, dtype=variable.dtype))


def set_class_prior(model: Any, prior: float) -> None:
    """Start the class and semantic logits as if objects were rare.

    Source: the focal loss paper (arXiv 1708.02002) for class logits; the original starts all biases
    at 0. With a backbone of random weights semantic and class loss are then so large at first (about 80
    and 25) that coefficients saturate and prototypes die before masks are learned.

    Args:
      model: built `YolactModel`, with biases of 0.
      prior: probability of an object, at an anchor and for each class at a semantic pixel.
    """
    num_classes = model.semantic_head.conv.filters + 1
    bias = np.zeros([model.head.class_conv.filters // num_classes, num_classes], np.float32)
    bias[:, 0] = math.log((num_classes - 1) * (1.0 - prior) / prior)
    model.head.class_conv.bias.assign(bias.ravel())
    semantic = np.full(num_classes - 1, math.log(prior / (1.0 - prior)), np.float32)
    model.semantic_head.conv.bias.assign(semantic)


def set_output_std(model: Any, std: float) -> None:
    """Scale the initial kernels of the layers that compute predictions to one standard deviation.

    Source: the focal loss paper (arXiv 1708.02002) starts them with 0.01; the original as all others. Where
    the backbone's outputs are large, the first predictions are otherwise so large that the class prior is
    drowned and many coefficients are near -1 or 1, where tanh has little gradient, and a good part of a short
    training is spent on forgetting them.

    Args:
      model: built `YolactModel`.
      std: of the kernels for boxes, class logits, coefficients, qualities and semantic logits.
    """
    head = model.head
    layers = [head.box_conv, head.class_conv, head.coefficient_conv, model.semantic_head.conv]
    if head.quality_conv is not None:
        layers.append(head.quality_conv)
    for layer in layers:
        kernel = layer.kernel.numpy()
        layer.kernel.assign(kernel * np.float32(std / np.std(kernel, dtype=np.float64)))


def flatten_layers(model: Any) -> list[Any]:
    """List the model and all layers below it, each once, in the order in which they were attached."""
    return list(model._flatten_layers())


def _find_initializer(layer: Any, variable: Any) -> Any:
    for attribute, value in vars(layer).items():
        if value is variable:
            named = f"{attribute.removesuffix('_kernel')}_initializer"
            initializer = getattr(layer, f"{attribute}_initializer", getattr(layer, named, None))
            if initializer is not None:
                return tf_keras.initializers.get(initializer)
    # A matrix that is added without an initialiser is drawn by this one; vectors are constants here.
    return tf_keras.initializers.GlorotUniform() if variable.shape.rank > 1 else None
