"""Devices and the distribution strategy, from the section `runtime`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from official.common import distribute_utils
from official.utils.misc import keras_utils
from official_yolact.configs import experiments
from official_yolact.configs import training as configs

NAMES = ("one_device", "mirrored", "multi_worker_mirrored", "tpu", "off")
_CPU_ONLY = "runtime.num_gpus=0 uses the CPU"


@dataclasses.dataclass(frozen=True)
class Devices:
    """What a run computes on.

    Attributes:
      strategy: distribution strategy.
      num_gpus: GPUs of this host in use.
      num_workers: hosts.
      reason: why these devices.
    """

    strategy: Any
    num_gpus: int
    num_workers: int
    reason: str


def build(runtime: configs.RuntimeConfig) -> Devices:
    """Set up the devices and build the strategy.

    Args:
      runtime: its fields as Model Garden users know them; `num_gpus` None takes all GPUs that are
        visible (one of them with `one_device`), 0 the CPU. With `mirrored` on the CPU each logical CPU
        device is a replica.

    Returns:
      The strategy and what was chosen.

    Raises:
      ValueError: an unknown strategy, more GPUs than there are, several hosts without `task_index`, or
        a TPU without an address.
    """
    name = str(runtime.distribution_strategy).lower()
    if name not in NAMES:
        raise ValueError(f"runtime.distribution_strategy={name!r}: expected one of {', '.join(NAMES)}")
    if name == "tpu":
        return _build_tpu(runtime)
    if runtime.worker_hosts and name != "multi_worker_mirrored":
        raise ValueError(
            f"runtime.worker_hosts is set, but runtime.distribution_strategy={name!r} uses one host: set "
            "multi_worker_mirrored"
        )
    # Before anything is asked of the devices: TensorFlow reads TF_CONFIG once.
    num_workers = _configure_workers(runtime) if name == "multi_worker_mirrored" else 1
    num_gpus, reason = _choose_gpus(runtime, name)
    _configure_gpus(runtime, num_gpus)
    strategy = _build_mirrored_cpus() if name == "mirrored" and not num_gpus else None
    strategy = strategy or distribute_utils.get_distribution_strategy(
        distribution_strategy=name,
        num_gpus=num_gpus,
        all_reduce_alg=runtime.all_reduce_alg,
        num_packs=runtime.num_packs,
    )
    return Devices(strategy, num_gpus, num_workers, reason)


def list_devices(strategy: tf.distribute.Strategy) -> list[str]:
    """Name the devices of this host that a strategy computes on."""
    try:
        return list(strategy.extended.worker_devices)
    except RuntimeError:
        # The default strategy does not say; operations go to the first GPU where there is one.
        found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return [found[0].name]


def check_batches(params: experiments.YolactExperiment, num_replicas: int, mode: str) -> None:
    """Refuse global batches that do not divide by the replicas.

    Args:
      params: the experiment.
      num_replicas: of the strategy.
      mode: of the run: only the data that it reads are looked at.

    Raises:
      ValueError: a batch does not divide.
    """
    for section, part in (("train_data", "train"), ("validation_data", "eval")):
        batch = getattr(params.task, section).global_batch_size
        if part not in mode or batch % num_replicas == 0:
            continue
        below, above = batch // num_replicas * num_replicas, -(-batch // num_replicas) * num_replicas
        nearest = f"{below} or {above}" if below else str(above)
        raise ValueError(
            f"task.{section}.global_batch_size={batch} does not divide by the {num_replicas} replicas: "
            f"take {nearest}"
        )


def _build_tpu(runtime: configs.RuntimeConfig) -> Devices:
    if runtime.tpu is None:
        raise ValueError(
            "runtime.distribution_strategy='tpu' needs runtime.tpu: `local` on a Cloud TPU VM, otherwise the "
            "TPU's name or grpc://address"
        )
    strategy = distribute_utils.get_distribution_strategy("tpu", tpu_address=runtime.tpu)
    return Devices(strategy, 0, 1, f"runtime.tpu={runtime.tpu!r}")


def _configure_workers(runtime: configs.RuntimeConfig) -> int:
    hosts = [host for host in (runtime.worker_hosts or "").split(",") if host.strip()]
    if len(hosts) > 1 and not 0 <= runtime.task_index < len(hosts):
        raise ValueError(
            f"runtime.task_index={runtime.task_index}: with {len(hosts)} runtime.worker_hosts each host has "
            f"its own, 0 to {len(hosts) - 1}"
        )
    num_workers: int = distribute_utils.configure_cluster(runtime.worker_hosts, runtime.task_index)
    return num_workers


def _choose_gpus(runtime: configs.RuntimeConfig, name: str) -> tuple[int, str]:
    visible: Sequence[Any] = tf.config.list_physical_devices("GPU")
    asked, most = runtime.num_gpus, 1 if name in ("one_device", "off") else len(visible)
    if asked is None:
        if not visible:
            return 0, "no GPU is visible to TensorFlow"
        reason = f"runtime.num_gpus is not set and {len(visible)} are visible"
        if most < len(visible):
            reason += f"; runtime.distribution_strategy={name!r} uses one"
        return min(most, len(visible)), reason
    if asked < 0:
        raise ValueError(
            f"runtime.num_gpus={asked}: a number of GPUs, 0 for the CPU, or leave it out for all"
        )
    if asked > len(visible):
        shown = ", ".join(device.name for device in visible) or "none"
        raise ValueError(
            f"runtime.num_gpus={asked}, but TensorFlow sees {len(visible)} GPUs ({shown}): ask for fewer, "
            f"or leave it out for all; {_CPU_ONLY}"
        )
    if asked > most:
        raise ValueError(
            f"runtime.num_gpus={asked}, but runtime.distribution_strategy={name!r} uses one: set mirrored"
        )
    return asked, f"runtime.num_gpus={asked}"


def _configure_gpus(runtime: configs.RuntimeConfig, num_gpus: int) -> None:
    """Hide the GPUs that are not used and let the others take memory as they need it."""
    visible = tf.config.list_physical_devices("GPU")
    if not visible:
        return
    try:
        tf.config.set_visible_devices(visible[:num_gpus], "GPU")
        for device in visible[:num_gpus]:
            tf.config.experimental.set_memory_growth(device, True)
    except RuntimeError as error:
        logging.warning("TensorFlow has begun to use its devices, which stay as they are: %s", error)
    if runtime.gpu_thread_mode and num_gpus:
        keras_utils.set_gpu_thread_mode_and_count(
            runtime.gpu_thread_mode,
            runtime.dataset_num_private_threads,
            num_gpus,
            runtime.per_gpu_thread_count,
        )


def _build_mirrored_cpus() -> Any:
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    return tf.distribute.MirroredStrategy(devices)
