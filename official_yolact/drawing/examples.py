"""Pictures of what the network is trained on: augmented images with their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from official_yolact import schema
from official_yolact.configs import yolact as configs
from official_yolact.drawing import comparisons
from official_yolact_runtime import drawing

MIN_SIDE = 384
"""Smaller inputs are enlarged by a whole factor to about this."""


def draw_example(
    image: schema.Tensor,
    labels: Mapping[str, Any],
    normalization: configs.Normalization,
    names: Sequence[str],
) -> drawing.Picture:
    """Draw one example of a batch as the network gets it.

    Args:
      image: float [H, W, 3], normalised.
      labels: `schema.Labels` of this image, without the batch dimension.
      normalization: of the model, which is undone.
      names: of class 1, 2, ...

    Returns:
      uint8 RGB picture with the boxes, classes and prototype-grid masks of the labels; crowds are
      marked in their names.
    """
    pixels = restore_pixels(image, normalization)
    zoom = max(1, round(MIN_SIDE / min(pixels.shape[:2])))
    return comparisons.draw(pixels, read_labels(labels), names, zoom)


def read_labels(labels: Mapping[str, Any]) -> comparisons.Instances:
    """Collect the instances of one image from its labels, `schema.Labels` without the batch dimension."""
    count = int(labels["num_instances"])
    return comparisons.Instances(
        boxes=np.asarray(labels["boxes"])[:count],
        classes=np.asarray(labels["classes"])[:count],
        masks=np.asarray(labels["masks"])[:count],
        marks=[" (crowd)" if crowd else "" for crowd in labels["is_crowd"][:count]],
    )


def draw_batch(
    images: schema.Tensor,
    labels: schema.Labels,
    normalization: configs.Normalization,
    names: Sequence[str],
) -> list[drawing.Picture]:
    """Draw the examples of a batch; those whose record could not be used are left out.

    Args:
      images: float [B, H, W, 3], normalised.
      labels: of the batch.
      normalization: of the model, which is undone.
      names: of class 1, 2, ...

    Returns:
      uint8 RGB pictures, at most B.
    """
    columns = {key: np.asarray(value) for key, value in labels.items()}
    pictures = []
    for at in np.flatnonzero(columns["image_id"] >= 0):
        one = {key: value[at] for key, value in columns.items()}
        pictures.append(draw_example(images[at], one, normalization, names))
    return pictures


def restore_pixels(image: schema.Tensor, normalization: configs.Normalization) -> drawing.Picture:
    """Undo the normalisation of a network input, float [H, W, 3] to uint8 RGB [H, W, 3]."""
    pixels = np.asarray(image, np.float32) * np.asarray(normalization.std) + np.asarray(normalization.mean)
    return np.asarray(np.clip(np.rint(pixels), 0, 255), np.uint8)
