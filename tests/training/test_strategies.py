"""Devices and strategy from the section `runtime`, and what is refused."""

import types

import pytest
import tensorflow as tf

from official_yolact.configs import training as configs
from official_yolact.training import strategies


def runtime(name="one_device", **kwargs):
    return configs.RuntimeConfig(distribution_strategy=name, **kwargs)


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are so many GPUs."""

    def show(number):
        devices = [types.SimpleNamespace(name=f"/physical_device:GPU:{index}") for index in range(number)]
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices)

    return show


@pytest.mark.parametrize(
    ("visible", "name", "asked", "used"),
    [
        (0, "one_device", None, 0),
        (0, "mirrored", None, 0),
        (8, "one_device", None, 1),
        (8, "mirrored", None, 8),
        (8, "multi_worker_mirrored", None, 8),
        (8, "mirrored", 0, 0),
        (8, "mirrored", 3, 3),
        (2, "one_device", 1, 1),
    ],
)
def test_gpus_are_all_that_are_visible_unless_a_number_is_asked_for(gpus, visible, name, asked, used):
    gpus(visible)
    number, reason = strategies._choose_gpus(runtime(name, num_gpus=asked), name)
    assert number == used
    assert ("num_gpus" in reason) == (visible > 0)
    assert ("'one_device' uses one" in reason) == (visible > 1 and asked is None and used == 1)


@pytest.mark.parametrize(
    ("visible", "name", "asked", "message"),
    [
        (0, "one_device", 1, r"num_gpus=1, but TensorFlow sees 0 GPUs \(none\)"),
        (2, "mirrored", 3, r"num_gpus=3, but TensorFlow sees 2 GPUs \(/physical_device:GPU:0, /phys"),
        (8, "one_device", 2, r"distribution_strategy='one_device' uses one: set mirrored"),
        (8, "mirrored", -1, r"num_gpus=-1: a number of GPUs"),
    ],
)
def test_gpus_that_are_not_there_are_refused(gpus, visible, name, asked, message):
    gpus(visible)
    with pytest.raises(ValueError, match=message):
        strategies._choose_gpus(runtime(name, num_gpus=asked), name)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (runtime("horovod"), "distribution_strategy='horovod': expected one of one_device, mirrored"),
        (runtime("tpu"), "needs runtime.tpu: `local`"),
        (runtime("mirrored", worker_hosts="a:1,b:1"), "uses one host: set multi_worker_mirrored"),
        (
            runtime("multi_worker_mirrored", worker_hosts="a:1,b:1"),
            "task_index=-1: with 2 runtime.worker_hosts each host has its own, 0 to 1",
        ),
        (runtime("multi_worker_mirrored", worker_hosts="a:1,b:1", task_index=2), "task_index=2"),
    ],
)
def test_contradictions_are_refused_before_anything_is_built(config, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=message):
        strategies.build(config)


@pytest.mark.parametrize("name", ["one_device", "mirrored", "off", "ONE_DEVICE"])
def test_the_cpu_is_one_replica(name):
    devices = strategies.build(runtime(name, num_gpus=0))
    assert devices.strategy.num_replicas_in_sync == 1
    assert (devices.num_gpus, devices.num_workers) == (0, 1)
    assert "num_gpus=0" in devices.reason or not tf.config.list_physical_devices("GPU")


def params(train, validation):
    def section(batch):
        return types.SimpleNamespace(global_batch_size=batch)

    task = types.SimpleNamespace(train_data=section(train), validation_data=section(validation))
    return types.SimpleNamespace(task=task)


@pytest.mark.parametrize(
    ("batch", "replicas", "message"),
    [
        (10, 4, "train_data.global_batch_size=10 does not divide by the 4 replicas: take 8 or 12"),
        (3, 4, "take 4"),
        (9, 8, "take 8 or 16"),
    ],
)
def test_a_batch_that_does_not_divide_names_the_nearest_that_do(batch, replicas, message):
    with pytest.raises(ValueError, match=message):
        strategies.check_batches(params(batch, 1), replicas, "train")
    with pytest.raises(ValueError, match="validation_data"):
        strategies.check_batches(params(replicas, batch), replicas, "train_and_eval")
    strategies.check_batches(params(replicas, batch), replicas, "train")
    strategies.check_batches(params(batch, replicas), replicas, "continuous_eval")
