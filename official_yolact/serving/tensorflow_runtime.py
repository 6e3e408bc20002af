"""TensorFlow as the runtime of a Predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from official_yolact.modeling import detector as detector_lib
from official_yolact.ops import frames
from official_yolact.ops import preprocess
from official_yolact.schema import Tensor


class TensorFlowRuntime:
    """Runs a Detector; see `runtime.Runtime`.

    Attributes:
      detector: network and detection generator.
    """

    def __init__(self, detector: detector_lib.Detector, batch_size: int = 1) -> None:
        """Compile nothing yet: each function is traced when it is first called.

        Args:
          detector: network and detection generator.
          batch_size: pictures that pass the network at once, at most.
        """
        height, width = detector.config.input_size
        self.detector = detector
        self.num_classes = detector.config.num_classes
        self.input_size = (height, width)
        self.batch_size = batch_size
        self._preprocess = tf.function(
            detector.preprocess, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)]
        )
        self._detect = tf.function(
            detector.detect,
            input_signature=[tf.TensorSpec([None, height, width, 3]), tf.TensorSpec([None, 4, 2])],
        )
        self._raw = tf.function(lambda images: detector.model(images, training=False), reduce_retracing=True)

    @staticmethod
    def decode(encoded: bytes) -> NDArray[np.uint8]:
        """Decode with the decoder that training uses, for decoders differ in their last bits."""
        return np.asarray(preprocess.decode_image(encoded), np.uint8)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """Detect in one batch."""
        info = np.stack([frames.fit(image.shape[:2], self.input_size) for image in images])
        found = self._detect(tf.stack([self._preprocess(image) for image in images]), tf.constant(info))
        return {"image_info": info, **_to_arrays(found)}

    def raw_outputs(self, images: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Run the network alone."""
        return _to_arrays(self._raw(tf.constant(images)))


def _to_arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: value.numpy() for name, value in tensors.items()}
