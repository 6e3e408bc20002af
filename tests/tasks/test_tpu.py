"""Training on a TPU: needs one, named by OFFICIAL_YOLACT_TPU (`local` on a Cloud TPU VM)."""

import os

import numpy as np
import pytest
import tensorflow as tf

from official.core import task_factory
from official.core import train_utils
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run
from official_yolact.training import strategies
from official_yolact.training import trainer

STEPS = 20
# Batch norm as it is stored: its statistics are of each core's own images.
OVERRIDES = (
    "task.model.freeze_bn=true,task.model.class_prior=0.01,task.train_data.global_batch_size=16",
    "task.validation_data.global_batch_size=16,runtime.mixed_precision_dtype=float32,task.seed=3",
    "{trainer: {optimizer_config: {optimizer: {type: torch_sgd}, ema: null, warmup: {type: null},"
    " learning_rate: {type: constant, constant: {learning_rate: 0.001}}}}}",
)


def train(records, model_dir, runtime):
    """Train on the devices of a runtime section; give the losses of each step."""
    sources = f"task.train_data.input_path={records}/train-*,task.validation_data.input_path={records}/val-*"
    params = loading.load_config("yolact_tiny_shapes", [sources, *OVERRIDES, runtime])
    run.prepare(params)
    strategy = strategies.build(params.runtime).strategy
    with strategy.scope():
        task = task_factory.get_task(params.task, logging_dir=str(model_dir))
        made = train_utils.create_trainer(
            params, task, train=True, evaluate=False, trainer_cls=trainer.YolactTrainer
        )
    losses = []
    for _ in range(STEPS):
        logs = made.train(tf.constant(1))
        losses.append(
            {name: float(logs[name]) for name in ("class_loss", "box_loss", "mask_loss", "total_loss")}
        )
    return losses


@pytest.mark.tpu
def test_twenty_steps_on_a_tpu_have_the_losses_of_a_cpu(tiny_records, tmp_path):
    address = os.environ["OFFICIAL_YOLACT_TPU"]
    on_cpu = train(tiny_records, tmp_path, "runtime.distribution_strategy=one_device,runtime.num_gpus=0")
    # A TPU multiplies float32 in pieces of bfloat16 unless told otherwise.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    on_tpu = train(tiny_records, tmp_path, f"runtime.distribution_strategy=tpu,runtime.tpu={address}")
    for step, (expected, found) in enumerate(zip(on_cpu, on_tpu, strict=True)):
        for name, value in expected.items():
            tolerance = 2e-3 if step == 0 else 5e-2
            np.testing.assert_allclose(found[name], value, rtol=tolerance, err_msg=f"{name} of step {step}")
    assert on_tpu[-1]["total_loss"] < on_tpu[0]["total_loss"]
