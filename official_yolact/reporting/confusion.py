"""The confusion matrix, with a row and a column for the background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from official_yolact.reporting import report_schema as schema
from official_yolact.reporting import study as study_lib


def confuse(study: study_lib.Study, threshold: float) -> schema.Confusion:
    """Count as what objects were found, by detections from a threshold on."""
    shown = study.counts & (study.matches.scores >= threshold)
    is_found = study.find_objects(shown)  # [G]
    # Of other classes; the background is the class behind the last.
    confused = _assign(study, shown & ~study.hits, ~is_found & study.matches.object_counts)  # [D]
    background = len(study.category_ids)
    rows = np.flatnonzero(shown)
    objects = np.where(study.hits, study.matches.objects[0], confused)[rows]
    truth = np.full(len(rows), background)
    truth[objects >= 0] = study.object_classes[objects[objects >= 0]]
    is_missed = study.matches.object_counts & ~is_found
    is_missed[confused[confused >= 0]] = False
    cells = np.zeros((background + 1, background + 1), np.int64)
    np.add.at(cells, (truth, study.classes[rows]), 1)
    cells[:, background] += np.bincount(study.object_classes[is_missed], minlength=background + 1)
    return {"iou": study_lib.IOU, "threshold": threshold, "cells": _list(cells, study.category_ids.tolist())}


def _assign(
    study: study_lib.Study, detections: NDArray[np.bool_], objects: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Give wrong detections, the best first, the largest overlap with an object that nothing else has.

    Returns:
      int64 [D], the object; -1 for none.
    """
    pairs, found = study.pairs, np.full(len(detections), -1, np.int64)
    pairs = pairs.select(
        (pairs.ious >= study_lib.IOU) & detections[pairs.detections] & objects[pairs.objects]
    )
    free = objects.copy()
    scores = study.matches.scores[pairs.detections]
    for at in np.lexsort((-pairs.ious, pairs.detections, -scores)).tolist():
        row, index = pairs.detections[at], pairs.objects[at]
        if found[row] < 0 and free[index]:
            found[row], free[index] = index, False
    return found


def _list(cells: NDArray[np.int64], ids: list[int]) -> list[schema.ConfusionCell]:
    ids = [*ids, schema.BACKGROUND]
    sums = cells.sum(axis=1)
    return [
        schema.ConfusionCell(
            truth=ids[row],
            found=ids[column],
            count=int(cells[row, column]),
            share=float(cells[row, column] / sums[row]),
        )
        for row, column in zip(*(index.tolist() for index in np.nonzero(cells)), strict=True)
    ]
