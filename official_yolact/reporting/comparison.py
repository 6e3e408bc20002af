"""Several evaluations on the same annotations: which is better, by how much, and whether that is chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import measurement as measurement_lib
from official_yolact.evaluation import metrics
from official_yolact.evaluation import results as results_lib
from official_yolact.reporting import bootstrap
from official_yolact.reporting import report as report_lib
from official_yolact.reporting import shown_images
from official_yolact.reporting import study as study_lib

_MOST_IMAGES = 12


class Difference(TypedDict):
    """A number of two evaluations, 0 to 1; `difference` is the second minus the first.

    `low` and `high` are the ends of its 95 % interval; `told_apart`: 0 lies outside of it. All are None where
    there is nothing to measure.
    """

    name: str
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    told_apart: bool


class ChangedImage(TypedDict):
    """An image with what its mistakes cost in both, as `ShownImage.cost` of a report, and the difference."""

    id: int
    file_name: str
    first: float
    second: float
    change: float


class PairOfKinds(TypedDict):
    """Two evaluations compared by boxes, or by masks: COCO's numbers, and the AP of each class."""

    numbers: list[Difference]
    by_class: list[Difference]


class Pair(TypedDict):
    """An evaluation compared with the first; `better` and `worse` are images, the largest change first."""

    first: str
    second: str
    verdict: str
    kinds: dict[str, PairOfKinds]
    better: list[ChangedImage]
    worse: list[ChangedImage]


class Comparison(TypedDict):
    """All evaluations, each but the first compared with the first; `main` is `mask` where all have masks."""

    annotations: str
    images: int
    main: str
    replicates: int
    names: list[str]
    pairs: list[Pair]


class Compared(NamedTuple):
    """A comparison, and for each of its evaluations what there is to see in an image."""

    comparison: Comparison
    shown: list[shown_images.Shown]


class Contestant(NamedTuple):
    """Detections to compare.

    Attributes:
      name: short, and different from the others'.
      boxes: results with boxes; empty: there are none.
      masks: results with masks, likewise.
    """

    name: str
    boxes: Sequence[results_lib.Result]
    masks: Sequence[results_lib.Result]


def compare(truth: groundtruth_lib.GroundTruth, contestants: Sequence[Contestant]) -> Compared:
    """Compare detections on the images of an annotation file.

    Args:
      truth: the annotations.
      contestants: at least two; the first is what the others are compared with.

    Raises:
      ValueError: they have neither boxes nor masks in common.
    """
    kinds = [
        kind
        for kind, has_it in (
            ("box", all(each.boxes or not each.masks for each in contestants)),
            ("mask", truth.has_masks and all(each.masks or not each.boxes for each in contestants)),
        )
        if has_it
    ]
    if not kinds:
        raise ValueError("some of them have boxes alone and others masks alone: nothing can be compared")
    parts = {kind: _resample(truth, contestants, kind) for kind in kinds}
    main = parts[kinds[-1]]
    found: Comparison = {
        "annotations": truth.path,
        "images": len(truth.images),
        "main": kinds[-1],
        "replicates": main[0].replicates,
        "names": [each.name for each in contestants],
        "pairs": [
            _compare_pair(contestants, {kind: (part[0], part[at]) for kind, part in parts.items()}, at)
            for at in range(1, len(contestants))
        ],
    }
    return Compared(found, [each.shown for each in main])


class _Measured(NamedTuple):
    """What a contestant reaches: on all images, and on each of the resampled sets."""

    study: study_lib.Study
    replicates: int
    whole: bootstrap.Resampled
    resampled: bootstrap.Resampled
    shown: shown_images.Shown


def _resample(
    truth: groundtruth_lib.GroundTruth, contestants: Sequence[Contestant], kind: str
) -> list[_Measured]:
    """Measure all on the same resampled sets."""
    studies = []
    for each in contestants:
        results = each.boxes if kind == "box" else report_lib.join(each.boxes, each.masks)
        studies.append(study_lib.Study(kind, truth, results, metrics.measure(truth, results, kind)))
    samplers = [bootstrap.Sampler(study) for study in studies]
    replicates = min(sampler.replicates for sampler in samplers)
    ones = np.ones(len(truth.images), np.int64)
    return [
        _Measured(
            study,
            replicates,
            sampler.measure(ones),
            sampler.resample(replicates),
            report_lib.Part(study).shown(),
        )
        for study, sampler in zip(studies, samplers, strict=True)
    ]


