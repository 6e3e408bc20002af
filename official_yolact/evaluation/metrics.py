"""COCO's evaluation of boxes and masks, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import coco
from pycocotools import cocoeval
from pycocotools import mask as coco_mask

from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import measurement
from official_yolact.evaluation import results as results_lib

Report = Callable[[str, int, int], None]
"""Called with what is compared, how many comparisons are done, and how many there are."""


def report_nothing(kind: str, done: int, total: int) -> None:
    """Report no progress."""


def measure_results(
    groundtruth: groundtruth_lib.GroundTruth,
    results: Sequence[results_lib.Result],
    report: Report = report_nothing,
) -> measurement.Evaluation:
    """Measure what a results file has the fields for: boxes, masks or both.

    Masks are left out where the results have boxes too and no annotation has a mask. No detections at all
    count for both, if the annotations have masks. `report` is told of progress.
    """
    has_boxes = not results or "bbox" in results[0]
    has_masks = not results or "segmentation" in results[0]
    has_masks &= groundtruth.has_masks or not has_boxes
    kinds = [kind for kind, is_there in (("box", has_boxes), ("mask", has_masks)) if is_there]
    return measurement.Evaluation({kind: measure(groundtruth, results, kind, report) for kind in kinds})


def measure(
    groundtruth: groundtruth_lib.GroundTruth,
    results: Sequence[results_lib.Result],
    kind: str,
    report: Report = report_nothing,
) -> measurement.Measurement:
    """Measure boxes or masks over every image of the annotations.

    A detection is small, medium or large by the area of its mask where masks are measured, also if it
    states a box.

    Args:
      groundtruth: the annotations.
      results: detections with `bbox`, or with `segmentation` as checked encodings; none are allowed.
      kind: `box` or `mask`.
      report: of progress.

    Raises:
      ValueError: masks are measured, and a segmentation of the annotations is missing or malformed.
    """
    is_mask, categories = kind == "mask", groundtruth.categories
    truth = groundtruth.mask_annotations if is_mask else groundtruth.annotations
    annotations = [dict(one) for one in truth]  # pycocotools writes into what it reads.
    detections = [_detection(index, result, is_mask) for index, result in enumerate(results, start=1)]
    images = [
        {"id": i, "height": image.get("height"), "width": image.get("width")}
        for i, image in groundtruth.images.items()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _Evaluation(
            _index(images, categories.to_coco(), annotations),
            _index(images, categories.to_coco(), detections),
            "segm" if is_mask else "bbox",
            lambda done, total: report("masks" if is_mask else "boxes", done, total),
        )
        evaluation.evaluate()
        evaluation.accumulate()
    names = categories.name_of()
    return measurement.Measurement(
        category_ids=evaluation.params.catIds,
        class_names=[names[category_id] for category_id in evaluation.params.catIds],
        thresholds=evaluation.params.iouThrs,
        recalls=evaluation.params.recThrs,
        precision=evaluation.eval["precision"],
        scores=evaluation.eval["scores"],
        recall=evaluation.eval["recall"],
        matches=_collect_matches(evaluation, detections, annotations),
    )


def _detection(index: int, result: results_lib.Result, is_mask: bool) -> dict[str, Any]:
    detection = {key: result[key] for key in ("image_id", "category_id", "score")}
    detection |= {"id": index, "iscrowd": 0}
    if is_mask:
        rle = result["segmentation"]
        return {**detection, "segmentation": rle, "bbox": [], "area": float(coco_mask.area(rle))}
    return {**detection, "bbox": result["bbox"], "area": result["bbox"][2] * result["bbox"][3]}


def _collect_matches(
    evaluation: _Evaluation, detections: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> measurement.Matches:
    """Gather the matches of all images and classes; ids of detections and annotations count from 1."""
    found = [
        one for one in evaluation.evalImgs if one is not None and one["aRng"] == evaluation.params.areaRng[0]
    ]
    thresholds = len(evaluation.params.iouThrs)
    objects = np.full((thresholds, len(detections)), -1, np.int64)
    counts = np.zeros(objects.shape, np.bool_)
    finders = np.full((thresholds, len(annotations)), -1, np.int64)
    nearest, ious = np.full(len(detections), -1, np.int64), np.zeros(len(detections))
    for one in found:
        rows, columns = np.array(one["dtIds"], int) - 1, np.array(one["gtIds"], int) - 1
        objects[:, rows] = one["dtMatches"] - 1  # [T, detections of the image and class]
        counts[:, rows] = ~one["dtIgnore"].astype(np.bool_)
        finders[:, columns] = one["gtMatches"] - 1
        key = one["image_id"], one["category_id"]
        truth = evaluation._gts[key]
        plain = [at for at, each in enumerate(truth) if not each["iscrowd"]]
        if plain and rows.size:
            overlaps = np.asarray(evaluation.ious[key])[:, plain]  # [detections, objects]
            ids = np.array([truth[at]["id"] for at in plain])
            nearest[rows] = np.where(overlaps.max(axis=1) > 0, ids[overlaps.argmax(axis=1)] - 1, -1)
            ious[rows] = overlaps.max(axis=1)
    return measurement.Matches(
        image_ids=_column(detections, "image_id", np.int64),
        category_ids=_column(detections, "category_id", np.int64),
        scores=_column(detections, "score", np.float64),
        nearest=nearest,
        ious=ious,
        objects=objects,
        counts=counts,
        object_image_ids=_column(annotations, "image_id", np.int64),
        object_category_ids=_column(annotations, "category_id", np.int64),
        object_counts=_column(annotations, "iscrowd", np.int64) == 0,
        detections=finders,
    )


def _column(entries: list[dict[str, Any]], name: str, dtype: Any) -> NDArray[Any]:
    return np.array([entry[name] for entry in entries], dtype)


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
