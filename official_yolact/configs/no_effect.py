"""Values that can be used and do nothing, or not what they say."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any

from official.modeling.hyperparams import base_config
from official.modeling.hyperparams import oneof
from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.configs import settings
from official_yolact.configs import values


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
    ignored = {}
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
        if finding.read(params, path) != finding.read(default, path):
            rule = f"has no effect: {why}"
            yield finding.about(params, path, rule, "delete the line", (), finding.WARNING)
    yield from _find_unread(params, default)


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
    config, prefix = trainer.optimizer_config, "trainer.optimizer_config."
    warmup, optimizer, losses = config.warmup, config.optimizer, task.losses
    found: list[tuple[str, ...]] = []  # key path, rule, cure and the other key that the rule reads
    if warmup.type and 0 < trainer.train_steps <= warmup.get().warmup_steps:
        rule = f"is not below trainer.train_steps ({trainer.train_steps}): the whole training is warm-up"
        path = f"{prefix}warmup.{warmup.type}.warmup_steps"
        found.append((path, rule, "lower it, or write warmup: {type: null}", "trainer.train_steps"))
    if runtime.distribution_strategy == "mirrored" and (gpus := runtime.num_gpus):
        rule, cure = f"does not divide by runtime.num_gpus ({gpus})", f"write a multiple of {gpus}"
        found += [
            (f"task.{name}.global_batch_size", rule, cure, "runtime.num_gpus")
            for name in ("train_data", "validation_data")
            if getattr(task, name).global_batch_size % gpus
        ]
    if runtime.enable_xla and runtime.num_gpus == 0:
        rule = "has no effect: it acts on GPUs only, and runtime.num_gpus is 0"
        found.append(("runtime.enable_xla", rule, "delete the line", "runtime.num_gpus"))
    side = max(task.model.input_size)
    if max(task.model.anchor.scales) > 4 * side:
        rule = f"has an anchor of more than four times the longer side of task.model.input_size ({side})"
        cure = "write scales in pixels of the input"
        found.append(("task.model.anchor.scales", rule, cure, "task.model.input_size"))
    if getattr(optimizer.get(), "weight_decay_rate", 0.0) and losses.weight_decay:
        rule = f"decays the weights a second time: task.losses.weight_decay is {losses.weight_decay}"
        path = f"{prefix}optimizer.{optimizer.type}.weight_decay_rate"
        found.append((path, rule, "set one of the two to 0", "task.losses.weight_decay"))
    if task.model.freeze_bn and task.model.norm_activation.use_sync_bn:
        rule = "has no effect: task.model.freeze_bn is true, so that no statistics are taken"
        path = "task.model.norm_activation.use_sync_bn"
        found.append((path, rule, "set one of the two to false", "task.model.freeze_bn"))
    for path, rule, cure, other in found:
        yield finding.about(params, path, rule, cure, [other], finding.WARNING)


def _find_unread(
    config: base_config.Config,
    default: base_config.Config,
    prefix: str = "",
    below: Mapping[str, settings.Setting] = types.MappingProxyType({}),
) -> Iterator[finding.Finding]:
    """Find fields that are never read, and sections beside the one that `type` chooses, that were changed."""
    known = {**values.describe(config), **below}
    for field in dataclasses.fields(config):
        value, before = getattr(config, field.name), getattr(default, field.name)
        path = f"{prefix}{field.name}"
        if not isinstance(value, base_config.Config):
            why = known[field.name].unread if field.name in known else ""
            if why and value != before:
                rule, shown = f"has no effect: {why}", finding.show(value)
                yield finding.Finding(path, shown, rule, "delete the line", finding.WARNING)
        elif not isinstance(before, base_config.Config):
            continue
        elif not isinstance(config, oneof.OneOfConfig) or field.name == config.type:
            yield from _find_unread(value, before, f"{path}.", settings.read(field)[1])
        elif vars(value) != vars(before) and getattr(default, "type", None) != field.name:
            rule = f"has no effect: {prefix}type is {config.type!r}"
            cure = f"write {prefix}type: {field.name}, or delete the section"
            shown, others = finding.show(f"{len(vars(value))} keys"), (f"{prefix}type",)
            yield finding.Finding(path, shown, rule, cure, finding.WARNING, others=others)
