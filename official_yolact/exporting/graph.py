"""The graph of LiteRT and ONNX files: one image of the network's size in, detections out."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from official_yolact.modeling import detector as detector_lib
from official_yolact.ops import frames
from official_yolact.ops import preprocess
from official_yolact.schema import Detections
from official_yolact.schema import Tensor
from official_yolact_runtime import export_info


def trace(detector: detector_lib.Detector) -> tuple[Any, tf.Module]:
    """Trace what a file computes; no tensor of this process becomes an input of it.

    Its input is float32 [1, H, W, 3], RGB from 0 to 255 of the network's size: resizing is left to the
    program around it, normalisation is inside. Boxes are in pixels of that input.

    Args:
      detector: network and detection generator.

    Returns:
      A `tf.function`, and the module that holds its variables.
    """
    config = detector.config

    def detect(images: Tensor) -> Detections:
        normalised = preprocess.normalize_image(images, config.normalization.mean, config.normalization.std)
        info = frames.fit(list(config.input_size), config.input_size)
        found = dict(detector.detect(normalised, info[tf.newaxis]))
        # Scores are at least 0. Without this, converters see that both are one tensor, and give it one name.
        found["detection_mask_scores"] = tf.maximum(found["detection_mask_scores"], 0.0)
        # Boxes and the model's own description say as much.
        found.pop("detection_crops", None)
        return found  # type: ignore[return-value]

    module = tf.Module()
    # Not the Keras model, whose own functions would be traced and stored too.
    module.kept = list(detector.model.variables)
    spec = tf.TensorSpec([1, *config.input_size, 3], tf.float32, name=export_info.INPUT)
    module.detect = tf.function(detect, input_signature=[spec])
    return module.detect, module
