"""Write the files of an export, and compare each with the model."""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import coco_evaluator
from official_yolact.exporting import calibration
from official_yolact.exporting import litert
from official_yolact.exporting import onnx_file
from official_yolact.exporting import output_folder
from official_yolact.exporting import parity
from official_yolact.exporting import photos as photos_lib
from official_yolact.exporting import saved_model
from official_yolact.exporting import targets as targets_lib
from official_yolact.exporting import web
from official_yolact.modeling import detector as detector_lib
from official_yolact.ops import grids
from official_yolact.serving import models
from official_yolact.serving import tensorflow_runtime
from official_yolact_runtime import export_info
from official_yolact_runtime import graphs
from official_yolact_runtime import predictor as predictor_lib
from official_yolact_runtime import runtime as runtime_lib
from official_yolact_runtime.files import outputs

MODEL = "model"
"""Key of the model itself among the parities: what the files are compared with."""

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


def _say_nothing(_line: str) -> None:
    """Keep silent."""


@dataclasses.dataclass(frozen=True)
class Exported:
    """What came of an export.

    Attributes:
      info: what `export.json` says.
      faults: of each file that is beyond its limits, what is; empty: the export has got its name.
    """

    info: export_info.ExportInfo
    faults: Mapping[str, list[str]]


def export(
    predictor: predictor_lib.Predictor,
    targets: Sequence[targets_lib.Target],
    folder: str,
    photos: photos_lib.Photos,
    calibration_photos: Sequence[str] = (),
    *,
    litert_js: Mapping[str, bytes] | None = None,
    force: bool = False,
    say: Say = _say_nothing,
    progress: Progress | None = None,
) -> Exported:
    """Write an export, whole or not at all: also where a file of it differs too much from the model.

    Args:
      predictor: the model, in TensorFlow and float32.
      targets: its files.
      folder: to write.
      photos: to compare on.
      calibration_photos: files, for int8.
      litert_js: what `litert_js.read` gives, for a page.
      force: replace files that have the names of the export's and that no export wrote.
      say: is told what is done.
      progress: called after each picture that was compared.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: something would be lost in the folder; a format cannot hold the model; photos are unusable.
    """
    output_folder.check(folder, [target.name for target in targets], force=force)
    detector = find_detector(predictor)
    model = describe(predictor, detector, targets)
    with output_folder.stage(folder) as staged:
        _write(predictor, detector, model, targets, staged, calibration_photos, litert_js or {}, say)
        files = {
            target.name: export_info.FileInfo(target.format, target.precision, digest, size)
            for target in targets
            for size, digest in [export_info.sum_path(os.path.join(staged, target.name))]
        }
        say(f"comparing on {len(photos)} {photos.kind}")
        compared, faults = _compare(predictor, detector, targets, staged, photos, progress)
        info = export_info.ExportInfo(model, files, compared)
        if not faults:
            path = os.path.join(staged, export_info.FILE_NAME)
            outputs.write_json(path, info.as_dict(), indent=1)
            output_folder.publish(staged, folder)
    return Exported(info, faults)


def find_detector(predictor: predictor_lib.Predictor) -> detector_lib.Detector:
    """Give what a Predictor of a model directory runs.

    Raises:
      ValueError: it runs an export.
    """
    runtime = predictor.runtime
    if not isinstance(runtime, tensorflow_runtime.TensorFlowRuntime):
        raise ValueError("the model is an export itself: export the model directory that it was made from")
    return runtime.detector


def describe(
    predictor: predictor_lib.Predictor,
    detector: detector_lib.Detector,
    targets: Sequence[targets_lib.Target],
) -> export_info.ModelInfo:
    """Say what each file says of the model."""
    config = detector.config
    height, width = config.input_size
    return export_info.ModelInfo(
        categories=predictor.categories,
        input_size=(height, width),
        grid=grids.prototype_size((height, width), config.min_level),
        detection=config.detection_generator.as_dict(),
        mask_rescoring=bool(config.mask_rescoring),
        weights=predictor.weights.as_dict() if predictor.weights else None,
        versions=targets_lib.list_versions(targets),
        keep_aspect=bool(config.keep_aspect),
    )


