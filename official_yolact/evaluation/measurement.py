"""What an evaluation found out: curves of precision, and which detection found which object."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

AREAS = ("all", "small", "medium", "large")
"""Sizes of objects: by the area of their mask, below 32 x 32 pixels, below 96 x 96, and the rest."""

LIMITS = (1, 10, 100)
"""How many detections of an image and class count, the best first."""

ClassMetrics = dict[str, float]
"""Of one class: `objects`, and `box_` and `mask_` with each of `NAMES`."""


class _Number(NamedTuple):
    """What a number averages: precision or recall, of which objects, at one threshold or over all."""

    is_recall: bool = False
    threshold: float | None = None
    area: str = "all"
    limit: int = 100


_NUMBERS = {
    "AP": _Number(),
    "AP50": _Number(threshold=0.5),
    "AP75": _Number(threshold=0.75),
    **{f"AP{area[0]}": _Number(area=area) for area in AREAS[1:]},
    **{f"AR{limit}": _Number(is_recall=True, limit=limit) for limit in LIMITS},
    **{f"AR{area[0]}": _Number(is_recall=True, area=area) for area in AREAS[1:]},
}
NAMES = tuple(_NUMBERS)
"""The twelve numbers of COCO, in pycocotools' order."""


@dataclasses.dataclass(frozen=True, eq=False)
class Matches:
    """Which detection found which object, at each threshold.

    Letters: T thresholds; D detections in the order of the results; G objects in the order of
    `GroundTruth.annotations`; A areas (`AREAS`), of which only the last three fields have others than "all".

    Attributes:
      image_ids: int64 [D].
      category_ids: int64 [D].
      scores: float64 [D].
      ranks: int64 [D], how many detections of the same image and class are better.
      nearest: int64 [D], the object of the same image and class with the largest overlap, crowds left out;
        -1 where there is none, or the detection is beyond the 100 best of its image and class.
      ious: float64 [D], the overlap with it, else 0.
      objects: int64 [T, D], the object that the detection found; -1 for none.
      counts: bool [T, D], False for what is neither right nor wrong: a detection that found a crowd, or is
        beyond the 100 best.
      object_image_ids: int64 [G].
      object_category_ids: int64 [G].
      object_counts: bool [G], False for crowds.
      detections: int64 [T, G], the detection that found the object; -1 for none.
      area_hits: bool [A, T, D], whether the detection found an object of that size.
      area_counts: bool [A, T, D], False for what is neither right nor wrong among objects of that size.
      area_objects: bool [A, G], whether the object has that size and is no crowd.
    """

    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    ranks: NDArray[np.int64]
    nearest: NDArray[np.int64]
    ious: NDArray[np.float64]
    objects: NDArray[np.int64]
    counts: NDArray[np.bool_]
    object_image_ids: NDArray[np.int64]
    object_category_ids: NDArray[np.int64]
    object_counts: NDArray[np.bool_]
    detections: NDArray[np.int64]
    area_hits: NDArray[np.bool_]
    area_counts: NDArray[np.bool_]
    area_objects: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, eq=False)
class Measurement:
    """What was found out about boxes, or about masks.

    Letters: T thresholds, R recalls, K categories, A areas (`AREAS`), M limits (`LIMITS`).

    Attributes:
      category_ids: K ids, ascending.
      class_names: K names.
      thresholds: float64 [T], from which overlap a detection has found an object.
      recalls: float64 [R].
      precision: float64 [T, R, K, A, M], the largest precision at that recall or a higher one; -1 where
        there is no such object.
      scores: float64 [T, R, K, A, M], the score threshold with which that recall is reached.
      recall: float64 [T, K, A, M], with all detections; -1 where there is no such object.
      matches: of single detections and objects.
    """

    category_ids: Sequence[int]
    class_names: Sequence[str]
    thresholds: NDArray[np.float64]
    recalls: NDArray[np.float64]
    precision: NDArray[np.float64]
    scores: NDArray[np.float64]
    recall: NDArray[np.float64]
    matches: Matches

    def summarize(self, category: int | None = None) -> dict[str, float]:
        """Average AP and AR.

        Args:
          category: index of one; by default over all.

        Returns:
          Each of `NAMES`; -1 where there is no such object.
        """
        return {name: self._average(number, category) for name, number in _NUMBERS.items()}

    def count_objects(self) -> list[int]:
        """Count the objects of each of the K categories, without crowds."""
        counted = self.matches.object_category_ids[self.matches.object_counts]
        return [int(np.count_nonzero(counted == category_id)) for category_id in self.category_ids]

    def _average(self, number: _Number, category: int | None) -> float:
        # [T, K, A, M] or [T, R, K, A, M]
        values: NDArray[Any] = self.recall if number.is_recall else self.precision
        # [T, K] or [T, R, K]; K is gone with one category
        chosen = slice(None) if category is None else category
        values = values[..., chosen, AREAS.index(number.area), LIMITS.index(number.limit)]
        if number.threshold is not None:
            values = values[self.thresholds == number.threshold]
        known = values[values > -1]
        return float(known.mean()) if known.size else -1.0


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation found out.

    Attributes:
      measurements: of `box` and `mask`, or one of them.
    """

    measurements: Mapping[str, Measurement]

    def metrics(self) -> dict[str, float]:
        """List `box_` and `mask_` with each of `NAMES`, 0..1, over all classes; -1: no such object."""
        return {
            f"{kind}_{name}": value
            for kind, measurement in self.measurements.items()
            for name, value in measurement.summarize().items()
        }

    def class_metrics(self) -> dict[str, ClassMetrics]:
        """List `objects` (crowds are not counted) and the numbers of `metrics` by the name of a class.

        Of classes with one name, each has its category id behind it.
        """
        classes: dict[str, ClassMetrics] = {}
        for kind, measurement in self.measurements.items():
            objects = measurement.count_objects()
            for category, class_name in enumerate(_name_apart(measurement)):
                numbers = measurement.summarize(category)
                found = classes.setdefault(class_name, {"objects": objects[category]})
                found.update({f"{kind}_{name}": value for name, value in numbers.items()})
        return classes


def _name_apart(measurement: Measurement) -> list[str]:
    names = measurement.class_names
    counts = collections.Counter(names)
    return [
        name if counts[name] == 1 else f"{name} ({category_id})"
        for name, category_id in zip(names, measurement.category_ids, strict=True)
    ]
