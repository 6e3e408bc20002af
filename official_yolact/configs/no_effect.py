"""Values that can be used and do nothing, or not what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from official.modeling.hyperparams import base_config
from official.modeling.hyperparams import oneof
from official_yolact.configs import experiments
from official_yolact.configs import finding

_SERVICE = "only tf_data_service_address and tf_data_service_job_name are used"
_DATA = {
    "tfds_split": "TFRecords are named in input_path",
    "tfds_data_dir": "TFRecords are named in input_path",
    "tfds_as_supervised": "TFRecords are named in input_path",
    "tfds_skip_decoding_feature": "TFRecords are named in input_path",
    "sharding": "each input pipeline takes its part of the positions",
    "ram_budget": "tf.data decides by itself",
    "autotune_algorithm": "tf.data decides by itself",
    "trainer_id": _SERVICE,
    "enable_shared_tf_data_service_between_parallel_trainers": _SERVICE,
    "apply_tf_data_service_before_batching": _SERVICE,
}
_IGNORED: dict[str, str] = {
    "task.name": "the task is the experiment's",
    "task.allow_image_summary": "trainer.num_pictures draws pictures",
    "task.train_data.drop_remainder": "training repeats its data, and every batch is full",
    "runtime.run_eagerly": "the training step is always compiled into a graph",
    "runtime.batchnorm_spatial_persistent": "set TF_USE_CUDNN_BATCHNORM_SPATIAL_PERSISTENT=1 instead",
    "runtime.num_cores_per_replica": "a replica is one core",
    "runtime.default_shard_dim": "a replica is one core",
    "runtime.use_tpu_mp_strategy": "a replica is one core",
    **{
        f"task.{section}.{name}": why
        for section in ("train_data", "validation_data")
        for name, why in _DATA.items()
    },
}
_VALIDATION_ONLY_TRAIN = ("seed", "shuffle_buffer_size", "cycle_length", "block_length")


def find_ignored(
    params: experiments.YolactExperiment, default: experiments.YolactExperiment
) -> Iterator[finding.Finding]:
    """Find fields that were changed from the experiment's value and are not read.

    Args:
      params: an experiment without errors.
      default: the same experiment as it is registered.

    Yields:
      Warnings.
    """
    ignored = dict(_IGNORED)
    for name in _VALIDATION_ONLY_TRAIN:
        ignored[f"task.validation_data.{name}"] = "validation reads its records in order"
    if params.runtime.distribution_strategy not in ("mirrored", "multi_worker_mirrored"):
        ignored["runtime.all_reduce_alg"] = "one device reduces nothing"
    ignored.update(_list_unused_by_devices(params.runtime))
    if not params.runtime.worker_hosts:
        ignored["runtime.task_index"] = "runtime.worker_hosts names no workers"
    if not params.task.model.mask_rescoring:
        ignored["task.losses.mask_iou_weight"] = "task.model.mask_rescoring is false"
        ignored["task.losses.min_mask_iou_area"] = "task.model.mask_rescoring is false"
    if not params.trainer.early_stopping_patience:
        ignored["trainer.early_stopping_min_delta"] = "trainer.early_stopping_patience is 0"
    for path, why in ignored.items():
        value = _get(params, path)
        if value != _get(default, path):
            cure = "delete the line"
            yield _warn(path, value, f"has no effect: {why}", cure)
    yield from _find_unchosen(params, default, "")


def _list_unused_by_devices(runtime: Any) -> dict[str, str]:
    """Give the settings of GPUs that a run does not come to, and why."""
    ignored = {}
    if runtime.distribution_strategy == "tpu" or runtime.num_gpus == 0:
        ignored["runtime.gpu_thread_mode"] = ignored["runtime.per_gpu_thread_count"] = "the run uses no GPU"
    elif not runtime.gpu_thread_mode:
        ignored["runtime.per_gpu_thread_count"] = "runtime.gpu_thread_mode is not set"
    if runtime.distribution_strategy != "mirrored":
        ignored["runtime.num_packs"] = "only mirrored reduces in packs"
    elif not runtime.all_reduce_alg:
        ignored["runtime.num_packs"] = "runtime.all_reduce_alg is not set"
    return ignored


def find_unlikely(params: experiments.YolactExperiment) -> Iterator[finding.Finding]:
    """Find values that can be used, and are hardly meant.

    Args:
      params: an experiment without errors, its schedule scaled to the batch.

    Yields:
      Warnings.
    """
    trainer, runtime, task = params.trainer, params.runtime, params.task
    warmup, prefix = trainer.optimizer_config.warmup, "trainer.optimizer_config."
    steps = warmup.get().warmup_steps if warmup.type else 0
    if 0 < trainer.train_steps <= steps:
        rule = f"is not below trainer.train_steps ({trainer.train_steps}): the whole training is warm-up"
        path = f"{prefix}warmup.{warmup.type}.warmup_steps"
        yield _warn(path, steps, rule, "lower it, or write warmup: {type: null}", "trainer.train_steps")
    if runtime.distribution_strategy == "mirrored" and runtime.num_gpus:
        for name in ("train_data", "validation_data"):
            batch = getattr(task, name).global_batch_size
            if batch % runtime.num_gpus:
                rule = f"does not divide by runtime.num_gpus ({runtime.num_gpus})"
                cure = f"write a multiple of {runtime.num_gpus}"
                yield _warn(f"task.{name}.global_batch_size", batch, rule, cure, "runtime.num_gpus")
    if runtime.enable_xla and runtime.num_gpus == 0:
        rule = "has no effect: it acts on GPUs only, and runtime.num_gpus is 0"
        yield _warn("runtime.enable_xla", True, rule, "delete the line", "runtime.num_gpus")
    scales, side = task.model.anchor.scales, max(task.model.input_size)
    if max(scales) > 4 * side:
        rule = f"has an anchor of more than four times the longer side of task.model.input_size ({side})"
        cure, path = "write scales in pixels of the input", "task.model.anchor.scales"
        yield _warn(path, scales, rule, cure, "task.model.input_size")
    decay = f"{prefix}optimizer.{trainer.optimizer_config.optimizer.type}.weight_decay_rate"
    inner = getattr(trainer.optimizer_config.optimizer.get(), "weight_decay_rate", 0.0)
    if inner and task.losses.weight_decay:
        rule = f"decays the weights a second time: task.losses.weight_decay is {task.losses.weight_decay}"
        yield _warn(decay, inner, rule, "set one of the two to 0", "task.losses.weight_decay")
    if task.model.freeze_bn and task.model.norm_activation.use_sync_bn:
        rule = "has no effect: task.model.freeze_bn is true, so that no statistics are taken"
        path = "task.model.norm_activation.use_sync_bn"
        yield _warn(path, True, rule, "set one of the two to false", "task.model.freeze_bn")


def _warn(path: str, value: Any, rule: str, cure: str, *others: str) -> finding.Finding:
    return finding.Finding(path, finding.show(value), rule, cure, finding.WARNING, others=others)


def _get(config: Any, path: str) -> Any:
    for key in path.split("."):
        config = getattr(config, key)
    return list(config) if isinstance(config, tuple) else config


def _find_unchosen(
    config: base_config.Config, default: base_config.Config, prefix: str
) -> Iterator[finding.Finding]:
    """Find sections that were changed beside the one that `type` chooses."""
    for field in dataclasses.fields(config):
        value, before, path = (
            getattr(config, field.name),
            getattr(default, field.name),
            f"{prefix}{field.name}",
        )
        if not isinstance(value, base_config.Config):
            continue
        is_unchosen = isinstance(config, oneof.OneOfConfig) and field.name != config.type
        if is_unchosen and isinstance(before, base_config.Config):
            chosen_before = isinstance(default, oneof.OneOfConfig) and field.name == default.type
            if not chosen_before and vars(value) != vars(before):
                rule = f"has no effect: {prefix}type is {getattr(config, 'type', None)!r}"
                cure = f"write {prefix}type: {field.name}, or delete the section"
                yield _warn(path, f"{len(vars(value))} keys", rule, cure, f"{prefix}type")
        elif isinstance(before, base_config.Config):
            yield from _find_unchosen(value, before, f"{path}.")
