"""A worker of a training, or the one process that it is compared with: run as a program.

Arguments: a JSON object with `overrides`, `mode`, `model_dir`, `out` and maybe `die_at_step`. Writes to `out`
the image ids of each step, the metrics, the images and detections that were measured, and the files that
this process has opened for writing in the model directory.
"""

import json
import os
import sys

WRITTEN = []


def note_writing(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[1] and set(arguments[1]) & set("wax+"):
        WRITTEN.append(arguments[0])


def main():
    task_arguments = json.loads(sys.argv[1])
    sys.addaudithook(note_writing)
    import tensorflow as tf

    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.evaluation import coco_evaluator
    from official_yolact.tasks import yolact
    from official_yolact.training import run

    steps, measured = [], []

    def record(image_ids):
        steps.append(sorted(image_ids.tolist()))
        if len(steps) == task_arguments.get("die_at_step"):
            os._exit(9)
        return image_ids

    train_step = yolact.YolactTask.train_step

    def train_and_record(self, inputs, *args, **kwargs):
        image_ids = tf.numpy_function(record, [inputs[1]["image_id"]], tf.int64)
        with tf.control_dependencies([image_ids]):
            return train_step(self, inputs, *args, **kwargs)

    evaluate = coco_evaluator.CocoEvaluator.evaluate

    def evaluate_and_record(self, *args):
        measured.append({"ids": sorted(self._seen), "boxes": self.box_results, "masks": self.mask_results})
        return evaluate(self, *args)

    yolact.YolactTask.train_step = train_and_record
    coco_evaluator.CocoEvaluator.evaluate = evaluate_and_record
    reduce_logs = yolact.YolactTask.reduce_aggregated_logs
    metrics = []

    def reduce_and_record(self, *args, **kwargs):
        metrics.append(reduce_logs(self, *args, **kwargs))
        return metrics[-1]

    yolact.YolactTask.reduce_aggregated_logs = reduce_and_record
    results = []
    for job in task_arguments["jobs"]:
        params = loading.load_experiment("yolact_tiny_shapes", [], job["overrides"])
        run.run(params, job["mode"], job["model_dir"])
        results.append({"steps": steps[:], "measured": measured[:], "metrics": metrics[:]})
        for found in (steps, measured, metrics):
            found.clear()
    with open(task_arguments["out"], "w") as file:
        json.dump({"jobs": results, "written": WRITTEN}, file)


main()
