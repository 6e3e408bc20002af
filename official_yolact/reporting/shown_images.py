"""Images to look at: where most went wrong, where least did, and where an annotation may be missing."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.reporting import errors as errors_lib
from official_yolact.reporting import mask_errors as mask_errors_lib
from official_yolact.reporting import report_schema as schema
from official_yolact.reporting import study as study_lib

SHOWN_SCORE = 0.3
"""`yolact predict` draws detections from this score on."""

CONFIDENT_SCORE = 0.5
_NUM_WORST = 24
_NUM_BEST = 6
_NUM_LABEL_ERRORS = 24


class Shown:
    """Chooses images of a study and describes them.

    Attributes:
      threshold: detections from it on are shown.
      costs: float64 [I], see `report_schema.ShownImage`.
    """

    def __init__(
        self,
        study: study_lib.Study,
        errors: errors_lib.Sorted,
        mask_errors: mask_errors_lib.MaskErrors | None,
        recommended: float | None,
    ) -> None:
        """Compute what each image costs.

        Args:
          study: of masks, or of boxes where no masks were measured.
          errors: of its detections.
          mask_errors: of its masks; None for boxes.
          recommended: threshold.
        """
        self._study, self._errors, self._mask_errors = study, errors, mask_errors
        self.threshold = SHOWN_SCORE if recommended is None else min(SHOWN_SCORE, recommended)
        self._confident = CONFIDENT_SCORE if recommended is None else max(CONFIDENT_SCORE, recommended)
        self._shown = study.matches.scores >= self.threshold  # [D]
        self._found = study.find_objects(self._shown)  # [G]
        self._false = self._shown & study.counts & ~study.hits
        count = len(study.image_ids)
        missed = study.matches.object_counts & ~self._found
        right = np.flatnonzero(self._shown & study.hits)
        self._mistakes = np.bincount(study.images[self._false], minlength=count)
        self._mistakes += np.bincount(study.object_images[missed], minlength=count)
        self.costs = np.zeros(count)  # of no detections at all NumPy counts in whole numbers
        self.costs += np.bincount(study.images[self._false], study.matches.scores[self._false], count)
        self.costs += np.bincount(study.object_images[missed], minlength=count)
        self.costs += np.bincount(study.images[right], 1 - errors.ious[right], count)
        if mask_errors is not None:
            flawed = self._shown & (mask_errors.kinds != errors_lib.NO_ERROR)
            self._mistakes += np.bincount(study.images[flawed], minlength=count)

    def describe(self) -> schema.Images:
        """List all of them."""
        study, costs = self._study, self.costs
        objects = np.bincount(
            study.object_images[study.matches.object_counts], minlength=len(costs)
        )  # [images]
        by_cost = np.lexsort((-objects, costs))
        shown = by_cost[objects[by_cost] > 0]
        best = shown[: min(_NUM_BEST, len(shown) // 4)]
        worst = np.lexsort((np.arange(len(costs)), -costs))
        worst = worst[(self._mistakes[worst] > 0) & ~np.isin(worst, best)][:_NUM_WORST]
        return {
            "kind": study.kind,
            "threshold": self.threshold,
            "worst": [self._describe_image(image) for image in worst.tolist()],
            "best": [self._describe_image(image) for image in best.tolist()],
            "label_errors": self._describe_label_errors(),
        }

    def describe_image(self, image_id: int) -> schema.ShownImage:
        """Describe an image."""
        return self._describe_image(int(np.flatnonzero(self._study.image_ids == image_id)[0]))

    @functools.cached_property
    def _candidates(self) -> NDArray[np.bool_]:
        """Which detections look like objects that are not annotated: bool [D]."""
        background = self._errors.kinds == schema.ERRORS.index("background")
        candidates: NDArray[np.bool_] = background & (self._study.matches.scores >= self._confident)
        return candidates

    def _describe_label_errors(self) -> list[schema.ShownImage]:
        rows = np.flatnonzero(self._candidates)
        rows = rows[np.argsort(-self._study.matches.scores[rows], kind="stable")]
        images = list(dict.fromkeys(self._study.images[rows].tolist()))[:_NUM_LABEL_ERRORS]
        return [self._describe_image(image, only_candidates=True) for image in images]

    @functools.cached_property
    def _rows_of_images(self) -> list[NDArray[np.int64]]:
        return study_lib.group(self._study.images, self._shown, len(self._study.image_ids))

    @functools.cached_property
    def _objects_of_images(self) -> list[NDArray[np.int64]]:
        study = self._study
        return study_lib.group(study.object_images, np.ones(len(self._found), np.bool_), len(study.image_ids))

    def _describe_image(self, image: int, only_candidates: bool = False) -> schema.ShownImage:
        study = self._study
        rows, objects = self._rows_of_images[image], self._objects_of_images[image]
        rows = rows[np.argsort(-study.matches.scores[rows], kind="stable")]
        detections = [self._describe_detection(row) for row in rows.tolist()]
        annotations = [self._describe_object(row) for row in objects.tolist()]
        missed = [each for each in annotations if each["outcome"] == "missed"]
        wrong = [
            each for each in detections if each["kind"] and (each["is_candidate"] or not only_candidates)
        ]
        kinds = {str(each["kind"]) for each in wrong} | (
            {"missed"} if missed and not only_candidates else set()
        )
        classes = {each["category_id"] for each in (wrong if only_candidates else [*wrong, *missed])}
        entry = study.truth.images[int(study.image_ids[image])]
        return {
            "id": int(study.image_ids[image]),
            "file_name": entry["file_name"],
            "height": entry["height"],
            "width": entry["width"],
            "cost": float(self.costs[image]),
            "true": sum(each["outcome"] == "true" for each in detections),
            "false": sum(each["outcome"] == "false" for each in detections),
            "missed": len(missed),
            "kinds": [kind for kind in (*schema.ERRORS, *schema.MASK_ERRORS) if kind in kinds],
            "classes": sorted(classes),
            "objects": annotations,
            "detections": detections,
        }

    def _describe_object(self, row: int) -> schema.ShownObject:
        study, each = self._study, self._study.annotations[row]
        outcome = "crowd" if each["iscrowd"] else "found" if self._found[row] else "missed"
        finder = int(study.matches.detections[0][row])
        name = self._name(each["category_id"])
        reason = f"{name}: found"
        if outcome == "crowd":
            reason = f"a crowd of {name}: it is neither found nor missed"
        elif outcome == "missed" and finder >= 0:
            reason = f"{name}: missed, its score {study.matches.scores[finder]:.2f} is too low to be shown"
        elif outcome == "missed":
            reason = f"{name}: missed" + ("" if self._errors.missed[row] else ", but detected wrongly")
        segmentation = each.get("segmentation") if study.kind == "mask" else None
        return {
            "id": int(each["source_id"]),
            "category_id": each["category_id"],
            "box": [float(side) for side in each["bbox"]],
            "segmentation": segmentation,
            "outcome": outcome,
            "reason": reason,
        }

    def _describe_detection(self, row: int) -> schema.ShownDetection:
        study, result = self._study, self._study.results[row]
        found = int(self._errors.objects[row])
        outcome = "true" if study.hits[row] else "false" if study.counts[row] else "ignored"
        box = (
            mask_errors_lib.find_boxes(study, np.array([row]))[0] if study.kind == "mask" else result["bbox"]
        )
        return {
            "category_id": result["category_id"],
            "score": result["score"],
            "box": [float(side) for side in box],
            "segmentation": result["segmentation"] if study.kind == "mask" else None,
            "outcome": outcome,
            "kind": self._kind(row),
            "object": int(study.annotations[found]["source_id"]) if found >= 0 else None,
            "iou": float(self._errors.ious[row]) if found >= 0 else None,
            "reason": self._explain(row, outcome),
            "is_candidate": bool(self._candidates[row]),
        }

    def _kind(self, row: int) -> str | None:
        if self._errors.kinds[row] >= 0:
            return schema.ERRORS[self._errors.kinds[row]]
        if self._mask_errors is not None and self._mask_errors.kinds[row] >= 0:
            return schema.MASK_ERRORS[self._mask_errors.kinds[row]]
        return None

    def _explain(self, row: int, outcome: str) -> str:
        """Say in words what a detection is."""
        study, iou = self._study, f"IoU {self._errors.ious[row]:.2f}"
        name = self._name(study.results[row]["category_id"])
        found = int(self._errors.objects[row])
        other = self._name(study.annotations[found]["category_id"]) if found >= 0 else ""
        if outcome == "ignored":
            return f"{name}: lies in a crowd, or is beyond the 100 best: it does not count"
        texts: dict[str | None, str] = {
            None: f"{name}: right, {iou}",
            "class": f"called {name}, annotated as {other} ({iou})",
            "localisation": f"{name}: the right class, but {iou} is below 0.5",
            "both": f"called {name}, near a {other}: another class, and {iou} is below 0.5",
            "duplicate": f"{name}: found a second time",
            "background": f"{name}: nothing is annotated here",
            "leak": f"{name}: right, but its mask covers part of {self._neighbour(row)} ({iou})",
            "cut": f"{name}: right, but its box cuts the mask off ({iou})",
            "coarse": f"{name}: right, the box too, but the mask has {iou}, below 0.75",
        }
        return texts[self._kind(row)]

    def _neighbour(self, row: int) -> str:
        if self._mask_errors is None or self._mask_errors.neighbours[row] < 0:
            return "another object"
        each: Any = self._study.annotations[self._mask_errors.neighbours[row]]
        return f"another object ({self._name(each['category_id'])})"

    def _name(self, category_id: int) -> str:
        names = self._study.measurement.class_names
        return names[int(np.searchsorted(self._study.category_ids, category_id))]
