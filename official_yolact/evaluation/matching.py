"""Which detection found which object: pycocotools' overlaps and its matching, where anything overlaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import cocoeval

from official_yolact.evaluation import measurement

_Key = tuple[int, int]


class Matcher(cocoeval.COCOeval):
    """pycocotools' evaluation of single images and classes, without those where nothing overlaps.

    pycocotools looks at each ground truth for each detection, threshold and size, in Python. A ground truth
    whose IoU with every detection lies below the lowest threshold is matched by none of them: it only counts.
    Where this holds for all of an image and class, nothing is matched.
    """

    def __init__(
        self, kind: str, annotations: Sequence[dict[str, Any]], detections: Sequence[dict[str, Any]]
    ) -> None:
        """Sort the detections.

        Args:
          kind: `bbox` or `segm`.
          annotations: G objects as pycocotools has them, with ids from 1.
          detections: D detections, likewise; masks are run lengths.
        """
        super().__init__(iouType=kind)
        self._annotations, self._detections = annotations, detections
        self._image_ids, self._classes, self._scores = (
            _column(detections, name, dtype)
            for name, dtype in (("image_id", np.int64), ("category_id", np.int64), ("score", np.float64))
        )
        # Stable, as pycocotools sorts: of equal scores the first comes first.
        order = np.lexsort((-self._scores, self._image_ids, self._classes))  # [D]
        self._ranks = _rank(order, self._classes, self._image_ids)
        for each in annotations:
            each["ignore"] = each["iscrowd"]
            self._gts[each["image_id"], each["category_id"]].append(each)
        for row in order[self._ranks[order] < self.params.maxDets[-1]].tolist():
            each = detections[row]
            key = each["image_id"], each["category_id"]
            if key in self._gts:
                self._dts[key].append(each)

    def match(self, report: Callable[[int, int], None]) -> measurement.Matches:
        """Match all detections and objects.

        Args:
          report: called with how many images and classes are done, and how many there are.
        """
        areas = self.params.areaRng
        shape = (len(areas), len(self.params.iouThrs), len(self._detections))
        objects = np.full(shape, -1, np.int32)
        finders = np.full((shape[1], len(self._annotations)), -1, np.int64)
        nearest, ious = np.full(shape[2], -1, np.int64), np.zeros(shape[2])
        in_range = _find_in_range(_column(self._detections, "area", np.float64), areas)  # [A, D]
        in_range &= self._ranks < self.params.maxDets[-1]
        counts = np.repeat(in_range[:, np.newaxis], shape[1], axis=1)  # [A, T, D]
        for done, key in enumerate(sorted(self._dts), start=1):
            overlaps, rows = np.asarray(self.computeIoU(*key)), _rows(self._dts[key])
            near = _find_nearest(overlaps, self._gts[key])
            nearest[rows], ious[rows] = near
            for area, one in self._match_cell(key, overlaps):
                objects[area][:, rows] = one["dtMatches"] - 1  # [T, detections of the image and class]
                counts[area][:, rows] = ~one["dtIgnore"].astype(np.bool_)
                if area == 0:
                    finders[:, np.array(one["gtIds"], int) - 1] = one["gtMatches"] - 1
            report(done, len(self._dts))
        plain = _column(self._annotations, "iscrowd", np.int64) == 0  # [G]
        return measurement.Matches(
            image_ids=self._image_ids,
            category_ids=self._classes,
            scores=self._scores,
            ranks=self._ranks,
            nearest=nearest,
            ious=ious,
            objects=objects[0].astype(np.int64),
            counts=counts[0],
            object_image_ids=_column(self._annotations, "image_id", np.int64),
            object_category_ids=_column(self._annotations, "category_id", np.int64),
            object_counts=plain,
            detections=finders,
            area_hits=(objects >= 0) & counts,
            area_counts=counts,
            area_objects=plain & _find_in_range(_column(self._annotations, "area", np.float64), areas),
        )

    def _match_cell(self, key: _Key, overlaps: NDArray[np.float64]) -> list[tuple[int, dict[str, Any]]]:
        """Match one image and class by pycocotools, for each range of areas, where anything overlaps."""
        truth = self._gts[key]
        is_near = (overlaps >= min(self.params.iouThrs)).any(axis=0)  # [objects of the image and class]
        if not is_near.any():
            return []
        try:
            self._gts[key] = [each for each, near in zip(truth, is_near, strict=True) if near]
            self.ious[key] = overlaps[:, is_near]
            limit = self.params.maxDets[-1]
            return [
                (area, self.evaluateImg(*key, bounds, limit))
                for area, bounds in enumerate(self.params.areaRng)
            ]
        finally:
            self._gts[key] = truth
            del self.ious[key]


def _rank(order: NDArray[np.int64], *keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count what lies before each of D in its group; `order` sorts by the keys, which name the groups."""
    ranks = np.zeros(len(order), np.int64)
    if len(order):
        is_first = np.zeros(len(order), np.bool_)
        is_first[0] = True
        for key in keys:
            is_first[1:] |= np.diff(key[order]) != 0
        at = np.arange(len(order))
        ranks[order] = at - np.maximum.accumulate(np.where(is_first, at, 0))
    return ranks


def _find_nearest(
    overlaps: NDArray[np.float64], truth: list[dict[str, Any]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the object with the largest overlap [detections, objects], crowds left out, and the overlap."""
    plain = [at for at, each in enumerate(truth) if not each["iscrowd"]]
    if not plain:
        return np.full(len(overlaps), -1, np.int64), np.zeros(len(overlaps))
    overlaps, rows = overlaps[:, plain], _rows(truth)[plain]
    best = overlaps.max(axis=1)
    return np.where(best > 0, rows[overlaps.argmax(axis=1)], -1), best


def _rows(entries: list[dict[str, Any]]) -> NDArray[np.int64]:
    return np.array([each["id"] for each in entries], np.int64) - 1


def _find_in_range(values: NDArray[np.float64], areas: list[list[float]]) -> NDArray[np.bool_]:
    """Find which of N areas lie in each range: bool [A, N]."""
    return np.array([(values >= low) & (values <= high) for low, high in areas])


def _column(entries: Sequence[dict[str, Any]], name: str, dtype: Any) -> NDArray[Any]:
    return np.array([entry[name] for entry in entries], dtype)
