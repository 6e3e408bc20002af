"""Where mask AP is lost on objects that were found: leaks into neighbours, cuts by boxes, coarse masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from official_yolact.reporting import ap_table
from official_yolact.reporting import errors as errors_lib
from official_yolact.reporting import report_schema as schema
from official_yolact.reporting import study as study_lib
from official_yolact_runtime import run_lengths

LEAK_SHARE = 0.1
"""Of a mask: so much of it lies in a neighbour and not in its own object."""

CUT_SHARE = 0.1
"""Of an object: so much of it lies outside the box of its detection."""

GOOD_IOU = 0.75
"""From which overlap on a mask is good, and a box is right."""

_BROADLY = 0.8

_LEAK, _CUT, _COARSE = range(len(schema.MASK_ERRORS))


@dataclasses.dataclass(frozen=True, eq=False)
class MaskErrors:
    """What is wrong with the masks of detections on the right object.

    Attributes:
      kinds: int64 [D], index in `MASK_ERRORS`, or `errors.NO_ERROR`.
      neighbours: int64 [D], the object that a mask leaks into; else -1.
    """

    kinds: NDArray[np.int64]
    neighbours: NDArray[np.int64]


def sort_mask_errors(study: study_lib.Study, errors: errors_lib.Sorted) -> MaskErrors:
    """Find out what is wrong with the masks of detections that found an object, at an IoU of 0.5."""
    kinds, neighbours = (np.full(len(errors.kinds), errors_lib.NO_ERROR, np.int64) for _ in range(2))
    poor = np.flatnonzero(study.hits & (errors.ious < GOOD_IOU))
    boxes = find_boxes(study, poor)
    own = np.array([study.annotations[row]["bbox"] for row in errors.objects[poor].tolist()]).reshape(-1, 4)
    kinds[poor[_overlap_boxes(boxes, own) >= GOOD_IOU]] = _COARSE
    is_cut = [
        _is_cut(box, study.results[row]["segmentation"], study.annotations[index]["segmentation"])
        for box, row, index in zip(boxes, poor.tolist(), errors.objects[poor].tolist(), strict=True)
    ]
    kinds[poor[np.array(is_cut, np.bool_)]] = _CUT
    leaks = _find_leaks(study, errors)
    kinds[leaks.detections], neighbours[leaks.detections] = _LEAK, leaks.objects
    return MaskErrors(kinds, neighbours)


def describe_mask_errors(
    study: study_lib.Study, found: MaskErrors, errors: errors_lib.Sorted, threshold: float
) -> schema.Errors:
    """Count the errors, and measure how much AP good masks would add.

    Args:
      study: of masks.
      found: its mask errors.
      errors: which detection has which object.
      threshold: the recommended one.
    """
    shown = study.matches.scores >= threshold
    value = _measure(study, np.zeros(len(shown), np.bool_), errors)
    rows = []
    for kind, name in enumerate(schema.MASK_ERRORS):
        chosen = found.kinds == kind
        after = _measure(study, chosen, errors)
        rows.append(
            schema.ErrorRow(
                kind=name,
                count=int(np.count_nonzero(chosen)),
                count_at=int(np.count_nonzero(chosen & shown)),
                points=None if value is None or after is None else 100 * (after - value),
            )
        )
    return {"of": "AP", "value": value, "rows": rows, "false_positive": None, "false_negative": None}


def find_boxes(study: study_lib.Study, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Find the boxes of some detections; where they state none, those of their masks.

    Returns:
      float64 [rows, 4], x, y, width, height.
    """
    boxes = [
        study.results[row]["bbox"]
        if "bbox" in study.results[row]
        else coco_mask.toBbox(study.results[row]["segmentation"])
        for row in rows.tolist()
    ]
    return np.array(boxes, np.float64).reshape(-1, 4)


