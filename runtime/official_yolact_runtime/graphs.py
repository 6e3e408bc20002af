"""Files of an export as the runtime of a Predictor: LiteRT, ONNX Runtime, OpenVINO.

The graph of each is the same: one picture of the network's size in, detections in its pixels out.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import export_info
from official_yolact_runtime import frames
from official_yolact_runtime import photo_masks
from official_yolact_runtime import resizing
from official_yolact_runtime import runtime as runtime_lib
from official_yolact_runtime.images import reading

Compute = Callable[[NDArray[np.float32]], Mapping[str, NDArray[Any]]]
"""Maps float32 [1, H, W, 3], RGB 0..255, to the outputs of the graph, by their names; threads may call it."""

PACKAGES = {
    runtime_lib.LITERT: "ai_edge_litert",
    runtime_lib.ONNX: "onnxruntime",
    runtime_lib.OPENVINO: "openvino",
}
"""By the name of the library: the package that it is imported from."""

_SILENT = 4


class GraphRuntime:
    """Runs the graph of an exported file; see `runtime.Runtime`.

    Attributes:
      name: of the library that computes, one of `PACKAGES`.
      info: what the file says of its model.
    """

    batch_size = 1

    def __init__(self, name: str, info: export_info.ModelInfo, compute: Compute) -> None:
        """Wrap a graph that is open.

        Args:
          name: of the library that computes, one of `PACKAGES`.
          info: what the file says of its model.
          compute: the graph.
        """
        self.name, self.info = name, info
        self.num_classes = info.categories.num_classes
        self.input_size, self.keep_aspect = info.input_size, info.keep_aspect
        self._compute = compute

    @staticmethod
    def decode(encoded: bytes) -> NDArray[np.uint8]:
        """Decode with Pillow, whose JPEG decoder gives the pixels that TensorFlow's gives."""
        return np.asarray(reading.to_8_bits(reading.decode(encoded)).convert("RGB"), np.uint8)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """Detect in one picture after another."""
        found = [self._detect_one(image) for image in images]
        return {name: np.stack([one[name] for one in found]) for name in found[0]}

    def raw_outputs(self, images: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:  # noqa: ARG002
        """Refuse: an export has detections alone; raises ValueError."""
        raise ValueError("an export has detections alone, no raw outputs: load the model directory")

    def _detect_one(self, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        height, width = image.shape[:2]
        outputs = self._compute(self._resize(image)[np.newaxis])
        found = {name: np.asarray(outputs[name])[0] for name in export_info.OUTPUTS}
        info = frames.fit((height, width), self.input_size, self.info.keep_aspect)
        boxes = frames.boxes_to_photo(found["detection_boxes"], info)
        found |= {"detection_boxes": boxes, "image_info": info}
        cells = self.info.crop_cells
        if cells is not None:
            found[photo_masks.CROPS] = frames.widen_boxes(boxes, info, self.info.grid, cells)
        return found

    def _resize(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not self.info.keep_aspect:
            return resizing.resize(image, self.input_size)
        height, width = image.shape[:2]
        canvas = frames.find_canvas((height, width), self.input_size)
        return resizing.resize_canvas(image, canvas, self.input_size, resizing.FILL_COLOR)


def is_installed(name: str) -> bool:
    """Tell whether a runtime's package can be imported."""
    return importlib.util.find_spec(PACKAGES[name]) is not None


def open_graph(path: str, name: str, threads: int | None) -> Compute:
    """Open a file with one of the libraries.

    Args:
      path: of a LiteRT file for `litert`, of an ONNX file for the others.
      name: of the library, one of `PACKAGES`.
      threads: that compute, at most; None: as many as the machine has processors.

    Raises:
      ValueError: the library is not installed or cannot read the file, or the graph is another one.
    """
    if not is_installed(name):
        raise ValueError(
            f"{path}: needs {PACKAGES[name]}, which is not installed:"
            f" pip install 'official-yolact-runtime[{name}]'"
        )
    opener = {
        runtime_lib.LITERT: _open_litert,
        runtime_lib.ONNX: _open_onnx,
        runtime_lib.OPENVINO: _open_openvino,
    }[name]
    try:
        compute, has_inputs, has_outputs = opener(path, threads or os.cpu_count() or 1)
    except Exception as error:  # each library raises errors of its own for files that it cannot read
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path}: {PACKAGES[name]} cannot read it ({reason}): export the model again"
        ) from error
    missing = [wanted for wanted in export_info.OUTPUTS if wanted not in has_outputs]
    if has_inputs != [export_info.INPUT] or missing:
        raise ValueError(
            f"{path}: is not what `yolact export` writes: its inputs are {', '.join(has_inputs)}, and it"
            f" lacks the outputs {', '.join(missing) or 'of no name'}: export the model again"
        )
    return compute


_Opened = tuple[Compute, list[str], Iterable[str]]
"""The graph, and the names of its inputs and of its outputs."""


def _open_litert(path: str, threads: int) -> _Opened:
    interpreter = importlib.import_module("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(model_path=path, num_threads=threads).get_signature_runner()
    lock = threading.Lock()

    def compute(images: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        with lock:  # one interpreter has one set of tensors
            found: Mapping[str, NDArray[Any]] = runner(**{export_info.INPUT: images})
        return found

    return compute, list(runner.get_input_details()), runner.get_output_details()


def _open_onnx(path: str, threads: int) -> _Opened:
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, _SILENT
    session = onnxruntime.InferenceSession(path, options, providers=onnxruntime.get_available_providers())
    names = [output.name for output in session.get_outputs()]

    def compute(images: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        return dict(zip(names, session.run(names, {export_info.INPUT: images}), strict=True))

    return compute, [one.name for one in session.get_inputs()], names


def _open_openvino(path: str, threads: int) -> _Opened:
    openvino = importlib.import_module("openvino")
    # Without the hint OpenVINO computes in bfloat16 where the processor has it: detections would differ.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    model = openvino.Core().compile_model(path, "CPU", settings)
    names = [output.get_any_name() for output in model.outputs]
    requests = threading.local()

    def compute(images: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        if not hasattr(requests, "own"):
            requests.own = model.create_infer_request()  # one belongs to a thread
        found = requests.own.infer({export_info.INPUT: images})
        return {name: np.array(found[name]) for name in names}

    return compute, [one.get_any_name() for one in model.inputs], names
