import json
import types

import known_mistakes
import numpy as np
import pytest

from official_yolact.configs import loading
from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import groundtruth
from official_yolact.evaluation import results
from official_yolact.evaluation import worker_evaluator
from official_yolact.tasks import thresholds
from official_yolact.training.reports import actions
from official_yolact.training.reports import evaluation_report
from official_yolact_runtime import categories


@pytest.fixture
def evaluated(tmp_path):
    """The evaluator and the evaluation of a run."""
    plan = [["right", "background"]] * 4 + [["right", "class"]] * 2
    annotations, found = known_mistakes.write_set(tmp_path, plan)
    classes = categories.Categories((1, 2, 3), ("class 1", "class 2", "class 3"))
    evaluator = coco_evaluator.CocoEvaluator(str(annotations), classes)
    loaded = results.load_results(str(found), groundtruth.load_groundtruth(str(annotations)))
    boxes, masks = (results.select(loaded, name) for name in ("bbox", "segmentation"))
    evaluator.replace(range(1, 7), boxes, masks, 0)
    evaluator.grid = (34, 34)
    return evaluator, evaluator.evaluate()


def write_report(evaluated, folder, step):
    params = loading.load_experiment("yolact_tiny_shapes")
    params.trainer.train_steps = 20
    params.task.annotation_file = "annotations.json"
    counter, task = (
        types.SimpleNamespace(numpy=lambda: np.int64(step)),
        types.SimpleNamespace(evaluated=evaluated),
    )
    trainer = types.SimpleNamespace(global_step=counter, task=task)
    evaluation_report.EvaluationReport(params, trainer, str(folder)).write({})


def test_the_last_evaluation_of_a_run_is_reported_and_no_other(evaluated, tmp_path):
    folder = tmp_path / "run"
    write_report(evaluated, folder, 10)
    write_report(None, folder, 20)
    assert not folder.exists()
    write_report(evaluated, folder, 20)
    names = ["bbox_detections.json", "mask_detections.json", "report.html", "report.json"]
    assert sorted(path.name for path in (folder / "report").iterdir()) == names
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["evaluated"]["model"]["step"] == 20
    assert [(each["target"], each["trained"], each["grid"]) for each in report["ceiling"]] == [
        ("binary", True, [34, 34]),
        ("coverage", False, [34, 34]),
    ]
    expected = evaluated[1].metrics()
    for kind in ("box", "mask"):
        numbers = report["measurements"][kind]["numbers"]
        assert numbers["AP"]["value"] == expected[f"{kind}_AP"]


def test_thresholds_of_all_and_of_each_class_are_those_with_the_best_f1(evaluated):
    evaluator, evaluation = evaluated
    classes = evaluation.class_metrics()
    found = thresholds.recommend(evaluator, evaluation, classes)
    # What is right has 0.95, what is wrong 0.94.
    assert found == {"box_threshold": 0.95, "mask_threshold": 0.95}
    assert [numbers["mask_threshold"] for numbers in classes.values()] == [0.95] * 3


def test_only_where_asked_for_an_evaluation_is_kept_and_reported(evaluated, tmp_path):
    evaluator, _ = evaluated
    workers = worker_evaluator.WorkerEvaluator(evaluator)
    for keeps in (False, True):
        workers.keeps_evaluation = keeps
        workers._evaluate()
        assert (workers.evaluation is not None) == keeps
    task = types.SimpleNamespace(unusable={True: None})
    for report in (False, True):
        params = loading.load_experiment("yolact_tiny_shapes", overrides=[f"task.report={report}"])
        params.trainer.num_pictures = 0
        trainer = types.SimpleNamespace(step_observers=[], eval_observers=[], task=task, global_step=None)
        _, after_evaluation = actions.build_actions(params, trainer, str(tmp_path))
        assert ("report of the evaluation" in [each._name for each in after_evaluation]) == report
