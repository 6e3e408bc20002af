"""COCO's box and mask AP and AR, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from pycocotools import coco
from pycocotools import cocoeval
from pycocotools import mask as coco_mask

from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import results as results_lib

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""The twelve numbers, in pycocotools' order."""


def compute_box_metrics(
    groundtruth: groundtruth_lib.GroundTruth, results: Sequence[results_lib.Result]
) -> dict[str, float]:
    """Compute AP and AR of boxes over every image of the annotations.

    Args:
      groundtruth: the annotations.
      results: detections with `bbox`; none are allowed.

    Returns:
      `box_` + each of `NAMES`; -1 where there is no ground truth of that kind, as in pycocotools.
    """
    detections = [
        _detection(index, result, result["bbox"], result["bbox"][2] * result["bbox"][3])
        for index, result in enumerate(results, start=1)
    ]
    annotations = [dict(annotation) for annotation in groundtruth.annotations]
    return _run(groundtruth, annotations, detections, "bbox", "box_")


def compute_mask_metrics(
    groundtruth: groundtruth_lib.GroundTruth, results: Sequence[results_lib.Result]
) -> dict[str, float]:
    """Compute AP and AR of masks over every image of the annotations.

    A detection's area (small, medium, large) is that of its mask, also where it states a box.

    Args:
      groundtruth: the annotations.
      results: detections with `segmentation`, checked encodings; none are allowed.

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
    return _run(groundtruth, annotations, detections, "segm", "mask_")


def compute_metrics(
    groundtruth: groundtruth_lib.GroundTruth, results: Sequence[results_lib.Result]
) -> dict[str, float]:
    """Compute what a results file has the fields for: box metrics, mask metrics or both.

    No detections at all count for both, if the annotations have masks.
    """
    metrics: dict[str, float] = {}
    if not results or "bbox" in results[0]:
        metrics |= compute_box_metrics(groundtruth, results)
    if "segmentation" in results[0] if results else groundtruth.has_masks:
        metrics |= compute_mask_metrics(groundtruth, results)
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
) -> dict[str, float]:
    """Run pycocotools on copies of ours: it writes into what it is given."""
    images = [
        {"id": i, "height": image.get("height"), "width": image.get("width")}
        for i, image in groundtruth.images.items()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = cocoeval.COCOeval(
            _index(images, groundtruth.categories.to_coco(), annotations),
            _index(images, groundtruth.categories.to_coco(), detections),
            kind,
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {prefix + name: float(value) for name, value in zip(NAMES, evaluation.stats, strict=True)}


def _index(
    images: list[dict[str, Any]], categories: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> Any:
    index = coco.COCO()
    index.dataset = {"images": images, "categories": categories, "annotations": annotations}
    index.createIndex()
    return index
