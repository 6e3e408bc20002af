"""One replica and two train the same weights: the real trainer under MirroredStrategy."""

import json
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import json, sys
import numpy as np
import small_network
import tensorflow as tf

records, replicas = sys.argv[1], int(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)

import orbit
from official.core import task_factory, train_utils
from official_yolact import registry_imports
from official_yolact.configs import loading
from official_yolact.training import run, trainer as yolact_trainer

params = loading.load_experiment("yolact_tiny_shapes", [], [
    f"task.train_data.input_path={records}/train-*.tfrecord",
    "task.train_data.global_batch_size=4,task.model.freeze_bn=true",
    "runtime.mixed_precision_dtype=float32,trainer.train_steps=4", small_network.TERMS,
    "{trainer: {optimizer_config: {optimizer: {type: torch_sgd}, warmup: {type: null},"
    " learning_rate: {type: constant, constant: {learning_rate: 0.005}}}}}",
])
run.prepare(params)
strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(replicas)])
with strategy.scope():
    task = task_factory.get_task(params.task)
    trainer = train_utils.create_trainer(
        params, task, train=True, evaluate=False, trainer_cls=yolact_trainer.YolactTrainer)
    logs = trainer.train(tf.constant(4))
MEANS = [metric.name for metric in trainer.train_metrics]
sums = [float(np.abs(v.numpy()).sum()) for v in trainer.model.trainable_variables]
print(json.dumps({"replicas": strategy.num_replicas_in_sync, "sums": sums,
                  "losses": {k: float(v) for k, v in logs.items() if k in MEANS}}))
"""


def train(records, replicas, environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, records, str(replicas)],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.rare
def test_two_replicas_end_at_the_weights_and_losses_of_one(tiny_records, helper_environment):
    one, two = (train(tiny_records, replicas, helper_environment) for replicas in (1, 2))
    assert (one["replicas"], two["replicas"]) == (1, 2)
    np.testing.assert_allclose(two["sums"], one["sums"], rtol=2e-4)
    for name, value in one["losses"].items():
        np.testing.assert_allclose(two["losses"][name], value, rtol=2e-3, atol=1e-6, err_msg=name)
