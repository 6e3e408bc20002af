"""The report: everything that the matches of an evaluation say, put together."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

import official_yolact
from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import measurement as measurement_lib
from official_yolact.evaluation import results as results_lib
from official_yolact.reporting import bootstrap
from official_yolact.reporting import ceiling as ceiling_lib
from official_yolact.reporting import confusion
from official_yolact.reporting import curves
from official_yolact.reporting import errors as errors_lib
from official_yolact.reporting import groups as groups_lib
from official_yolact.reporting import mask_errors as mask_errors_lib
from official_yolact.reporting import mask_quality
from official_yolact.reporting import report_schema as schema
from official_yolact.reporting import shown_images
from official_yolact.reporting import study as study_lib
from official_yolact_runtime.files import inputs as inputs_lib

Say = Callable[[str], None]
_MOST_NAMED = 20


class Source(NamedTuple):
    """What is reported on.

    Attributes:
      truth: the annotations.
      boxes: COCO results with boxes; empty where they were not measured.
      masks: with masks, in the order of `boxes` where both are of the same detections.
      evaluation: of both.
      model: that found them; None: they come from a results file.
      detections: path of that file.
      images: folder of the images.
      skipped: what was not evaluated.
      notes: what is unusual about the annotations, a sentence each.
      grid: on which the model draws masks; None: it is not known.
      speed: of the model.
    """

    truth: groundtruth_lib.GroundTruth
    boxes: Sequence[results_lib.Result]
    masks: Sequence[results_lib.Result]
    evaluation: measurement_lib.Evaluation
    model: schema.Model | None = None
    detections: str | None = None
    images: str | None = None
    skipped: Sequence[schema.Skipped] = ()
    notes: Sequence[str] = ()
    grid: ceiling_lib.Grid | None = None
    speed: schema.Speed | None = None


def build_report(source: Source, say: Say = lambda _: None) -> schema.Report:
    """Analyse an evaluation.

    Args:
      source: what is reported on.
      say: of progress.

    Raises:
      OSError: a file of the source cannot be read again.
    """
    parts = {}
    for kind, measurement in source.evaluation.measurements.items():
        say(f"analysing the errors of {'masks' if kind == 'mask' else 'boxes'}")
        results = join(source.boxes, source.masks) if kind == "mask" else source.boxes
        parts[kind] = Part(study_lib.Study(kind, source.truth, results, measurement))
    main = parts["mask" if "mask" in parts else "box"]
    has_grid = "mask" in parts and source.grid is not None
    if has_grid:
        say("drawing the annotations on the grid of the prototypes")
    return {
        "format": schema.FORMAT,
        "program": {"name": "official_yolact", "version": official_yolact.__version__},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "title": _title(source),
        "evaluated": _describe_evaluated(source, main.study),
        "classes": [
            {"id": int(category_id), "name": name}
            for category_id, name in zip(
                main.study.category_ids, main.study.measurement.class_names, strict=True
            )
        ],
        "kinds": list(parts),
        "main": main.study.kind,
        "measurements": {kind: part.describe() for kind, part in parts.items()},
        "ceiling": [
            ceiling_lib.measure_ceiling(source.truth, source.grid, target) for target in ceiling_lib.TARGETS
        ]
        if has_grid and source.grid is not None
        else None,
        "mask_quality": mask_quality.measure_quality(main.study, main.errors.ious)
        if main.mask_errors is not None
        else None,
        "images": main.shown().describe(),
        "speed": source.speed,
    }


class Part:
    """The analysis of boxes, or of masks.

    Attributes:
      study: what is analysed.
      errors: of the detections.
      mask_errors: of the masks; None for boxes.
      thresholds: and what they give.
    """

    def __init__(self, study: study_lib.Study) -> None:
        """Sort the errors."""
        self.study = study
        self.errors = errors_lib.sort_errors(study)
        self.mask_errors = (
            mask_errors_lib.sort_mask_errors(study, self.errors) if study.kind == "mask" else None
        )
        self.thresholds = curves.describe_thresholds(curves.find_all_steps(study))

    @property
    def recommended(self) -> float | None:
        """The threshold with the best F1; None where nothing is right."""
        recommended = self.thresholds["recommended"]
        return recommended["threshold"] if recommended else None

    def shown(self) -> shown_images.Shown:
        """Choose images to look at."""
        return shown_images.Shown(self.study, self.errors, self.mask_errors, self.recommended)

    def describe(self) -> schema.KindReport:
        """List everything that was found out."""
        study, threshold = self.study, self.recommended
        groupings = (groups_lib.by_image_size(study), groups_lib.by_object_count(study))
        sampler = bootstrap.Sampler(study, groupings)
        resampled = sampler.resample()
        numbers = _describe_numbers(study, resampled)
        levels = [threshold, 0.0] if threshold is not None else [0.0]
        by_group = [
            _describe_groups(study, groupings[at], sampler, resampled, at) for at in range(len(groupings))
        ]
        return {
            "numbers": numbers,
            "bootstrap": sampler.describe(),
            "by_class": _describe_classes(study, resampled),
            "by_size": _describe_sizes(study, numbers),
            "by_image_size": by_group[0],
            "by_object_count": by_group[1],
            "curves": curves.draw_curves(study.measurement),
            "thresholds": self.thresholds,
            "calibration": curves.calibrate(study),
            "confusion": [confusion.confuse(study, level) for level in levels],
            "errors": errors_lib.describe_errors(study, self.errors, threshold or 0.0),
            "mask_errors": mask_errors_lib.describe_mask_errors(
                study, self.mask_errors, self.errors, threshold or 0.0
            )
            if self.mask_errors is not None
            else None,
        }


def describe_skipped(what: str, why: str, names: Sequence[str]) -> list[schema.Skipped]:
    """Count what was skipped, and name the first twenty; empty where nothing was."""
    if not names:
        return []
    return [{"what": what, "why": why, "count": len(names), "names": list(names[:_MOST_NAMED])}]


def join(
    boxes: Sequence[results_lib.Result], masks: Sequence[results_lib.Result]
) -> Sequence[results_lib.Result]:
    """Give masks their boxes, where both are of the same detections."""
    keys = ("image_id", "category_id")
    if len(boxes) != len(masks) or any(
        one[key] != other[key] for one, other in zip(boxes, masks, strict=True) for key in keys
    ):
        return masks
    return [{**mask, "bbox": box["bbox"]} for box, mask in zip(boxes, masks, strict=True)]


def _title(source: Source) -> str:
    what = source.model["path"] if source.model else os.path.basename(source.detections or "detections")
    return f"{what} on {os.path.basename(source.truth.path)}"


def _describe_evaluated(source: Source, study: study_lib.Study) -> schema.Evaluated:
    matches = study.matches
    with_objects = np.unique(study.object_images[matches.object_counts])
    return {
        "model": source.model,
        "detections": _describe_file(source.detections) if source.detections else None,
        "annotations": _describe_file(source.truth.path),
        "images": source.images,
        "counts": {
            "images": len(study.image_ids),
            "images_without_objects": len(study.image_ids) - len(with_objects),
            "objects": int(np.count_nonzero(matches.object_counts)),
            "crowds": int(np.count_nonzero(~matches.object_counts)),
            "classes": len(study.category_ids),
            "classes_without_objects": int(np.count_nonzero(study.objects_of_classes == 0)),
            "detections": len(matches.scores),
        },
        "skipped": list(source.skipped),
        "notes": list(source.notes),
    }


def _describe_file(path: str) -> schema.File:
    with open(path, "rb") as file:
        size, digest = inputs_lib.measure(file)
    return {"path": path, "sha256": digest, "bytes": size}


def _known(value: float) -> float | None:
    """Read a number of pycocotools, where -1 says that there is nothing to measure, or NaN of ours."""
    return None if np.isnan(value) or value < 0 else float(value)


def _describe_numbers(study: study_lib.Study, resampled: bootstrap.Resampled) -> dict[str, schema.Interval]:
    summary = study.measurement.summarize()
    return {
        name: bootstrap.find_interval(_known(value), column, len(study.image_ids))
        for (name, value), column in zip(summary.items(), resampled.numbers.T, strict=True)
    }


def _describe_classes(study: study_lib.Study, resampled: bootstrap.Resampled) -> list[schema.ClassRow]:
    rows = []
    number = np.bincount(study.classes[study.counts], minlength=len(study.category_ids))
    for category, steps in enumerate(curves.find_class_steps(study)):
        numbers, best = study.measurement.summarize(category), steps.best()
        at = steps.read(best) if best is not None else None
        column = resampled.classes[:, category]
        rows.append(
            schema.ClassRow(
                id=int(study.category_ids[category]),
                name=study.measurement.class_names[category],
                objects=int(study.objects_of_classes[category]),
                detections=int(number[category]),
                AP=bootstrap.find_interval(_known(numbers["AP"]), column, len(study.image_ids)),
                AP50=_known(numbers["AP50"]),
                AP75=_known(numbers["AP75"]),
                recall=_known(float(study.measurement.recall[0, category, 0, -1])),
                threshold=at["threshold"] if at else None,
                f1=at["f1"] if at else None,
                precision_at=at["precision"] if at else None,
                recall_at=at["recall"] if at else None,
            )
        )
    return rows


_SIZES: Mapping[str, tuple[str, float, float | None]] = {
    "s": ("small: below 32 x 32 pixels", 0.0, 32.0**2),
    "m": ("medium: below 96 x 96 pixels", 32.0**2, 96.0**2),
    "l": ("large: from 96 x 96 pixels", 96.0**2, None),
}


def _describe_sizes(study: study_lib.Study, numbers: Mapping[str, schema.Interval]) -> list[schema.GroupRow]:
    rows = []
    for area, (letter, (name, low, high)) in enumerate(_SIZES.items(), start=1):
        objects = study.matches.area_objects[area]
        precision = study.measurement.precision[0, :, :, area, -1]
        known = precision[precision > -1]
        rows.append(
            schema.GroupRow(
                name=name,
                low=low,
                high=high,
                images=len(np.unique(study.object_images[objects])),
                objects=int(np.count_nonzero(objects)),
                AP=numbers[f"AP{letter}"],
                AP50=float(known.mean()) if known.size else None,
                recall=numbers[f"AR{letter}"]["value"],
            )
        )
    return rows


def _describe_groups(
    study: study_lib.Study,
    groups: groups_lib.Groups,
    sampler: bootstrap.Sampler,
    resampled: bootstrap.Resampled,
    at: int,
) -> list[schema.GroupRow]:
    whole = sampler.measure(np.ones(len(study.image_ids), np.int64)).groups[at][0]  # [groups, 2]
    rows = []
    for group, (name, (low, high)) in enumerate(zip(groups.names, groups.bounds, strict=True)):
        images = groups.members == group
        objects = study.matches.object_counts & images[study.object_images]
        found = objects & (study.matches.detections[0] >= 0)
        num_images = int(np.count_nonzero(images))
        ap = bootstrap.find_interval(_known(whole[group, 0]), resampled.groups[at][:, group, 0], num_images)
        rows.append(
            schema.GroupRow(
                name=name,
                low=low,
                high=high,
                images=num_images,
                objects=int(np.count_nonzero(objects)),
                AP=ap,
                AP50=_known(whole[group, 1]),
                recall=float(found.sum() / objects.sum()) if objects.any() else None,
            )
        )
    return rows
