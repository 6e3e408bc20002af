"""Compute the losses of the first step eagerly, without a strategy: `matrix_reference.py RECORDS DEPTH`.

Reads rows of the matrix as JSON from standard input; prints a list of {loss: value} as the last line.
"""

import json
import sys
import tempfile

import matrix_runs
import on_cpus
import tensorflow as tf
import yaml

from official.core import task_factory
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.tasks import train_step


def compute(row, records):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(yaml.safe_dump(matrix_runs.configure({**row, "strategy": "one_device"}, records)))
        file.flush()
        recipe = [f"{row['recipe']}.yaml"] if row["named"] == "recipe" else []
        params = loading.load_experiment(matrix_runs.EXPERIMENTS[row["recipe"]], [*recipe, file.name])
    task = task_factory.get_task(params.task)
    model = task.build_model()
    inputs = next(iter(task.build_inputs(params.task.train_data)))
    parts = int(row["parts"]) if row["batch_norm"] == "synchronised" else 1
    replicas = matrix_runs.count_replicas(row)
    if parts > 1 and replicas > 1:
        # The statistics are those of one part of every replica: images 0 and 2, then 1 and 3.
        order = tf.reshape(tf.transpose(tf.reshape(tf.range(4), [replicas, parts, -1]), [1, 0, 2]), [-1])
        inputs = tf.nest.map_structure(lambda tensor: tf.gather(tensor, order), inputs)
    task.step.options = train_step.StepOptions(parts)
    optimizer = task.create_optimizer(params.trainer.optimizer_config, params.runtime)
    logs = task.train_step(inputs, model, optimizer)
    return {name: float(logs[name]) for name in matrix_runs.LOSSES if name in logs}


def main():
    records, depth = sys.argv[1:]
    if depth == "shallow":
        on_cpus.make_shallow()
    found = []
    for row in json.load(sys.stdin):
        found.append(compute(row, records))
    print(json.dumps(found))


main()
