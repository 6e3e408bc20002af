"""Photos for the ranges of activations in int8."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from official_yolact.modeling import detector as detector_lib
from official_yolact.serving import sources
from official_yolact_runtime import predictor as predictor_lib

MAX_PHOTOS = 100
"""A calibration keeps the activations of each photo: more would fill the memory, and change no range."""


def find_photos(given: list[str]) -> list[str]:
    """Find the photos of folders, files and patterns, at most `MAX_PHOTOS`, evenly from all.

    Raises:
      OSError: something does not exist.
      ValueError: nothing is given, or it holds no photo.
    """
    if not given:
        raise ValueError(
            "--quantize int8 needs --calibration PHOTOS, such as the model will see: the ranges of its"
            " activations are measured on them, and of anything else they would cost accuracy"
        )
    found = sources.find_pictures(given)
    chosen = np.linspace(0, len(found) - 1, min(len(found), MAX_PHOTOS)).round().astype(int)
    return [found[index] for index in chosen]


def read_inputs(
    predictor: predictor_lib.Predictor, detector: detector_lib.Detector, paths: list[str]
) -> list[NDArray[np.float32]]:
    """Read photos as inputs of a LiteRT file: float32 [1, H, W, 3] each, RGB from 0 to 255.

    Args:
      predictor: reads them.
      detector: brings them to the size of the input.
      paths: of the photos.

    Raises:
      OSError: a photo cannot be opened.
      ValueError: one is no photo that can be read, or all of them are blank.
    """
    inputs = [np.asarray(detector.resize(predictor.read(path)[np.newaxis])) for path in paths]
    if all(image.std() == 0 for image in inputs):
        raise ValueError(
            f"{paths[0]}: the photos for the calibration are blank, each of one colour: give photos such as"
            " the model will see"
        )
    return inputs