def _measure(study: study_lib.Study, mended: NDArray[np.bool_], errors: errors_lib.Sorted) -> float | None:
    """Measure AP with the masks of some detections drawn like their objects: they hit at every threshold.

    A detection that hits such an object at a higher threshold in its place hits it no more.
    """
    matches = study.matches
    hits = (matches.objects >= 0) & matches.counts  # [T, D]
    taken = np.zeros(len(study.annotations), np.bool_)
    taken[errors.objects[mended]] = True
    threshold, at = np.nonzero(hits)
    hits[threshold, at] = ~taken[matches.objects[threshold, at]]
    hits[:, mended] = True
    needed = matches.object_counts
    found = ap_table.Found(
        study.classes,
        study.images,
        matches.scores,
        hits,
        matches.counts | hits,
        study.object_classes[needed],
        study.object_images[needed],
    )
    table = ap_table.ApTable(found, len(study.category_ids))
    ap, _ = table.measure(np.ones(len(study.image_ids), np.int64))
    known = ap[:, study.objects_of_classes > 0]
    return float(known.mean()) if known.size else None


def _find_leaks(study: study_lib.Study, errors: errors_lib.Sorted) -> study_lib.Pairs:
    """Find the detections whose masks leak, each with the neighbour that has the most of it."""
    pairs = study.pairs
    pairs = pairs.select(study.hits[pairs.detections] & (errors.objects[pairs.detections] != pairs.objects))
    areas = _areas([study.results[row] for row in pairs.detections.tolist()])
    theirs = _areas([study.annotations[row] for row in pairs.objects.tolist()])
    common = pairs.ious / (1 + pairs.ious) * (areas + theirs)  # [P], pixels in both
    rows = np.flatnonzero(common >= LEAK_SHARE * areas)
    pairs, common, areas = pairs.select(rows), common[rows], areas[rows]
    shared = _common_area(study, errors.objects[pairs.detections], pairs.objects)
    leaked = common - shared  # at least so much of the neighbour is not of the own object
    rows = np.flatnonzero(leaked >= LEAK_SHARE * areas)
    pairs, leaked = pairs.select(rows), leaked[rows]
    order = np.lexsort((-leaked, pairs.detections))
    return pairs.select(order[np.diff(pairs.detections[order], prepend=-1) != 0])


def _areas(entries: Sequence[Any]) -> NDArray[np.float64]:
    # One by one: of a list pycocotools writes the areas as bytes.
    return np.array([float(coco_mask.area(each["segmentation"])) for each in entries])


def _common_area(
    study: study_lib.Study, ones: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Count the pixels in both of two objects, for pairs of objects."""
    pairs = zip(study.shapes(study.annotations, ones), study.shapes(study.annotations, others), strict=True)
    return np.array([float(coco_mask.area(coco_mask.merge(pair, intersect=True))) for pair in pairs])


def _is_cut(box: NDArray[np.float64], mask: run_lengths.Rle, truth: run_lengths.Rle) -> bool:
    """Tell whether an object goes on beyond a side of the box to which its mask reaches, broadly.

    On that side most of what the object has in the last line of the box is in the mask.
    """
    whole = run_lengths.decode_mask(truth)
    left, top = np.floor(box[:2]).astype(int).clip(0)
    right, bottom = np.ceil(box[:2] + box[2:]).astype(int)
    inside = whole[top:bottom, left:right]
    if not inside.size or whole.sum() - inside.sum() < CUT_SHARE * whole.sum():
        return False
    drawn = run_lengths.decode_mask(mask)[top:bottom, left:right]
    beyond = (whole[:top].any(), whole[bottom:].any(), whole[:, :left].any(), whole[:, right:].any())
    lines = ((0,), (-1,), (slice(None), 0), (slice(None), -1))
    return any(
        goes_on and inside[line].any() and (drawn & inside)[line].sum() >= _BROADLY * inside[line].sum()
        for goes_on, line in zip(beyond, lines, strict=True)
    )


def _overlap_boxes(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure the IoU of boxes [N, 4] with other boxes [N, 4], one by one."""
    low = np.maximum(ones[:, :2], others[:, :2])
    high = np.minimum(ones[:, :2] + ones[:, 2:], others[:, :2] + others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    return np.asarray(
        common / np.maximum(np.prod(ones[:, 2:], axis=1) + np.prod(others[:, 2:], axis=1) - common, 1e-9)
    )
