"""A SavedModel of `yolact export` as the runtime of a Predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from official_yolact.serving import tensorflow_runtime
from official_yolact_runtime import embedded
from official_yolact_runtime import export_info
from official_yolact_runtime import frames
from official_yolact_runtime import photo_masks
from official_yolact_runtime import predictor


class SavedModelRuntime:
    """Runs the signature `serving_default`; see `runtime.Runtime`.

    Attributes:
      name: of the library that computes.
      info: what the SavedModel says of its model.
    """

    name = "tensorflow"
    batch_size = 1

    def __init__(self, model: Any, info: export_info.ModelInfo) -> None:
        """Wrap a SavedModel.

        Args:
          model: as TensorFlow loads it.
          info: what it says of its model.
        """
        self.info = info
        self.num_classes = info.categories.num_classes
        self.input_size, self.keep_aspect = info.input_size, info.keep_aspect
        self._model = model  # the signature does not keep it
        self._detect = model.signatures["serving_default"]

    @staticmethod
    def decode(encoded: bytes) -> NDArray[np.uint8]:
        """Decode as `TensorFlowRuntime` does."""
        return tensorflow_runtime.TensorFlowRuntime.decode(encoded)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """Detect in one picture after another: a batch of the signature has pictures of one size."""
        found = [self._detect_one(image) for image in images]
        return {name: np.stack([one[name] for one in found]) for name in found[0]}

    def raw_outputs(self, images: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:  # noqa: ARG002
        """Refuse: an export has detections alone; raises ValueError."""
        raise ValueError("an export has detections alone, no raw outputs: load the model directory")

    def _detect_one(self, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        outputs = self._detect(**{export_info.INPUT: tf.constant(image[np.newaxis])})
        names = (*export_info.OUTPUTS, photo_masks.CROPS)
        found = {name: outputs[name].numpy()[0] for name in names if name in outputs}
        height, width = image.shape[:2]
        return {**found, "image_info": frames.fit((height, width), self.input_size, self.info.keep_aspect)}


def load(folder: str) -> predictor.Predictor:
    """Load a SavedModel that `yolact export` wrote.

    Raises:
      OSError: a file of it cannot be read.
      ValueError: it is damaged, of another program, or newer than this one.
    """
    info = embedded.read_saved_model(folder)
    try:
        runtime = SavedModelRuntime(tf.saved_model.load(folder), info)
    except Exception as error:  # TensorFlow raises errors of many kinds for damaged files
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{folder}: TensorFlow cannot load it ({reason}): export the model again") from error
    return predictor.Predictor(runtime, info.categories, info.loaded_weights)
