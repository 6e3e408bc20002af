"""AP of a data set in which each image occurs any number of times: of a resampled set, of a group."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_RECALLS = np.linspace(0.0, 1.00, 101)
"""pycocotools' recalls, at which precision is averaged."""


class Found(NamedTuple):
    """Detections and objects of T thresholds. D detections, G objects; what does not count may be left out.

    Attributes:
      groups: int [D], class of a detection, or any other group whose AP is wanted, from 0.
      images: int [D], index of its image.
      scores: float [D].
      hits: bool [T, D], whether it found an object.
      counts: bool [T, D], False for what is neither right nor wrong.
      object_groups: int [G].
      object_images: int [G].
    """

    groups: NDArray[Any]
    images: NDArray[Any]
    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    object_groups: NDArray[Any]
    object_images: NDArray[Any]


class ApTable:
    """Detections in the order in which precision is accumulated, ready to be weighted.

    Recall rises at right detections alone, so precision is needed there alone.
    """

    def __init__(self, found: Found, num_groups: int) -> None:
        """Sort the detections; of equal scores the first image comes first, and in it the first detection."""
        self._thresholds, self._groups = len(found.hits), num_groups
        kept = np.flatnonzero(found.counts.any(axis=0))
        order = kept[np.lexsort((found.images[kept], -found.scores[kept], found.groups[kept]))]
        self._images = found.images[order]
        self._object_images, self._object_groups = found.object_images, found.object_groups
        groups, hits, counts = found.groups[order], found.hits[:, order], found.counts[:, order]
        self._first = np.searchsorted(groups, np.arange(num_groups))  # [groups], the first detection of each
        # Right detections of all thresholds, one threshold after the other.
        threshold, self._at = np.nonzero(hits & counts)
        self._group = groups[self._at]
        self._cell = threshold * num_groups + self._group
        starts = np.searchsorted(self._cell, np.arange(self._thresholds * num_groups))
        self._start = starts[self._cell]  # for each right detection, the first of its threshold and group
        # Of detections that count at some thresholds only, those that do not, and how many are before.
        self._skipped = np.nonzero(counts.any(axis=0) & ~counts)
        size = counts.shape[1] + 1
        keys = self._skipped[0] * size + self._skipped[1]
        self._skipped_to = np.searchsorted(keys, threshold * size + self._at, side="right")
        self._skipped_from = np.searchsorted(keys, threshold * size + self._first[self._group])

    def measure(self, weights: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measure a data set.

        Args:
          weights: int [images], how often each image occurs.

        Returns:
          AP and the largest recall, float64 [T, groups] each; NaN in groups without an object.
        """
        # [groups]
        objects = np.bincount(self._object_groups, weights[self._object_images], minlength=self._groups)
        weight = weights[self._images]
        passed = np.concatenate([[0], np.cumsum(weight)])  # [D + 1]
        skipped = np.concatenate([[0], np.cumsum(weight[self._skipped[1]])])
        taken = passed[self._at + 1] - passed[self._first[self._group]]
        taken = taken - (skipped[self._skipped_to] - skipped[self._skipped_from])  # [right detections]
        before = np.concatenate([[0], np.cumsum(weight[self._at])])
        right = before[1:] - before[self._start]
        precision = right / np.maximum(taken, 1)
        # The best at this recall or a higher one; the offset keeps groups apart.
        offset = 2.0 * (self._cell[::-1].max(initial=0) - self._cell)
        best = np.maximum.accumulate((precision + offset)[::-1])[::-1] - offset
        with np.errstate(divide="ignore", invalid="ignore"):
            recall = right / objects[self._group]
        reached = np.searchsorted(_RECALLS, recall, side="right")
        is_first = self._start == np.arange(len(self._start))
        new = np.where(is_first, reached, np.diff(reached, prepend=0))
        known = np.where(objects > 0, objects, np.nan)
        return self._sum(best * new) / len(_RECALLS) * (known / known), self._sum(weight[self._at]) / known

    def _sum(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum over the right detections of each threshold and group."""
        shape = self._thresholds, self._groups
        sums = np.bincount(self._cell, values, minlength=shape[0] * shape[1])
        return np.asarray(sums, np.float64).reshape(shape)
