"""How good the masks of found objects are, whatever was missed: mean IoU and boundary IoU by size.

Source: boundary IoU is https://arxiv.org/abs/2103.16562: the IoU of what lies near each outline, within
2 % of the photo's diagonal.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import measurement as measurement_lib
from official_yolact.reporting import report_schema as schema
from official_yolact.reporting import study as study_lib
from official_yolact_runtime import photo_masks
from official_yolact_runtime import run_lengths

BOUNDARY = 0.02
"""Of the diagonal of the photo."""

_MOST_SAMPLED = 4000


def measure_quality(study: study_lib.Study, ious: NDArray[np.float64]) -> schema.MaskQuality:
    """Measure the masks that found an object.

    Args:
      study: of masks.
      ious: float64 [D], the overlap of each detection with the object that it found.
    """
    found = np.flatnonzero(study.hits)
    objects = study.matches.objects[0][found]
    sampled = np.arange(len(found))
    if len(found) > _MOST_SAMPLED:
        sampled = np.sort(np.random.default_rng(0).choice(len(found), _MOST_SAMPLED, replace=False))
    boundary = np.full(len(found), np.nan)
    boundary[sampled] = [
        boundary_iou(study.results[row]["segmentation"], study.annotations[index]["segmentation"])
        for row, index in zip(found[sampled].tolist(), objects[sampled].tolist(), strict=True)
    ]
    rows = []
    for area, name in enumerate(measurement_lib.AREAS):
        chosen = study.matches.area_objects[area][objects]
        known = boundary[chosen & ~np.isnan(boundary)]
        rows.append(
            schema.QualityRow(
                name=name,
                masks=int(np.count_nonzero(chosen)),
                mean_iou=float(ious[found[chosen]].mean()) if chosen.any() else None,
                mean_boundary_iou=float(known.mean()) if len(known) else None,
            )
        )
    return {"boundary": BOUNDARY, "sampled": len(sampled), "rows": rows}


def boundary_iou(one: run_lengths.Rle, other: run_lengths.Rle) -> float:
    """Measure the IoU of the parts of two masks of one photo that lie near their outlines."""
    width = max(1, round(BOUNDARY * math.hypot(*one["size"])))
    masks = run_lengths.decode_mask(one), run_lengths.decode_mask(other)
    rows, columns = photo_masks.find_extent(masks[0] | masks[1])
    bands = [find_boundary(mask[rows, columns], width) for mask in masks]
    union = np.count_nonzero(bands[0] | bands[1])
    return np.count_nonzero(bands[0] & bands[1]) / union if union else 0.0


def find_boundary(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Find the pixels of a mask [H, W] that so many erosions by 3 x 3 pixels remove, as the paper does."""
    padded = np.pad(mask, 1).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    inner = cv2.erode(padded, kernel, iterations=width)[1:-1, 1:-1]
    boundary: NDArray[np.bool_] = mask & (inner == 0)
    return boundary
