"""Values that can be used and do nothing, or not what they say."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping

from official.modeling.hyperparams import base_config
from official.modeling.hyperparams import oneof
from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.configs import settings
from official_yolact.configs import training
from official_yolact.configs import values
from official_yolact.configs import yolact


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
    ignored = _list_unread_devices(params.runtime)
    if not params.task.model.mask_rescoring:
        for name in ("mask_iou_weight", "min_mask_iou_area"):
            ignored[f"task.losses.{name}"] = "task.model.mask_rescoring is false"
    if not params.task.model.detection_generator.crop_masks:
        for name in ("crop_at", "crop_padding"):
            path = f"task.model.detection_generator.{name}"
            ignored[path] = "task.model.detection_generator.crop_masks is false"
    if not params.task.model.head.predict_quality:
        for path in ("task.losses.quality_weight", "task.model.detection_generator.quality_power"):
            ignored[path] = "task.model.head.predict_quality is false"
    if params.task.model.detection_generator.one_class_iou is None:
        path = "task.model.detection_generator.one_class_factor"
        ignored[path] = "task.model.detection_generator.one_class_iou is null"
    ignored |= {f"task.losses.{name}": why for name, why in _list_unread_losses(params.task.losses).items()}
    if "backbone" in params.task.model.freeze:
        ignored["task.backbone_learning_rate_multiplier"] = "task.model.freeze names the backbone"
    if not params.trainer.early_stopping_patience:
        ignored["trainer.early_stopping_min_delta"] = "trainer.early_stopping_patience is 0"
    for path, why in ignored.items():
        if finding.read(params, path) != finding.read(default, path):
            rule = f"has no effect: {why}"
            yield finding.about(params, path, rule, "delete the line", (), finding.WARNING)
    yield from _find_unread(params, default)


def _list_unread_losses(losses: yolact.Losses) -> dict[str, str]:
    """List the keys of `task.losses` that the chosen losses do not read, each with the reason."""
    ignored = {}
    why = f"task.losses.class_loss is {losses.class_loss}"
    if losses.class_loss == "mined_softmax":
        ignored["focal_gamma"] = why
    else:
        ignored["negatives_per_positive"] = ignored["min_negatives"] = why
    if losses.class_loss != "focal":
        ignored["focal_alpha"] = why
    if losses.assignment != "fixed":
        why = f"task.losses.assignment is {losses.assignment}"
        ignored["positive_iou"] = ignored["negative_iou"] = why
    return ignored


def _list_unread_devices(runtime: training.RuntimeConfig) -> dict[str, str]:
    """List the keys of `runtime` that this strategy and these GPUs do not read, each with the reason."""
    ignored = {}
    if runtime.distribution_strategy not in ("mirrored", "multi_worker_mirrored"):
        ignored["runtime.all_reduce_alg"] = "one device reduces nothing"
    if not runtime.worker_hosts:
        ignored["runtime.task_index"] = "runtime.worker_hosts names no workers"
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
    for path, rule, cure, other in (*_list_unlikely_of_runs(params), *_list_unlikely_of_models(params)):
        yield finding.about(params, path, rule, cure, [other], finding.WARNING)


_Unlikely = tuple[str, str, str, str]
"""Key path, rule, cure, and the path of the other key that the rule reads."""


def _list_unlikely_of_runs(params: experiments.YolactExperiment) -> Iterator[_Unlikely]:
    steps, runtime, gpus = params.trainer.train_steps, params.runtime, params.runtime.num_gpus
    warmup = params.trainer.optimizer_config.warmup
    if warmup.type and 0 < steps <= warmup.get().warmup_steps:
        path = f"trainer.optimizer_config.warmup.{warmup.type}.warmup_steps"
        rule = f"is not below trainer.train_steps ({steps}): the whole training is warm-up"
        yield path, rule, "lower it, or write warmup: {type: null}", "trainer.train_steps"
    for name in ("train_data", "validation_data"):
        batch = getattr(params.task, name).global_batch_size
        if runtime.distribution_strategy == "mirrored" and gpus and batch % gpus:
            rule, cure = f"does not divide by runtime.num_gpus ({gpus})", f"write a multiple of {gpus}"
            yield f"task.{name}.global_batch_size", rule, cure, "runtime.num_gpus"
    if runtime.enable_xla and gpus == 0:
        rule = "has no effect: it acts on GPUs only, and runtime.num_gpus is 0"
        yield "runtime.enable_xla", rule, "delete the line", "runtime.num_gpus"


def _list_unlikely_of_models(params: experiments.YolactExperiment) -> Iterator[_Unlikely]:
    model, decay = params.task.model, params.task.losses.weight_decay
    optimizer, side = params.trainer.optimizer_config.optimizer, max(model.input_size)
    if max(model.anchor.scales) > 4 * side:
        rule = f"has an anchor of more than four times the longer side of task.model.input_size ({side})"
        cure = "write scales in pixels of the input"
        yield "task.model.anchor.scales", rule, cure, "task.model.input_size"
    if params.task.losses.class_loss != "mined_softmax" and not (
        model.class_prior or params.task.init_checkpoint
    ):
        rule = "sums over all anchors, and from random weights without a prior that of the background is huge"
        yield "task.losses.class_loss", rule, "write task.model.class_prior: 0.01", "task.model.class_prior"
    names = ("weight_decay_rate", "weight_decay")
    twice = [name for name in names if getattr(optimizer.get(), name, None)] if decay else []
    for name in twice:
        path = f"trainer.optimizer_config.optimizer.{optimizer.type}.{name}"
        rule = f"decays the weights a second time: task.losses.weight_decay is {decay}"
        yield path, rule, "set one of the two to 0", "task.losses.weight_decay"
    if model.freeze_bn and model.norm_activation.use_sync_bn:
        rule = "has no effect: task.model.freeze_bn is true, so that no statistics are taken"
        path = "task.model.norm_activation.use_sync_bn"
        yield path, rule, "set one of the two to false", "task.model.freeze_bn"


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
