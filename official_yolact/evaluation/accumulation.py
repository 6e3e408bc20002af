"""Precision over recall from matches, number by number as pycocotools accumulates them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import measurement


class Accumulated(NamedTuple):
    """Fields of `measurement.Measurement`, whose letters it uses.

    Attributes:
      precision: float64 [T, R, K, A, M].
      scores: float64 [T, R, K, A, M].
      recall: float64 [T, K, A, M].
    """

    precision: NDArray[np.float64]
    scores: NDArray[np.float64]
    recall: NDArray[np.float64]


def accumulate(
    matches: measurement.Matches, category_ids: Sequence[int], recalls: NDArray[np.float64]
) -> Accumulated:
    """Accumulate the matches of every class, size and limit.

    Source: pycocotools' `COCOeval.accumulate`, whose loops over detections these arrays replace; the
    operations on each number and their order are the same.
    """
    thresholds, areas, limits = matches.objects.shape[0], len(measurement.AREAS), measurement.LIMITS
    shape = (thresholds, len(recalls), len(category_ids), areas, len(limits))
    found = Accumulated(np.full(shape, -1.0), np.full(shape, -1.0), np.full(shape[:1] + shape[2:], -1.0))
    # Stable: of equal scores the first image comes first, and in it the first detection.
    order = np.lexsort((matches.ranks, matches.image_ids, -matches.scores, matches.category_ids))
    ascending = matches.category_ids[order]
    for category, category_id in enumerate(category_ids):
        rows = order[slice(*np.searchsorted(ascending, (category_id, category_id + 1)))]
        objects = matches.area_objects[:, matches.object_category_ids == category_id].sum(axis=1)  # [A]
        for area in np.flatnonzero(objects):
            hits, counts = matches.area_hits[area][:, rows], matches.area_counts[area][:, rows]
            for limit, most in enumerate(limits):
                best = matches.ranks[rows] < most
                at = (slice(None), slice(None), category, area, limit)
                found.precision[at], found.scores[at], found.recall[:, category, area, limit] = _accumulate(
                    hits[:, best], counts[:, best], matches.scores[rows[best]], int(objects[area]), recalls
                )
    return found


def _accumulate(
    hits: NDArray[np.bool_],
    counts: NDArray[np.bool_],
    scores: NDArray[np.float64],
    objects: int,
    recalls: NDArray[np.float64],
) -> Accumulated:
    """Accumulate n detections, the best first: `hits` and `counts` are bool [T, n], `scores` float64 [n]."""
    precision = np.zeros((len(hits), len(recalls)))
    reached = np.zeros_like(precision)
    if not len(scores):
        return Accumulated(precision, reached, np.zeros(len(hits)))
    right = np.cumsum(hits, axis=1).astype(np.float64)
    wrong = np.cumsum(~hits & counts, axis=1).astype(np.float64)
    share = right / (wrong + right + np.spacing(1))
    share = np.maximum.accumulate(share[:, ::-1], axis=1)[:, ::-1]  # at this recall or a higher one
    recall = right / objects
    for threshold in range(len(hits)):
        at = np.searchsorted(recall[threshold], recalls, side="left")
        at = at[at < len(scores)]  # recalls ascend: those that are not reached are the last
        precision[threshold, : len(at)] = share[threshold, at]
        reached[threshold, : len(at)] = scores[at]
    return Accumulated(precision, reached, recall[:, -1])
