"""Confidence intervals: every number again on data sets that are drawn from the images, with replacement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import measurement as measurement_lib
from official_yolact.reporting import ap_table
from official_yolact.reporting import groups as groups_lib
from official_yolact.reporting import report_schema as schema
from official_yolact.reporting import study as study_lib

CONFIDENCE = 0.95
SEED = 0
_MOST_REPLICATES = 1000
_FEWEST_REPLICATES = 200
_ROWS_AT_MOST = 2 * 10**8
"""Detections in all replicates together: what bounds the time on large sets, whose intervals are narrow."""

_AREAS = measurement_lib.AREAS
_AP50 = 0  # index of the threshold 0.5, the first
_AP75 = 5


class Resampled(NamedTuple):
    """Numbers of the whole data set, or of each of B resampled ones; NaN where there is no object.

    Attributes:
      numbers: float64 [B, 12], in the order of `measurement.NAMES`.
      classes: float64 [B, K], AP.
      groups: for each grouping of the images float64 [B, groups, 2], AP and AP50.
    """

    numbers: NDArray[np.float64]
    classes: NDArray[np.float64]
    groups: list[NDArray[np.float64]]


class Sampler:
    """Measures a study on resampled images."""

    def __init__(self, study: study_lib.Study, groupings: Sequence[groups_lib.Groups] = ()) -> None:
        """Prepare the tables.

        Args:
          study: the detections and objects.
          groupings: of its images, whose groups get intervals, too.
        """
        self.num_images = len(study.image_ids)
        self._classes, self._groupings = len(study.category_ids), groupings
        self._sizes = ap_table.ApTable(_found_by_area(study), len(_AREAS) * self._classes)
        self._groups = [
            ap_table.ApTable(_found_by_group(study, grouping), len(grouping.names) * self._classes)
            for grouping in groupings
        ]
        self._limited = [_Recall(study, limit) for limit in measurement_lib.LIMITS[:-1]]
        self.replicates = int(
            np.clip(_ROWS_AT_MOST // max(1, len(study.results)), _FEWEST_REPLICATES, _MOST_REPLICATES)
        )

    def measure(self, weights: NDArray[np.int64]) -> Resampled:
        """Measure the images with so many copies of each, int64 [I]: B is 1."""
        ap, recall = self._sizes.measure(weights)  # [T, areas * K]
        ap, recall = (values.reshape(len(ap), len(_AREAS), self._classes) for values in (ap, recall))
        limited = [each.measure(weights) for each in self._limited]
        numbers = [_mean(ap[:, 0]), _mean(ap[_AP50, 0]), _mean(ap[_AP75, 0])]
        numbers += [_mean(ap[:, area]) for area in (1, 2, 3)]
        numbers += [_mean(each) for each in (*limited, recall[:, 0])]
        numbers += [_mean(recall[:, area]) for area in (1, 2, 3)]
        groups = []
        for table, grouping in zip(self._groups, self._groupings, strict=True):
            of_group = table.measure(weights)[0].reshape(len(ap), len(grouping.names), self._classes)
            both = [[_mean(of_group[:, at]), _mean(of_group[_AP50, at])] for at in range(len(grouping.names))]
            groups.append(np.array(both).reshape(1, -1, 2))
        return Resampled(np.array([numbers]), ap[:, 0].mean(axis=0)[np.newaxis], groups)

    def resample(self, replicates: int | None = None) -> Resampled:
        """Measure so many replicates, by default all; studies of the same images get the same ones."""
        drawn = draw(self.num_images, replicates or self.replicates)
        found = [self.measure(weights) for weights in drawn]
        return Resampled(
            np.concatenate([each.numbers for each in found]),
            np.concatenate([each.classes for each in found]),
            [np.concatenate(group) for group in zip(*(each.groups for each in found), strict=True)],
        )

    def describe(self) -> schema.Bootstrap:
        """Say how the intervals are made."""
        return {
            "replicates": self.replicates,
            "images": self.num_images,
            "seed": SEED,
            "confidence": CONFIDENCE,
        }


def draw(num_images: int, replicates: int) -> Iterator[NDArray[np.int64]]:
    """Draw data sets of as many images: how often each image occurs, int64 [I]."""
    generator = np.random.default_rng(SEED)
    for _ in range(replicates):
        drawn = generator.integers(0, num_images, num_images)
        yield np.bincount(drawn, minlength=num_images)


def find_interval(
    value: float | None,
    resampled: NDArray[np.float64],
    num_images: int,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> schema.Interval:
    """Find the 95 % confidence interval of a number.

    AP of few objects is too high: the largest precision at this recall or a higher one grows by chance. The
    resampled sets, which have fewer different objects still, show by how much, and the interval moves down by
    that. Quantiles of the resampled numbers would move up.

    Args:
      value: of the whole set; None: there is nothing to measure.
      resampled: float64 [B], the number of resampled sets; NaN where there is nothing to measure.
      num_images: I.
      bounds: the smallest and the largest that the number can be.
    """
    known = resampled[~np.isnan(resampled)]
    if value is None or len(known) < 2 or num_images < 2:
        return {"value": value, "low": None, "high": None}
    middle = 2 * value - float(known.mean())
    # A sample's own spread is too small by this factor.
    half = _quantile(num_images - 1) * float(known.std()) * math.sqrt(num_images / (num_images - 1))
    low, high = (float(np.clip(end, *bounds)) for end in (middle - half, middle + half))
    return {"value": value, "low": min(low, value), "high": max(high, value)}


def _quantile(freedom: int) -> float:
    """Approximate the 0.975 quantile of Student's t.

    Source: Abramowitz and Stegun, 26.7.5.
    """
    z = 1.959964
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum((term / freedom**power for power, term in enumerate(terms, start=1)), 0.0)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


def _found_by_area(study: study_lib.Study) -> ap_table.Found:
    """List the detections once for each size of objects: groups are area * K + class."""
    matches, count = study.matches, len(study.category_ids)
    areas = range(len(_AREAS))
    hits, counts = (np.concatenate(list(each), axis=1) for each in (matches.area_hits, matches.area_counts))
    area, objects = np.nonzero(matches.area_objects)
    return ap_table.Found(
        np.concatenate([study.classes + area * count for area in areas]),
        np.tile(study.images, len(_AREAS)),
        np.tile(matches.scores, len(_AREAS)),
        hits,
        counts,
        study.object_classes[objects] + area * count,
        study.object_images[objects],
    )


def _found_by_group(study: study_lib.Study, grouping: groups_lib.Groups) -> ap_table.Found:
    """List the detections by the group of their image: groups are group * K + class."""
    matches, count = study.matches, len(study.category_ids)
    members = grouping.members
    rows = np.flatnonzero(members[study.images] >= 0)
    objects = np.flatnonzero(matches.object_counts & (members[study.object_images] >= 0))
    return ap_table.Found(
        members[study.images[rows]] * count + study.classes[rows],
        study.images[rows],
        matches.scores[rows],
        ((matches.objects >= 0) & matches.counts)[:, rows],
        matches.counts[:, rows],
        members[study.object_images[objects]] * count + study.object_classes[objects],
        study.object_images[objects],
    )


class _Recall:
    """The recall with the best so many detections of each image and class."""

    def __init__(self, study: study_lib.Study, limit: int) -> None:
        matches, self._count = study.matches, len(study.category_ids)
        best = np.flatnonzero(matches.ranks < limit)
        threshold, at = np.nonzero(((matches.objects >= 0) & matches.counts)[:, best])
        self._thresholds = len(matches.objects)
        self._images = study.images[best[at]]
        self._cell = threshold * self._count + study.classes[best[at]]
        objects = np.flatnonzero(matches.object_counts)
        self._object_classes = study.object_classes[objects]
        self._object_images = study.object_images[objects]

    def measure(self, weights: NDArray[np.int64]) -> NDArray[Any]:
        """Measure it on weighted images: float64 [T, K], NaN without objects."""
        objects = np.bincount(self._object_classes, weights[self._object_images], self._count)
        shape = self._thresholds, self._count
        found = np.bincount(self._cell, weights[self._images], shape[0] * shape[1]).reshape(shape)
        return found / np.where(objects > 0, objects, np.nan)
