"""COCO's evaluation of boxes and masks, by pycocotools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pycocotools import mask as coco_mask

from official_yolact.evaluation import accumulation
from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import matching
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
    kinds = ("masks", "segm") if is_mask else ("boxes", "bbox")
    matcher = matching.Matcher(kinds[1], annotations, detections)
    ids, recalls = sorted(categories.ids), matcher.params.recThrs
    matches = matcher.match(lambda done, total: report(kinds[0], done, total))
    names = categories.name_of()
    return measurement.Measurement(
        category_ids=ids,
        class_names=[names[category_id] for category_id in ids],
        thresholds=matcher.params.iouThrs,
        recalls=recalls,
        matches=matches,
        **accumulation.accumulate(matches, ids, recalls)._asdict(),
    )


def _detection(index: int, result: results_lib.Result, is_mask: bool) -> dict[str, Any]:
    detection = {key: result[key] for key in ("image_id", "category_id", "score")}
    detection |= {"id": index, "iscrowd": 0}
    if is_mask:
        rle = result["segmentation"]
        return {**detection, "segmentation": rle, "bbox": [], "area": float(coco_mask.area(rle))}
    return {**detection, "bbox": result["bbox"], "area": result["bbox"][2] * result["bbox"][3]}
