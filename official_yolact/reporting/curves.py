"""Precision over recall, F1 over the threshold, and how far scores are shares of right detections."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import measurement as measurement_lib
from official_yolact.reporting import report_schema as schema
from official_yolact.reporting import study as study_lib

WISHES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
_MOST_POINTS = 200
_MOST_CURVES = 200
_BINS = 10


class Steps(NamedTuple):
    """What every threshold gives, from the highest score to the lowest; N different scores.

    Attributes:
      thresholds: float64 [N], descending.
      right: int64 [N], right detections from the threshold on.
      all: int64 [N], detections that count from the threshold on.
      objects: how many there are to be found.
    """

    thresholds: NDArray[np.float64]
    right: NDArray[np.int64]
    all: NDArray[np.int64]
    objects: int

    def read(self, at: int) -> schema.Operating:
        """Read one of them."""
        precision = float(self.right[at] / self.all[at])
        recall = float(self.right[at] / self.objects)
        return {
            "threshold": float(self.thresholds[at]),
            "precision": precision,
            "recall": recall,
            "f1": float(2 * self.right[at] / (self.all[at] + self.objects)),
        }

    def f1(self) -> NDArray[np.float64]:
        """Compute the harmonic means of precision and recall, float64 [N]."""
        return np.asarray(2 * self.right / (self.all + self.objects), np.float64)

    def best(self) -> int | None:
        """Find the lowest threshold with the best F1; None where nothing is right."""
        f1 = self.f1()
        return int(np.flatnonzero(f1 == f1.max())[-1]) if len(f1) and f1.max() > 0 else None


def find_steps(scores: NDArray[np.float64], hits: NDArray[np.bool_], objects: int) -> Steps:
    """Count what each threshold gives.

    Args:
      scores: float64 [D], of detections that count.
      hits: bool [D], which found an object.
      objects: how many there are to be found.
    """
    if not objects:
        return Steps(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], np.cumsum(hits[order], dtype=np.int64)
    last = np.flatnonzero(np.diff(scores, append=-np.inf))
    return Steps(scores[last], right[last], last + 1, objects)


def find_all_steps(study: study_lib.Study) -> Steps:
    """Count what each threshold gives over all classes."""
    counts = study.counts
    return find_steps(
        study.matches.scores[counts], study.hits[counts], int(np.count_nonzero(study.matches.object_counts))
    )


def find_class_steps(study: study_lib.Study) -> list[Steps]:
    """Count what each threshold gives in each class."""
    rows = np.flatnonzero(study.counts)
    rows = rows[np.argsort(study.classes[rows], kind="stable")]
    bounds = np.searchsorted(study.classes[rows], np.arange(len(study.category_ids) + 1))
    return [
        find_steps(study.matches.scores[rows[start:end]], study.hits[rows[start:end]], objects)
        for start, end, objects in zip(
            bounds[:-1].tolist(), bounds[1:].tolist(), study.objects_of_classes.tolist(), strict=True
        )
    ]


def describe_thresholds(steps: Steps) -> schema.Thresholds:
    """Recommend a threshold, and list others."""
    best, count = steps.best(), len(steps.thresholds)
    # At equal distances of recall the curve has few points where nothing happens; scores have most near 0.
    at = np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(int))
    reach = np.searchsorted(steps.right, np.linspace(0, steps.right[-1], _MOST_POINTS // 2)) if count else at
    chosen = np.union1d(at[:: max(1, len(at) * 2 // _MOST_POINTS)], reach)
    chosen = np.union1d(chosen, [] if best is None else [best]).astype(int)[::-1]
    return {
        "recommended": None if best is None else steps.read(best),
        "wishes": [_wish(steps, measure, wished) for measure in ("precision", "recall") for wished in WISHES],
        "points": [steps.read(index) for index in chosen.tolist()],
    }


def _wish(steps: Steps, measure: str, wished: float) -> schema.Wish:
    if measure == "precision":
        reached = np.flatnonzero(steps.right >= wished * steps.all)[-1:]
    else:
        reached = np.flatnonzero(steps.right >= wished * steps.objects)[:1]
    return {
        "measure": measure,
        "wished": wished,
        "reached": steps.read(int(reached[0])) if len(reached) else None,
    }


def draw_curves(measurement: measurement_lib.Measurement) -> schema.Curves:
    """Read the curves at an IoU of 0.5 off pycocotools'; thinned where there are very many classes."""
    precision = measurement.precision[0, :, :, 0, -1]  # [R, K]
    known = np.flatnonzero(precision[0] > -1)
    step = 1 if len(known) <= _MOST_CURVES else 5
    precision, scores = precision[::step], measurement.scores[0, ::step, :, 0, -1]
    return {
        "iou": float(measurement.thresholds[0]),
        "recalls": measurement.recalls[::step].round(4).tolist(),
        "mean": precision[:, known].mean(axis=1).tolist() if len(known) else [],
        "classes": [
            {
                "id": int(measurement.category_ids[category]),
                "precision": [value or None for value in precision[:, category].round(5).tolist()],
                "score": [
                    score if value else None
                    for score, value in zip(
                        scores[:, category].round(5).tolist(), precision[:, category], strict=True
                    )
                ],
            }
            for category in known.tolist()
        ],
    }


def calibrate(study: study_lib.Study) -> schema.Calibration:
    """Compare scores with the share of right detections, in ten bins of scores."""
    scores, hits = study.matches.scores[study.counts], study.hits[study.counts]
    at = np.clip((scores * _BINS).astype(int), 0, _BINS - 1)
    number = np.bincount(at, minlength=_BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, precision = (np.bincount(at, values, _BINS) / number for values in (scores, hits))
    bins = [
        schema.CalibrationBin(
            low=index / _BINS,
            high=(index + 1) / _BINS,
            detections=int(count),
            mean_score=float(mean[index]) if count else None,
            precision=float(precision[index]) if count else None,
        )
        for index, count in enumerate(number)
    ]
    gaps = np.abs(mean - precision)[number > 0] * number[number > 0]
    return {"bins": bins, "error": float(gaps.sum() / number.sum()) if number.sum() else None}
