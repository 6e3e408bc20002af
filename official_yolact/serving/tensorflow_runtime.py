"""TensorFlow as the runtime of a Predictor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework import convert_to_constants

from official_yolact.modeling import detector as detector_lib
from official_yolact.ops import preprocess
from official_yolact.schema import Tensor

_Function = Callable[..., dict[str, Tensor]]


class TensorFlowRuntime:
    """Runs a Detector; see `runtime.Runtime`.

    Attributes:
      detector: network and detection generator.
      description: TensorFlow, the precision and why.
    """

    def __init__(
        self,
        detector: detector_lib.Detector,
        batch_size: int = 1,
        precision: str = "float32",
    ) -> None:
        """Compile nothing yet: each function is traced when it is first called.

        Args:
          detector: network and detection generator. Its weights are those of the first detection: changes
            after it have no effect.
          batch_size: pictures that pass the network at once, at most.
          precision: in which the network was built, for the description.
        """
        height, width = detector.config.input_size
        self.detector = detector
        self.description = f"TensorFlow, {precision}"
        self.num_classes = detector.config.num_classes
        self.keep_aspect = bool(detector.config.keep_aspect)
        self.input_size = (height, width)
        self.batch_size = batch_size
        self._preprocess = tf.function(
            detector.preprocess, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)]
        )
        self._raw = tf.function(lambda images: detector.model(images, training=False), reduce_retracing=True)
        self._lock = threading.Lock()
        self._network: Any = None
        self._functions: tuple[_Function, _Function] | None = None

    @staticmethod
    def decode(encoded: bytes) -> NDArray[np.uint8]:
        """Decode with the decoder that training uses, for decoders differ in their last bits."""
        return np.asarray(preprocess.decode_image(encoded), np.uint8)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """Detect in one batch."""
        return self.generate(self.run_network(self.preprocess(images)), self.fit(images))

    def preprocess(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Make inputs of the network, float32 [B, H, W, 3], of B pictures."""
        return tf.stack([self._preprocess(image) for image in images])

    def fit(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Say how pictures lie in the inputs of the network: float32 [B, 4, 2], as in `ops.frames`."""
        return np.stack([self.detector.fit(image.shape[:2]) for image in images])

    def run_network(self, inputs: Tensor) -> dict[str, Tensor]:
        """Run the network on what `preprocess` makes."""
        return self._compile()[0](inputs)

    def generate(
        self, raw_outputs: Mapping[str, Tensor], info: NDArray[np.float32]
    ) -> dict[str, NDArray[Any]]:
        """Make of the outputs of `run_network` what `detect` returns."""
        found = self._compile()[1](raw_outputs, tf.constant(info))
        return {"image_info": info, **_to_arrays(found)}

    def raw_outputs(self, images: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Run the network alone."""
        return _to_arrays(self._raw(tf.constant(images)))

    @staticmethod
    def wait() -> None:
        """Wait until all that was begun on a device is computed."""
        tf.test.experimental.sync_devices()

    def trace(self) -> None:
        """Call the network, which makes its variables; what follows needs no second call of it."""
        if self._network is None:
            inputs = tf.TensorSpec([None, *self.input_size, 3])
            function = tf.function(self.detector.run_network, input_signature=[inputs])
            self._network = function.get_concrete_function()

    def _compile(self) -> tuple[_Function, _Function]:
        """Compile the network and the detection generator for batches of any size, once."""
        with self._lock:
            if self._functions is None:
                self.trace()
                outputs = {
                    name: tf.TensorSpec([None, *value.shape[1:]], value.dtype)
                    for name, value in self._network.structured_outputs.items()
                }
                generate = tf.function(
                    self.detector.generate, input_signature=[outputs, tf.TensorSpec([None, 4, 2])]
                )
                self._functions = _freeze(self._network), _freeze(generate.get_concrete_function())
                self._network = None
            return self._functions


def _freeze(function: Any) -> _Function:
    """Make the variables of a function constants.

    What depends on nothing but weights is then computed once: norms are multiplied into the kernels, kernels
    are cast and brought into the order that the processor's convolutions read.

    Args:
      function: a concrete function that returns a dict of tensors.
    """
    from official_yolact.files import standard_error

    names = sorted(function.structured_outputs)
    with standard_error.without_information():
        frozen = convert_to_constants.convert_variables_to_constants_v2(function, lower_control_flow=False)

    def run(*arguments: Any) -> dict[str, Tensor]:
        # Dicts are flattened in the order of their keys.
        return dict(zip(names, frozen(*tf.nest.flatten(arguments)), strict=True))

    return run


def _to_arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: value.numpy() for name, value in tensors.items()}
