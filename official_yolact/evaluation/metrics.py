"""COCO's box and mask AP and AR, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pycocotools import coco
from pycocotools import cocoeval
from pycocotools import mask as coco_mask

from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import results as results_lib

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""The twelve numbers, in pycocotools' order."""

Report = Callable[[str, int, int], None]
"""Called with what is compared, how many comparisons are done, and how many there are."""


def report_nothing(kind: str, done: int, total: int) -> None:
    """Report no progress."""


def compute_box_metrics(
    groundtruth: groundtruth_lib.GroundTruth,
    results: Sequence[results_lib.Result],
    report: Report = report_nothing,
) -> dict[str, float]:
    """Compute AP and AR of boxes over every image of the annotations.

    Args:
      groundtruth: the annotations.
      results: detections with `bbox`; none are allowed.
      report: of progress.

    Returns:
      `box_` + each of `NAMES`; -1 where there is no ground truth of that kind, as in pycocotools.
    """
    detections = [
        _detection(index, result, result["bbox"], result["bbox"][2] * result["bbox"][3])
        for index, result in enumerate(results, start=1)
    ]
    annotations = [dict(annotation) for annotation in groundtruth.annotations]
    return _run(groundtruth, annotations, detections, "bbox", "box_", report)


def compute_mask_metrics(
    groundtruth: groundtruth_lib.GroundTruth,
    results: Sequence[results_lib.Result],
    report: Report = report_nothing,
) -> dict[str, float]:
    """Compute AP and AR of masks over every image of the annotations.

    A detection's area (small, medium, large) is that of its mask, also where it states a box.

    Args:
      groundtruth: the annotations.
      results: detections with `segmentation`, checked encodings; none are allowed.
      report: of progress.

    Returns:
      `mask_` + each of `NAMES`; -1 where there is no ground truth of that kind, as in pycocotools.

    Raises:
      ValueError: a segmentation of the annotations is missing or malformed.
    """
    detections = [
        {
            **_detection(index, result, [], float(coco_mask.area(result["segmentation"]))),
            "segmentation": result["segmentation"],
        }
        for index, result in enumerate(results, start=1)
    ]
    annotations = [dict(annotation) for annotation in groundtruth.mask_annotations]
    return _run(groundtruth, annotations, detections, "segm", "mask_", report)


def compute_metrics(
    groundtruth: groundtruth_lib.GroundTruth,
    results: Sequence[results_lib.Result],
    report: Report = report_nothing,
) -> dict[str, float]:
    """Compute what a results file has the fields for: box metrics, mask metrics or both.

    No detections at all count for both, if the annotations have masks. `report` is told of progress.
    """
    metrics: dict[str, float] = {}
    if not results or "bbox" in results[0]:
        metrics |= compute_box_metrics(groundtruth, results, report)
    if "segmentation" in results[0] if results else groundtruth.has_masks:
        metrics |= compute_mask_metrics(groundtruth, results, report)
    return metrics


def _detection(index: int, result: results_lib.Result, box: list[float], area: float) -> dict[str, Any]:
    return {
        "id": index,
        "image_id": result["image_id"],
        "category_id": result["category_id"],
        "score": result["score"],
        "bbox": box,
        "area": area,
        "iscrowd": 0,
    }


def _run(
    groundtruth: groundtruth_lib.GroundTruth,
    annotations: list[dict[str, Any]],
    detections: list[dict[str, Any]],
    kind: str,
    prefix: str,
    report: Report,
) -> dict[str, float]:
    """Run pycocotools on copies of ours: it writes into what it is given."""
    images = [
        {"id": i, "height": image.get("height"), "width": image.get("width")}
        for i, image in groundtruth.images.items()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _Evaluation(
            _index(images, groundtruth.categories.to_coco(), annotations),
            _index(images, groundtruth.categories.to_coco(), detections),
            kind,
            lambda done, total: report("boxes" if kind == "bbox" else "masks", done, total),
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {prefix + name: float(value) for name, value in zip(NAMES, evaluation.stats, strict=True)}


class _Evaluation(cocoeval.COCOeval):
    """pycocotools' evaluation, which says how far it is and passes over objects that nothing overlaps.

    pycocotools looks at each ground truth for each detection, threshold and size, in Python. A ground truth
    whose IoU with every detection lies below the lowest threshold is matched by none of them: it only counts.
    """

    def __init__(self, truth: Any, detections: Any, kind: str, report: Callable[[int, int], None]) -> None:
        super().__init__(truth, detections, kind)
        self._report = report
        self._done = 0

    def evaluateImg(  # noqa: N802  pycocotools' name
        self,
        image_id: Any,
        category_id: Any,
        areas: list[float],
        limit: int,
    ) -> dict[str, Any] | None:
        """Match the detections of one image, class and range of areas."""
        self._done += 1
        total = len(self.params.catIds) * len(self.params.areaRng) * len(self.params.imgIds)
        self._report(self._done, total)
        key, truth = (image_id, category_id), self._gts[image_id, category_id]
        ious = np.asarray(self.ious[key])  # [detections, ground truths], or empty
        if not ious.size:
            found: dict[str, Any] | None = super().evaluateImg(image_id, category_id, areas, limit)
            return found
        overlapped = (ious >= min(self.params.iouThrs)).any(axis=0)  # [ground truths]
        try:
            self._gts[key] = [each for each, is_near in zip(truth, overlapped, strict=True) if is_near]
            self.ious[key] = ious[:, overlapped]
            found = super().evaluateImg(image_id, category_id, areas, limit)
        finally:
            self._gts[key], self.ious[key] = truth, ious
        assert found is not None
        rest = [each for each, is_near in zip(truth, overlapped, strict=True) if not is_near]
        ignored = [each["ignore"] or each["area"] < areas[0] or each["area"] > areas[1] for each in rest]
        found["gtIds"] = [*found["gtIds"], *(each["id"] for each in rest)]
        found["gtIgnore"] = np.concatenate([found["gtIgnore"], np.array(ignored, int)])
        unmatched = np.zeros((len(self.params.iouThrs), len(rest)))
        found["gtMatches"] = np.concatenate([found["gtMatches"], unmatched], axis=1)
        return found


def _index(
    images: list[dict[str, Any]], categories: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> Any:
    index = coco.COCO()
    index.dataset = {"images": images, "categories": categories, "annotations": annotations}
    index.createIndex()
    return index
