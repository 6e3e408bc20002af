"""The recommended thresholds of an evaluation, for a run that watches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import measurement as measurement_lib
from official_yolact.evaluation import results as results_lib
from official_yolact.reporting import curves
from official_yolact.reporting import study as study_lib

SUFFIX = "threshold"


def recommend(
    evaluator: coco_evaluator.CocoEvaluator,
    evaluation: measurement_lib.Evaluation,
    class_metrics: Mapping[str, measurement_lib.ClassMetrics],
) -> dict[str, float]:
    """Find the score thresholds with the best F1, at an IoU of 0.5.

    Args:
      evaluator: with the detections and the annotations.
      evaluation: of them.
      class_metrics: of the evaluation; each class gets `box_threshold` and `mask_threshold`, where anything
        of it was found.

    Returns:
      `box_threshold` and `mask_threshold` over all classes, likewise.
    """
    found: dict[str, float] = {}
    of_kind: dict[str, Sequence[results_lib.Result]] = {
        "box": evaluator.box_results,
        "mask": evaluator.mask_results,
    }
    assert evaluator.groundtruth is not None
    for kind, measurement in evaluation.measurements.items():
        study = study_lib.Study(kind, evaluator.groundtruth, of_kind[kind], measurement)
        steps = [(found, curves.find_all_steps(study))]
        steps += zip(class_metrics.values(), curves.find_class_steps(study), strict=True)
        for numbers, each in steps:
            if (best := each.best()) is not None:
                numbers[f"{kind}_{SUFFIX}"] = each.read(best)["threshold"]
    return found