def _write(
    predictor: predictor_lib.Predictor,
    detector: detector_lib.Detector,
    model: export_info.ModelInfo,
    targets: Sequence[targets_lib.Target],
    folder: str,
    calibration_photos: Sequence[str],
    litert_js: Mapping[str, bytes],
    say: Say,
) -> None:
    inputs = (
        calibration.read_inputs(predictor, detector, list(calibration_photos)) if calibration_photos else []
    )
    converted = b""
    for target in targets:
        say(f"writing {target.name}")
        path = os.path.join(folder, target.name)
        if target.format == export_info.SAVED_MODEL:
            saved_model.write(detector, model, path)
        elif target.format == export_info.ONNX:
            outputs.write(path, onnx_file.convert(detector, model))
        else:
            converted = converted or litert.convert(detector)
            content = litert.attach(litert.quantize(converted, target.precision, inputs), model)
            if target.format == export_info.WEB:
                web.write(path, content, model, target.precision, litert_js)
            else:
                outputs.write(path, content)


class _Run:
    """One of those that are compared: the model, or a file of it."""

    def __init__(self, predictor: predictor_lib.Predictor, annotations: str) -> None:
        self.milliseconds: list[float] = []
        self._predictor = predictor
        self._evaluator = (
            coco_evaluator.CocoEvaluator(annotations, predictor.categories) if annotations else None
        )

    def detect(self, image_id: int, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Detect in a picture, as `Predictor.detect`."""
        started = time.perf_counter()
        ((_, _, row),) = self._predictor.detect([(image_id, image)])
        self.milliseconds.append((time.perf_counter() - started) * 1e3)
        if self._evaluator is not None:
            arrays = {name: value[np.newaxis] for name, value in row.items()}
            image_info = arrays.pop("image_info")
            self._evaluator.update(np.array([image_id]), image_info, np.ones(1, np.float32), arrays)
        return row

    def summary(self) -> dict[str, float]:
        """Give milliseconds of a picture, and AP where it is measured."""
        # The first picture is not counted: with it everything is allocated, and a graph traced.
        found = {"milliseconds": round(statistics.median(self.milliseconds[1:] or self.milliseconds), 2)}
        if self._evaluator is not None:
            measured = self._evaluator.evaluate().metrics()
            found |= {name: measured[name] for name in ("box_AP", "mask_AP") if name in measured}
        return found


def _compare(
    predictor: predictor_lib.Predictor,
    detector: detector_lib.Detector,
    targets: Sequence[targets_lib.Target],
    folder: str,
    photos: photos_lib.Photos,
    progress: Progress | None,
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Compare each file with the model; returns the numbers, and what is beyond the limits."""
    model = _Run(predictor, photos.annotations)
    opened = _open(targets, folder)
    runs = {name: _Run(loaded, photos.annotations) for name, (loaded, _) in opened.items()}
    nms_iou = detector.config.detection_generator.nms_iou_threshold
    comparisons = {name: parity.Comparison(limits, nms_iou) for name, (_, limits) in opened.items()}
    for done, (image_id, image) in enumerate(photos.read(predictor), start=1):
        row = model.detect(image_id, image)
        for name, run in runs.items():
            comparisons[name].add(row, run.detect(image_id, image), lambda: _candidates(detector, image))  # noqa: B023
        if progress:
            progress(done, len(photos))
    own = model.summary()
    found: dict[str, Any] = {MODEL: {"on": photos.kind, **own}}
    faults = {}
    for name, comparison in comparisons.items():
        summary = runs[name].summary()
        found[name] = {**comparison.summary(), **summary}
        beyond = comparison.find_faults() + parity.find_losses(own, summary, opened[name][1])
        if beyond:
            faults[name] = beyond
    return found, faults


def _open(
    targets: Sequence[targets_lib.Target], folder: str
) -> dict[str, tuple[predictor_lib.Predictor, parity.Limits]]:
    """Open each file as a user does, an ONNX file in OpenVINO too if that is installed, with its limits."""
    opened = {}
    for target in targets:
        path, limits = os.path.join(folder, target.model), parity.LIMITS[target.precision]
        opened[target.name] = models.load(path), limits
        if target.format == export_info.ONNX and graphs.is_installed(runtime_lib.OPENVINO):
            name = f"{target.name} in OpenVINO"
            opened[name] = models.load(path, runtime=runtime_lib.OPENVINO), limits
    return opened


def _candidates(
    detector: detector_lib.Detector, image: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give boxes [A, 4] yxyx_px of a picture and scores [A, C-1] of all anchors."""
    boxes, scores = detector.decode_pixels(image[np.newaxis])
    return np.asarray(boxes[0]), np.asarray(scores[0])
