"""What a run is, in a block of lines at its start."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tf_keras

from official.modeling import optimization
from official_yolact.configs import experiments
from official_yolact.configs import training as configs
from official_yolact.configs import yolact
from official_yolact.dataloaders import manifests
from official_yolact.dataloaders import repeats as repeats_lib
from official_yolact.dataloaders import shards as shards_lib
from official_yolact.environment import precision
from official_yolact.files import storage
from official_yolact.records import manifest as manifest_lib
from official_yolact.records import repeat_factors
from official_yolact.training import strategies
from official_yolact.weights import named_weights


def describe_run(
    params: experiments.YolactExperiment,
    mode: str,
    model_dir: str,
    devices: strategies.Devices,
    model: tf_keras.Model,
    restored: str | None,
) -> str:
    """Write what a run is.

    Args:
      params: the experiment as it runs, with what was left open decided.
      mode: of the run.
      model_dir: its directory.
      devices: what it computes on.
      model: with its weights.
      restored: checkpoint that it goes on from; None: it begins.

    Returns:
      Lines; one for each subject.
    """
    trains, task = "train" in mode, params.task
    repeats = _find_repeats(task.train_data, task.model.num_classes) if trains else None
    rows = [
        ("mode", mode),
        ("devices", f"{_describe_devices(devices)} ({devices.reason})"),
        ("strategy", _describe_strategy(params.runtime, devices)),
        ("precision", _describe_precision(params.runtime, devices)),
    ]
    if trains:
        rows += [
            ("batch", _describe_batch(params, devices.strategy.num_replicas_in_sync)),
            ("learning rate", _describe_learning_rate(params)),
            ("steps", _describe_steps(params, mode, repeats)),
        ]
    rows += [
        ("parameters", _describe_parameters(model, task.model)),
        ("weights", _describe_weights(task, trains, restored)),
    ]
    if trains:
        rows += [("training data", _describe_data(task.train_data, repeats, task.model.num_classes))]
    if "eval" in mode:
        rows += [("validation data", _describe_data(task.validation_data))]
    rows += [("directory", os.path.abspath(model_dir) if not storage.is_remote(model_dir) else model_dir)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:{width}}  {text}" for name, text in rows)


def describe_schedule(config: configs.OptimizationConfig) -> str:
    """Write a learning rate with its warm-up and where it changes.

    Args:
      config: of the optimizer, with the schedule scaled to the batch.

    Returns:
      One line.
    """
    rate = config.learning_rate
    values = rate.get().as_dict()
    if rate.type == "constant":
        text = f"{values['learning_rate']:g}"
    elif rate.type == "stepwise":
        later = [
            f"{value:g} from step {boundary:,}"
            for boundary, value in zip(values["boundaries"], values["values"][1:], strict=True)
        ]
        text = ", ".join([f"{values['values'][0]:g}", *later])
    else:
        told = (f"{key} {_shorten(value)}" for key, value in values.items() if key not in ("name", "offset"))
        text = f"{rate.type}: {', '.join(told)}"
    if not config.warmup or not config.warmup.type:
        return text
    warmup = config.warmup.get()
    first = optimization.OptimizerFactory(config).build_learning_rate()(tf.constant(0))
    return f"{text}; {warmup.warmup_steps:,} steps of warm-up ({config.warmup.type}) from {float(first):g}"


def _describe_devices(devices: strategies.Devices) -> str:
    if _has_tpu(devices):
        return f"{devices.strategy.num_replicas_in_sync} TPU cores"
    if not devices.num_gpus:
        return f"CPU, {len(os.sched_getaffinity(0))} cores"
    found = tf.config.list_physical_devices("GPU")[: devices.num_gpus]
    models = [_name_gpu(device) for device in found]
    counts = [f"{models.count(model)} × {model}" for model in sorted(set(models))]
    return ", ".join(counts)


def _has_tpu(devices: strategies.Devices) -> bool:
    return any("TPU" in name.upper() for name in strategies.list_devices(devices.strategy))


def _name_gpu(device: Any) -> str:
    details = tf.config.experimental.get_device_details(device)
    return str(details.get("device_name", "GPU"))


def _describe_strategy(runtime: configs.RuntimeConfig, devices: strategies.Devices) -> str:
    replicas = devices.strategy.num_replicas_in_sync
    text = f"{runtime.distribution_strategy}, {_count(replicas, 'replica')}"
    if devices.num_workers > 1:
        return f"{text} on {devices.num_workers} workers, this is worker {_find_index(runtime)} (from 0)"
    return text


def _find_index(runtime: configs.RuntimeConfig) -> int:
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    return int(runtime.task_index if resolver.task_id is None else resolver.task_id)


def _describe_precision(runtime: configs.RuntimeConfig, devices: strategies.Devices) -> str:
    policy = tf_keras.mixed_precision.global_policy()
    text = f"compute {policy.compute_dtype}, variables {policy.variable_dtype}"
    if policy.compute_dtype == "float16":
        text += f", loss scale {runtime.loss_scale or 'dynamic'}"
    # Model Garden compiles by XLA with GPUs only; a TPU always does.
    is_compiled = _has_tpu(devices) or (runtime.enable_xla and runtime.num_gpus)
    text += f"; XLA {'on' if is_compiled else 'off'}"
    instructions = "" if devices.num_gpus or _has_tpu(devices) else precision.find_bfloat16_instructions()
    if instructions and policy.compute_dtype == "float32":
        text += f"; bfloat16 is faster here ({instructions}): runtime.mixed_precision_dtype=bfloat16"
    return text


def _describe_batch(params: experiments.YolactExperiment, num_replicas: int) -> str:
    batch, parts = params.task.train_data.global_batch_size, params.trainer.gradient_accumulation
    text = f"{_count(batch, 'image')} a step, {batch // num_replicas} a replica"
    return f"{text} in {parts} parts of {batch // num_replicas // parts}" if parts > 1 else text


def _describe_learning_rate(params: experiments.YolactExperiment) -> str:
    config, multiplier = params.trainer.optimizer_config, params.task.backbone_learning_rate_multiplier
    average = ", moving average of the weights" if config.ema else ""
    backbone = f", {multiplier:g} times that for the backbone" if multiplier != 1 else ""
    return f"{describe_schedule(config)}{backbone} ({config.optimizer.type}{average})"


def _describe_steps(
    params: experiments.YolactExperiment, mode: str, repeats: repeat_factors.Repeats | None
) -> str:
    trainer, data = params.trainer, params.task.train_data
    length = repeats.epoch_length if repeats else _count_data(data)[0]
    epochs = trainer.train_steps * data.global_batch_size / max(length, 1)
    text = (
        f"{trainer.train_steps:,} ({epochs:.1f} epochs); a line every {trainer.steps_per_loop:,}, "
        f"a checkpoint every {trainer.checkpoint_interval:,}"
    )
    if mode == "train_and_eval":
        text += f", an evaluation every {trainer.validation_interval:,}"
    if trainer.early_stopping_patience and mode == "train_and_eval":
        text += f", ends after {trainer.early_stopping_patience} evaluations without a better one"
    return text


def _describe_parameters(model: tf_keras.Model, config: yolact.YolactModel) -> str:
    trainable, total = _count_values(model.trainable_variables), _count_values(model.variables)
    frozen = []
    if config.freeze_bn:
        frozen.append("every batch norm")
    if config.freeze_backbone_level:
        frozen.append(f"the backbone up to level {config.freeze_backbone_level}")
    frozen.extend(f"all of {name}" for name in config.freeze)
    return f"{trainable:,} of {total:,} are trained; frozen: {' and '.join(frozen) or 'nothing'}"


def _describe_weights(task: yolact.YolactTask, trains: bool, restored: str | None) -> str:
    if restored:
        return f"{restored}, all of it"
    if task.init_checkpoint:
        modules = named_weights.choose_modules(task.init_checkpoint, task.init_checkpoint_modules)
        return f"{task.init_checkpoint} ({modules}); see init_checkpoint above"
    return f"random, seed {task.seed}" if trains else "none yet"


def _describe_data(
    data: yolact.DataConfig, repeats: repeat_factors.Repeats | None = None, num_classes: int = 0
) -> str:
    num_records, num_instances = _count_data(data)
    files = shards_lib.list_files(data.input_path)
    instances = "" if num_instances is None else f", {_count(num_instances, 'instance')}"
    text = f"{_count(num_records, 'record')}{instances} in {_count(len(files), 'file')}: {data.input_path}"
    if repeats:
        text += f"; an epoch shows {_count(repeats.epoch_length, 'example')}: photos of "
        names = manifests.load_class_names(data.input_path, num_classes)
        text += repeat_factors.describe_factors(names, repeats.class_factors)
    if data.enable_tf_data_service:
        text += f"; tf.data service at {data.tf_data_service_address}: order not repeatable"
    return text


def _find_repeats(data: yolact.DataConfig, num_classes: int) -> repeat_factors.Repeats | None:
    if not data.repeat_threshold:
        return None
    # Whether a shard's sum is right has been looked at, or will be, by the pipeline.
    verify = "records" if data.verify == "sha256" else data.verify
    shards = shards_lib.find_shards(data.input_path, num_classes, verify)
    return repeats_lib.find_repeats(data, shards, num_classes)


def _count_data(data: yolact.DataConfig) -> tuple[int, int | None]:
    """Count records and, where the manifests say, instances."""
    files = set(shards_lib.list_files(data.input_path))
    entries = [
        shard
        for path, manifest in manifest_lib.find(files).items()
        for file, shard in manifest.list_shards(path).items()
        if file in files
    ]
    if len(entries) != len(files):
        # Without manifests each file has to be looked at.
        return shards_lib.find_shards(data.input_path, verify="sizes").num_records, None
    return sum(shard.records for shard in entries), sum(shard.instances for shard in entries)


def _count_values(variables: Iterable[tf.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shorten(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
