"""SavedModel: what TensorFlow loads without this package."""

from __future__ import annotations

import json
import os
from typing import Any

import tensorflow as tf

from official_yolact.modeling import detector as detector_lib
from official_yolact.schema import Detections
from official_yolact.schema import Tensor
from official_yolact_runtime import export_info

_EXTRA = "assets.extra"
"""Folder of a SavedModel for files that TensorFlow does not read itself."""


def write(detector: detector_lib.Detector, info: export_info.ModelInfo, folder: str) -> None:
    """Write a SavedModel.

    Its signatures: `serving_default` (uint8 [B, height, width, 3], images of one size), `image_bytes`
    (string [B], files), `full_masks` (uint8 [1, height, width, 3]; its masks have the size of the image), and
    `classes`, which has no input and returns names and category ids in class order.

    Args:
      detector: network and detection generator.
      info: of the model; also written to `assets.extra/export.json`.
      folder: to write to; made.
    """
    module = tf.Module()
    # Not the Keras model: five times the graph, and ten times the time to load it.
    module.kept = list(detector.model.variables)
    signatures = _make_signatures(detector, info)
    module.signatures_kept = list(signatures.values())
    tf.saved_model.save(module, folder, signatures=signatures)
    extra = os.path.join(folder, _EXTRA)
    os.makedirs(extra, exist_ok=True)
    with open(os.path.join(extra, export_info.FILE_NAME), "w", encoding="utf-8") as file:
        json.dump(info.as_dict(), file, indent=1)


def _make_signatures(detector: detector_lib.Detector, info: export_info.ModelInfo) -> dict[str, Any]:
    def full_masks(images: Tensor) -> Detections:
        found = detector.detect_pixels(images)
        size = tf.shape(images)[1:3]
        masks = _enlarge(found["detection_masks"], size, detector.find_canvas(size))
        if "detection_crops" in found:
            masks = tf.logical_and(masks, _mark_crops(found["detection_crops"], size))
        return {**found, "detection_masks": masks}

    def classes() -> dict[str, Tensor]:
        categories = info.categories
        return {"names": tf.constant(categories.names), "ids": tf.constant(categories.ids, tf.int64)}

    def serving_default(images: Tensor) -> Detections:
        return detector.detect_pixels(images)

    def image_bytes(image_bytes: Tensor) -> Detections:
        return detector.detect_files(image_bytes)

    pixels = tf.TensorSpec([None, None, None, 3], tf.uint8, name=export_info.INPUT)
    one = tf.TensorSpec([1, None, None, 3], tf.uint8, name=export_info.INPUT)
    files = tf.TensorSpec([None], tf.string, name="image_bytes")
    return {
        "serving_default": tf.function(serving_default, input_signature=[pixels]),
        "image_bytes": tf.function(image_bytes, input_signature=[files]),
        "full_masks": tf.function(full_masks, input_signature=[one]),
        "classes": tf.function(classes, input_signature=[]),
    }


def _enlarge(masks: Tensor, size: Tensor, canvas: Tensor) -> Tensor:
    """Resample soft masks [1, D, h, w] to bool [1, D, height, width] as `photo_masks.draw` does.

    Args:
      masks: over a canvas.
      size: int32 [2], (height, width) of the photo.
      canvas: int32 [4] window of the photo.
    """
    # The detections become the channels of one image: [1, h, w, D].
    planes, sides = tf.transpose(masks, [0, 2, 3, 1]), canvas[2:] - canvas[:2]
    resized = tf.image.resize(planes, sides, method="bilinear", antialias=False)
    (top, left), (bottom, right) = (tf.unstack(end, num=2) for end in (-canvas[:2], size - canvas[:2]))
    return tf.transpose(resized[:, top:bottom, left:right] > 0.5, [0, 3, 1, 2])


def _mark_crops(crops: Tensor, size: Tensor) -> Tensor:
    """Mark the pixels whose centres lie in boxes [1, D, 4] yxyx_px: bool [1, D, height, width]."""
    top, left, bottom, right = (side[..., tf.newaxis] for side in tf.unstack(crops, axis=-1))  # [1, D, 1]
    down, across = (tf.range(size[axis]) for axis in (0, 1))
    rows, columns = (tf.cast(pixels, tf.float32) + 0.5 for pixels in (down, across))
    is_below = tf.logical_and(rows >= top, rows < bottom)[..., :, tf.newaxis]  # [1, D, height, 1]
    is_beside = tf.logical_and(columns >= left, columns < right)[..., tf.newaxis, :]  # [1, D, 1, width]
    return tf.logical_and(is_below, is_beside)