def _compare_pair(
    contestants: Sequence[Contestant], kinds: dict[str, tuple[_Measured, _Measured]], at: int
) -> Pair:
    first, second = contestants[0].name, contestants[at].name
    compared = {kind: _compare_kind(*pair) for kind, pair in kinds.items()}
    main = list(kinds)[-1]
    better, worse = _list_images(*kinds[main])
    return {
        "first": first,
        "second": second,
        "verdict": _judge(first, second, compared[main]["numbers"][0], main, kinds[main][0]),
        "kinds": compared,
        "better": better,
        "worse": worse,
    }


def _compare_kind(first: _Measured, second: _Measured) -> PairOfKinds:
    names = first.study.measurement.class_names
    numbers = [each.whole.numbers[0] for each in (first, second)]
    classes = [each.whole.classes[0] for each in (first, second)]
    changes = second.resampled.numbers - first.resampled.numbers  # [B, 12]
    class_changes = second.resampled.classes - first.resampled.classes  # [B, K]
    images = len(first.study.image_ids)
    return {
        "numbers": [
            _differ(name, numbers[0][at], numbers[1][at], changes[:, at], images)
            for at, name in enumerate(measurement_lib.NAMES)
        ],
        "by_class": [
            _differ(name, classes[0][at], classes[1][at], class_changes[:, at], images)
            for at, name in enumerate(names)
        ],
    }


def _differ(name: str, first: float, second: float, changes: NDArray[np.float64], images: int) -> Difference:
    known = not np.isnan(first + second)
    change = float(second - first) if known else None
    interval = bootstrap.find_interval(change, changes, images, (-1.0, 1.0))
    low, high = interval["low"], interval["high"]
    return {
        "name": name,
        "first": float(first) if known else None,
        "second": float(second) if known else None,
        "difference": change,
        "low": low,
        "high": high,
        "told_apart": low is not None and high is not None and not low <= 0 <= high,
    }


def _judge(first: str, second: str, ap: Difference, kind: str, measured: _Measured) -> str:
    """Say in a sentence whether one is better."""
    change, low, high = ap["difference"], ap["low"], ap["high"]
    images = len(measured.study.image_ids)
    where = f"on {images} image{'s' if images != 1 else ''}"
    if change is None:
        return f"{first} and {second} cannot be compared: no object is annotated"
    if low is None or high is None:
        return f"{first} and {second} cannot be told apart {where}: an interval needs at least two"
    points = f"{100 * abs(change):.1f} {kind} AP"
    ends = sorted((100 * low, 100 * high)) if change >= 0 else sorted((-100 * low, -100 * high))
    interval = f"95 % interval {ends[0]:.1f} to {ends[1]:.1f}"
    ahead = second if change >= 0 else first
    if ap["told_apart"]:
        return f"{ahead} is better by {points}, {interval}"
    return f"{first} and {second} cannot be told apart {where} ({ahead} is ahead by {points}, {interval})"


def _list_images(first: _Measured, second: _Measured) -> tuple[list[ChangedImage], list[ChangedImage]]:
    """List the images whose mistakes cost less in the second, and those where they cost more."""
    change = second.shown.costs - first.shown.costs
    better: list[ChangedImage] = []
    worse: list[ChangedImage] = []
    for sign, found in ((1, better), (-1, worse)):
        order = np.argsort(sign * change, kind="stable")[:_MOST_IMAGES]
        for image in order[sign * change[order] < 0].tolist():
            image_id = int(first.study.image_ids[image])
            found.append(
                ChangedImage(
                    id=image_id,
                    file_name=first.study.truth.images[image_id]["file_name"],
                    first=float(first.shown.costs[image]),
                    second=float(second.shown.costs[image]),
                    change=float(change[image]),
                )
            )
    return better, worse
