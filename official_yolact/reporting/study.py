"""What an analysis looks at: the detections of boxes or masks, the objects, and which belong together."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import measurement as measurement_lib
from official_yolact.evaluation import results as results_lib

IOU = 0.5
"""From which overlap on an object is found, where a single threshold is looked at."""


class Pairs(NamedTuple):
    """Every detection and object of one image that overlap, of any classes; crowds are left out.

    Sorted by detection. Detections beyond the 100 best of their image and class are left out.

    Attributes:
      detections: int64 [P], row of the detection.
      objects: int64 [P], row of the object.
      ious: float64 [P], by pycocotools.
    """

    detections: NDArray[np.int64]
    objects: NDArray[np.int64]
    ious: NDArray[np.float64]

    def select(self, chosen: NDArray[Any]) -> Pairs:
        """Keep some pairs, by a mask or by their indices."""
        return Pairs(self.detections[chosen], self.objects[chosen], self.ious[chosen])


class Study:
    """A measurement with what was measured. D detections, G objects, I images, K classes.

    Attributes:
      kind: `box` or `mask`.
      truth: the annotations.
      results: D detections.
      measurement: of them.
      annotations: G annotations; of masks with run lengths.
      image_ids: int64 [I], ascending.
      category_ids: int64 [K], ascending.
      images: int64 [D], index of the detection's image.
      classes: int64 [D], index of its class.
      object_images: int64 [G].
      object_classes: int64 [G].
    """

    def __init__(
        self,
        kind: str,
        truth: groundtruth_lib.GroundTruth,
        results: Sequence[results_lib.Result],
        measurement: measurement_lib.Measurement,
    ) -> None:
        """Index images and classes."""
        self.kind, self.truth, self.results, self.measurement = kind, truth, results, measurement
        self.annotations = truth.mask_annotations if kind == "mask" else truth.annotations
        self.image_ids = np.array(sorted(truth.images), np.int64)
        self.category_ids = np.asarray(measurement.category_ids, np.int64)
        matches = measurement.matches
        self.images = np.searchsorted(self.image_ids, matches.image_ids)
        self.classes = np.searchsorted(self.category_ids, matches.category_ids)
        self.object_images = np.searchsorted(self.image_ids, matches.object_image_ids)
        self.object_classes = np.searchsorted(self.category_ids, matches.object_category_ids)

    @property
    def matches(self) -> measurement_lib.Matches:
        """The matches of all sizes."""
        return self.measurement.matches

    @functools.cached_property
    def hits(self) -> NDArray[np.bool_]:
        """Which detections found an object at `IOU`: bool [D]."""
        hits: NDArray[np.bool_] = (self.matches.objects[0] >= 0) & self.counts
        return hits

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Which detections are right or wrong at `IOU`, and not neither: bool [D]."""
        counts: NDArray[np.bool_] = self.matches.counts[0]
        return counts

    def find_objects(self, detections: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Find which objects some detections, bool [D], have found at `IOU`: bool [G]."""
        found = np.zeros(len(self.annotations), np.bool_)
        found[self.matches.objects[0][self.hits & detections]] = True
        return found

    @functools.cached_property
    def objects_of_classes(self) -> NDArray[np.int64]:
        """How many objects each class has, without crowds: int64 [K]."""
        return np.array(self.measurement.count_objects(), np.int64)

    @functools.cached_property
    def object_areas(self) -> NDArray[np.float64]:
        """As annotated, in pixels: float64 [G]."""
        return np.array([each["area"] for each in self.annotations], np.float64)

    @functools.cached_property
    def pairs(self) -> Pairs:
        """What overlaps."""
        return _find_pairs(self)

    def shapes(self, entries: Sequence[Any], rows: NDArray[np.int64]) -> list[Any]:
        """List the boxes, or the run lengths, of some detections or annotations."""
        name = "segmentation" if self.kind == "mask" else "bbox"
        return [entries[row][name] for row in rows.tolist()]


def _find_pairs(study: Study) -> Pairs:
    detections = group(study.images, study.matches.ranks < measurement_lib.LIMITS[-1], len(study.image_ids))
    objects = group(study.object_images, study.matches.object_counts, len(study.image_ids))
    found: list[tuple[NDArray[Any], ...]] = []
    for ours, theirs in zip(detections, objects, strict=True):
        if len(ours) and len(theirs):
            overlaps = overlap(study, ours, theirs)
            at, to = np.nonzero(overlaps)
            found.append((ours[at], theirs[to], overlaps[at, to]))
    none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    columns: list[NDArray[Any]] = [np.concatenate(column) for column in zip(none, *found, strict=True)]
    pairs = Pairs(*columns)
    return pairs.select(np.argsort(pairs.detections, kind="stable"))


def overlap(study: Study, detections: NDArray[np.int64], objects: NDArray[np.int64]) -> NDArray[np.float64]:
    """Measure the IoU of each of some detections with each of some objects, by pycocotools."""
    ours, theirs = study.shapes(study.results, detections), study.shapes(study.annotations, objects)
    return np.asarray(coco_mask.iou(ours, theirs, [0] * len(theirs)), np.float64)


def group(images: NDArray[np.int64], chosen: NDArray[np.bool_], count: int) -> list[NDArray[np.int64]]:
    """List the chosen rows, bool [N], of each of so many images; `images` int64 [N] are their indices."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(images[rows], kind="stable")]
    bounds = np.searchsorted(images[rows], np.arange(1, count))
    return np.split(rows, bounds)
