"""Open a file of an export for the comparison, with the library that it is made for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from official_yolact.ops import frames
from official_yolact.ops import preprocess
from official_yolact.serving import tensorflow_runtime
from official_yolact_runtime import export_info
from official_yolact_runtime import predictor as predictor_lib

_Run = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]


def open_file(path: str, kind: str, info: export_info.ModelInfo) -> predictor_lib.Predictor:
    """Open a file.

    Args:
      path: of it; of a page, of its model.
      kind: one of `export_info.FORMATS`.
      info: of its model.
    """
    opened = {
        export_info.SAVED_MODEL: _open_saved_model,
        export_info.LITERT: _open_litert,
        export_info.WEB: _open_litert,
        export_info.ONNX: _open_onnx,
    }[kind](path)
    runtime = _Runtime(opened, info, takes_photos=kind == export_info.SAVED_MODEL)
    return predictor_lib.Predictor(runtime, info.categories)


class _Runtime:
    """A file as the runtime of a Predictor; see `runtime.Runtime`."""

    def __init__(self, run: _Run, info: export_info.ModelInfo, takes_photos: bool) -> None:
        self.num_classes = info.categories.num_classes
        self.input_size = info.input_size
        self.batch_size = 1
        self._run, self._takes_photos = run, takes_photos

    @staticmethod
    def decode(encoded: bytes) -> NDArray[np.uint8]:
        """Decode as the model does."""
        return tensorflow_runtime.TensorFlowRuntime.decode(encoded)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> Mapping[str, NDArray[Any]]:
        """Detect in one picture."""
        (image,) = images
        info = np.asarray(frames.fit(image.shape[:2], self.input_size))
        if self._takes_photos:
            return {"image_info": info[np.newaxis], **self._run(image[np.newaxis])}
        resized = np.asarray(preprocess.resize_image(image, self.input_size))
        found = dict(self._run(resized[np.newaxis]))
        found["detection_boxes"] = found["detection_boxes"] / np.tile(info[2], 2)
        return {"image_info": info[np.newaxis], **found}

    def raw_outputs(self, images: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        """A file has detections alone."""
        raise NotImplementedError


def _open_saved_model(path: str) -> _Run:
    model = tf.saved_model.load(path)
    signature = model.signatures["serving_default"]

    def run(images: NDArray[Any], _kept: Any = model) -> Mapping[str, NDArray[Any]]:
        return {name: value.numpy() for name, value in signature(images=tf.constant(images)).items()}

    return run


def _open_litert(path: str) -> _Run:
    from ai_edge_litert import interpreter  # noqa: PLC0415  of an extra

    opened = interpreter.Interpreter(model_path=path)
    runner = opened.get_signature_runner()
    return lambda images, _kept=opened: runner(images=images)  # type: ignore[misc]


def _open_onnx(path: str) -> _Run:
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {export_info.INPUT: images}), strict=True))
