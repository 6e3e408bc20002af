"""Detections as COCO results files: read, checked and normalised; written."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Sequence
from typing import Any

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import segmentations
from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact_runtime import values
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

BOX_FILE_NAME = "bbox_detections.json"
MASK_FILE_NAME = "mask_detections.json"

Result = dict[str, Any]
"""image_id, category_id, score, and bbox [x, y, width, height] or segmentation or both."""

_logger = logging.getLogger(__name__)


def cut_box(box: Sequence[float]) -> list[float] | None:
    """Cut the corners of a box to whole pixels, as the original's results files have them.

    Args:
      box: x, y, width, height in pixels of the image.

    Returns:
      The same with left and top cut at 0, all sides whole, or None where nothing is left of its area:
      the original writes neither box nor mask of such a detection.

    Source: the original cuts left, top, right and bottom toward zero before it writes or measures them.
    """
    left, top, width, height = box
    # x + width of a file may miss the whole number that it stands for by the error of one addition.
    right, bottom = (int(round(end, 9)) for end in (left + width, top + height))
    left, top = max(0, int(left)), max(0, int(top))
    if right <= left or bottom <= top:
        return None
    return [float(left), float(top), float(right - left), float(bottom - top)]


def load_results(
    path: str, groundtruth: groundtruth_lib.GroundTruth, integer_boxes: bool = False
) -> list[Result]:
    """Read a COCO results file and check it against the annotations.

    Detections of categories that the annotation file does not have are left out and counted in the
    log, as pycocotools leaves them out.

    Args:
      path: the JSON file; ids may be strings.
      groundtruth: what it is to be measured against.
      integer_boxes: cut boxes as `cut_box` does, and leave out detections of which nothing is left.

    Returns:
      Its detections in their order; segmentations are compressed encodings of the image's size.

    Raises:
      OSError: the file cannot be read.
      ValueError: malformed, or of other images; the message names index, field and value.
    """
    content = json_text.load(path, finite=False)
    if not isinstance(content, list):
        raise ValueError(
            f"{path}: expected a list of detections (COCO results), found {type(content).__name__}"
        )
    checked = [_check(entry, f"{path}: [{i}]", groundtruth) for i, entry in enumerate(content)]
    results = [result for result, _ in checked]
    if dropped := sum(parts for _, parts in checked):
        _logger.warning("%s: %d polygon parts have fewer than 3 points: left out", path, dropped)
    known = [result for result in results if result["category_id"] in groundtruth.categories.ids]
    if results and not known:
        raise ValueError(
            f"{path}: no category_id of it is among those of {groundtruth.path}, "
            f"{list(groundtruth.categories.ids)}: results hold category ids, not class indices"
        )
    if len(known) < len(results):
        _logger.warning(
            "%s: %d detections have categories that the annotations do not have",
            path,
            len(results) - len(known),
        )
    for field in ("bbox", "segmentation"):
        _check_field_everywhere(field, results, path)
    return _cut_all(known) if integer_boxes else known


def select(results: list[Result], field: str) -> list[Result]:
    """Select the results that have `field` (bbox or segmentation), without the other of the two."""
    other = {"bbox": "segmentation", "segmentation": "bbox"}[field]
    return [{k: v for k, v in result.items() if k != other} for result in results if field in result]


def write_results(
    path: str, results: list[Result], *, inputs: outputs.Inputs = (), force: bool = False
) -> None:
    """Write a results file, whole or not at all; `inputs` and `force` as of `files.check`."""
    outputs.write_json(path, results, inputs=inputs, force=force)


def _cut_all(results: list[Result]) -> list[Result]:
    """Cut each box; results without boxes stay as they are."""
    cut = [{**one, "bbox": cut_box(one["bbox"])} if "bbox" in one else one for one in results]
    return [one for one in cut if one.get("bbox", ()) is not None]


def _check(entry: Any, where: str, groundtruth: groundtruth_lib.GroundTruth) -> tuple[Result, int]:
    """Check a detection; the number counts the polygon parts that are left out."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {reprlib.repr(entry)}: expected an object")
    image_id = values.parse_int(where, "image_id", entry.get("image_id"))
    if image_id not in groundtruth.images:
        raise ValueError(
            f"{where}: image_id is {image_id}: not an image of {groundtruth.path}: "
            "give the annotation file that the results were made for"
        )
    score = values.parse_number(where, "score", entry.get("score"))
    result: Result = {
        "image_id": image_id,
        "category_id": values.parse_int(where, "category_id", entry.get("category_id")),
        "score": score,
    }
    dropped = 0
    box = coco_annotations.parse_box(where, entry.get("bbox"))
    if box is not None:
        if min(box[2:]) < 0:
            raise ValueError(f"{where}: bbox is {values.shorten(entry['bbox'])}: give a width and a height")
        result["bbox"] = list(box)
    if segmentations.has_mask(entry.get("segmentation")):
        height, width = groundtruth.size(image_id)
        result["segmentation"], dropped = segmentations.to_rle(entry["segmentation"], height, width, where)
    if len(result) == 3:
        raise ValueError(f"{where} has neither bbox nor segmentation: detections need one of them")
    return result, dropped


def _check_field_everywhere(field: str, results: list[Result], path: str) -> None:
    having = [field in result for result in results]
    if any(having) and not all(having):
        raise ValueError(f"{path}: [{having.index(False)}] has no {field}, while others of the file have one")
