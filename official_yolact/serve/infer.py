"""Inference by the open protocol: pictures as tensors in, arrays of objects out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.serve import models
from official_yolact.serve import pictures
from official_yolact.serve import predict
from official_yolact.serve import protocol
from official_yolact.serve import refusals
from official_yolact.serve import workers
from official_yolact_runtime import arguments
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import mask_forms
from official_yolact_runtime import predictor
from official_yolact_runtime.files import json_text

VERSION = "1"
IMAGES, ENCODED = "images", "image_bytes"
_MASKS, _JSON = "detection_masks", "detections"
_OUTPUTS = {
    "num_detections": ("INT32", [-1]),
    "detection_boxes": ("FP32", [-1, -1, 4]),
    "detection_scores": ("FP32", [-1, -1]),
    "detection_mask_scores": ("FP32", [-1, -1]),
    "detection_classes": ("INT32", [-1, -1]),
    _JSON: ("BYTES", [-1]),
    _MASKS: ("UINT8", [-1, -1, -1, -1]),
}
"""Type and shape of each output: B pictures, D objects of the picture with the most; the rest is 0."""

_MOST_PICTURES = 64
_MOST_MASK_BYTES = 256_000_000
_PARAMETERS = ("threshold", "max_detections", "masks")


def describe(model: models.Model) -> dict[str, Any]:
    """Give the metadata of a model."""
    inputs = {IMAGES: ("UINT8", [-1, -1, -1, 3]), ENCODED: ("BYTES", [-1])}
    listed = [
        [{"name": name, "datatype": kind, "shape": shape} for name, (kind, shape) in tensors.items()]
        for tensors in (inputs, _OUTPUTS)
    ]
    return {
        "name": model.name,
        "versions": [VERSION],
        "platform": f"official_yolact_{getattr(model.predictor.runtime, 'name', 'tensorflow')}",
        "inputs": listed[0],
        "outputs": listed[1],
        "parameters": {"categories": json_text.dump(model.predictor.categories.to_coco())},
    }


class Inference:
    """See `workers.Work`."""

    def __init__(self, body: bytes, header_length: str | None, name: str, max_pixels: int) -> None:
        """Keep a request that is not read yet.

        Args:
          body: of the request.
          header_length: the header `protocol.LENGTH_HEADER`.
          name: of the model.
          max_pixels: of the pictures together.
        """
        self._body, self._header_length = body, header_length
        self._name, self._max_pixels = name, max_pixels

    def read(self, model: predictor.Predictor) -> Sequence[workers.Picture]:
        """Read the tensors and their pictures."""
        self._request = protocol.parse(self._body, self._header_length)
        self._options = _read_options(self._request.parameters)
        _check_names(self._request)
        tensors = self._request.inputs
        if ENCODED in tensors:
            return self._decode(model, tensors[ENCODED])
        images = tensors[IMAGES]
        if isinstance(images, list) or images.ndim not in (3, 4) or images.shape[-1] != 3 or not images.size:
            raise refusals.RefusedError(400, f"the input {IMAGES}: expected UINT8 [B, H, W, 3], RGB")
        batch = images if images.ndim == 4 else images[np.newaxis]
        self._check(len(batch), batch.size // 3)
        return list(batch)

    def _decode(self, model: predictor.Predictor, encoded: protocol.Tensor) -> list[workers.Picture]:
        if not isinstance(encoded, list):
            raise refusals.RefusedError(400, f"the input {ENCODED}: expected BYTES [B], each a file")
        self._check(len(encoded), 0)
        found: list[workers.Picture] = []
        left = self._max_pixels
        for one in encoded:
            found.append(pictures.decode(model, one, left))
            left -= found[-1].size // 3
        return found

    def _check(self, count: int, pixels: int) -> None:
        if not 1 <= count <= _MOST_PICTURES:
            raise refusals.RefusedError(400, f"{count} pictures: expected 1 to {_MOST_PICTURES}")
        if pixels > self._max_pixels:
            raise refusals.RefusedError(
                413, f"{pixels} pixels are more than {self._max_pixels}: send fewer at once"
            )

    def answer(
        self, model: predictor.Predictor, found: Sequence[tuple[workers.Picture, workers.Row]]
    ) -> workers.Answer:
        """Write the tensors that are asked for."""
        options = self._options
        finished = [model.finish(*one, options.threshold, options.max_detections) for one in found]
        wanted = self._request.outputs or {name: True for name in _OUTPUTS if name != _MASKS}
        outputs = {name: _make_output(name, finished, options.masks) for name in wanted}
        content, headers = protocol.write(self._request, self._name, VERSION, outputs)
        kind = "application/octet-stream" if headers else predict.JSON
        return workers.Answer(content, kind, headers, sum(map(len, finished)))


def _check_names(request: protocol.Request) -> None:
    if list(request.inputs) not in ([IMAGES], [ENCODED]):
        listed = ", ".join(request.inputs)
        raise refusals.RefusedError(400, f"the inputs are {listed}: expected either {IMAGES} or {ENCODED}")
    unknown = [name for name in request.outputs if name not in _OUTPUTS]
    if unknown:
        raise refusals.RefusedError(
            400, f"there is no output {unknown[0]!r}: there are {', '.join(_OUTPUTS)}"
        )


def _read_options(parameters: Mapping[str, Any]) -> predict.Options:
    given = {name: parameters[name] for name in _PARAMETERS if name in parameters}
    try:
        if "threshold" in given:
            given["threshold"] = arguments.check_score_threshold(given["threshold"])
        if "max_detections" in given:
            given["max_detections"] = arguments.check_count("max_detections", given["max_detections"])
    except (TypeError, ValueError) as error:
        raise refusals.RefusedError(400, f"the parameters: {error}") from None
    if given.get("masks", mask_forms.RLE) not in mask_forms.FORMS:
        raise refusals.RefusedError(400, f"the parameters: masks is none of {', '.join(mask_forms.FORMS)}")
    return predict.Options(**given)


def _make_output(name: str, found: Sequence[detections_lib.Detections], masks: str) -> protocol.Tensor:
    if name == _JSON:
        return [one.to_json(masks).encode() for one in found]
    if name == "num_detections":
        return np.array([len(one) for one in found], np.int32)
    if name == _MASKS:
        return _draw_masks(found)
    kind = np.int32 if name == "detection_classes" else np.float32
    return _pad([getattr(one, name.removeprefix("detection_")) for one in found], kind)


def _draw_masks(found: Sequence[detections_lib.Detections]) -> NDArray[np.uint8]:
    """Draw masks of 0 and 1 in the size of the pictures: uint8 [B, D, H, W]."""
    sizes = {one.image.shape[:2] for one in found}
    if len(sizes) > 1:
        raise refusals.RefusedError(
            400, f"the pictures differ in size, so that {_MASKS} are no tensor: ask for {_JSON}"
        )
    ((height, width),) = sizes
    if len(found) * max(map(len, found)) * height * width > _MOST_MASK_BYTES:
        raise refusals.RefusedError(
            400, f"{_MASKS} have more than {_MOST_MASK_BYTES} bytes: ask for {_JSON}, or lower max_detections"
        )
    return _pad([one.masks for one in found], np.uint8)


def _pad(arrays: Sequence[NDArray[Any]], kind: Any) -> NDArray[Any]:
    """Stack arrays [D, ...] of several lengths to [B, D of the longest, ...]; the rest is 0."""
    padded = np.zeros((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]), kind)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded
