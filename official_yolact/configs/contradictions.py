"""Values that are right alone and wrong together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.configs import values
from official_yolact.configs import yolact

EVALUATED = tuple(
    f"{kind}_{name}"
    for kind in ("box", "mask")
    for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
)
"""The numbers that an evaluation reports, and a best checkpoint can be chosen by."""

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_HIGHEST_BACKBONE_LEVEL = 5
_REDUCTIONS = {"mirrored": ("nccl", "hierarchical_copy"), "multi_worker_mirrored": ("ring", "nccl")}


def check_contradictions(params: experiments.YolactExperiment) -> Iterator[finding.Finding]:
    """Find values that contradict one another.

    Args:
      params: an experiment whose single values are right.

    Yields:
      Findings, each with the other keys that it reads.
    """
    yield from _check_model(params.task.model)
    yield from _check_backbone(params.task.model)
    yield from _check_losses(params.task.losses)
    for name in ("train_data", "validation_data"):
        yield from _check_data(getattr(params.task, name), f"task.{name}.")
    yield from _check_trainer(params)
    yield from _check_best_checkpoint(params.trainer)
    yield from _check_precision(params.runtime)
    yield from _check_devices(params.runtime)
    yield from _check_workers(params.runtime)


def _differ(path: str, value: Any, rule: str, cure: str, *others: str) -> finding.Finding:
    return finding.Finding(path, finding.show(value), rule, cure, others=others)


def _check_model(model: yolact.YolactModel) -> Iterator[finding.Finding]:
    low, high, scales = model.min_level, model.max_level, model.anchor.scales
    if low > high:
        rule = f"must not be above task.model.max_level ({high})"
        yield _differ(
            "task.model.min_level", low, rule, "lower it, or raise max_level", "task.model.max_level"
        )
    elif len(scales) != high - low + 1:
        rule = f"has {len(scales)} scales for the {high - low + 1} levels {low}..{high}"
        yield _differ(
            "task.model.anchor.scales",
            scales,
            rule,
            "give one for each level",
            "task.model.max_level",
            "task.model.min_level",
        )
    backbone, size = model.backbone.type or "", list(model.input_size)
    gives_pyramid = backbone.startswith("spinenet")
    if gives_pyramid != (model.decoder.type == "identity"):
        wanted = "identity" if gives_pyramid else "yolact_fpn"
        rule = f"does not go with backbone {backbone!r}, which needs {wanted!r}"
        path = "task.model.decoder.type"
        yield _differ(path, model.decoder.type, rule, f"write {wanted}", "task.model.backbone.type")
    if gives_pyramid and not values.is_divisible(size):
        rule = "does not suit the backbone: SpineNet needs sides divisible by 128"
        cure = f"write {[max(128, round(side / 128) * 128) for side in size]}"
        yield _differ("task.model.input_size", size, rule, cure, "task.model.backbone.type")


def _check_backbone(model: yolact.YolactModel) -> Iterator[finding.Finding]:
    kind, section = model.backbone.type, model.backbone.get()
    if kind == "vit":
        rule = "gives no pyramid of levels"
        cure = "choose yolact_resnet, resnet, mobilenet, efficientnet or spinenet"
        yield _differ("task.model.backbone.type", kind, rule, cure)
    elif kind in ("spinenet", "spinenet_mobile"):
        for name in ("min_level", "max_level"):
            wanted, given = getattr(model, name), getattr(section, name)
            if wanted != given:
                path = f"task.model.backbone.{kind}.{name}"
                rule = f"is not task.model.{name} ({wanted})"
                yield _differ(path, given, rule, f"write {wanted}", f"task.model.{name}")
    elif model.min_level > _HIGHEST_BACKBONE_LEVEL:
        rule = f"is above the backbone's highest level, {_HIGHEST_BACKBONE_LEVEL}"
        yield _differ("task.model.min_level", model.min_level, rule, "write 3, as YOLACT has it")
    if kind == "yolact_resnet":
        blocks = section.deformable_blocks
        most = _BLOCKS[section.depth]
        if any(given > of for given, of in zip(blocks, most, strict=True)):
            path = "task.model.backbone.yolact_resnet.deformable_blocks"
            rule = f"has more blocks than the stages of depth {section.depth} have: {list(most)}"
            other = "task.model.backbone.yolact_resnet.depth"
            yield _differ(path, blocks, rule, "lower the numbers", other)


def _check_losses(losses: yolact.Losses) -> Iterator[finding.Finding]:
    if losses.negative_iou > losses.positive_iou:
        rule = f"must not be above task.losses.positive_iou ({losses.positive_iou})"
        cure = "anchors between the two are ignored: lower it, or raise positive_iou"
        other = "task.losses.positive_iou"
        yield _differ("task.losses.negative_iou", losses.negative_iou, rule, cure, other)
    weights = ("class_weight", "box_weight", "mask_weight", "semantic_weight")
    if not any(getattr(losses, name) for name in weights):
        rule = "is 0 like box_weight, mask_weight and semantic_weight: nothing is learnt"
        others = [f"task.losses.{name}" for name in weights[1:]]
        yield _differ("task.losses.class_weight", losses.class_weight, rule, "give one a weight", *others)


def _check_data(data: yolact.DataConfig, prefix: str) -> Iterator[finding.Finding]:
    section = data.parser.augment
    if (section.min_scale or 1.0) > (section.max_scale or 1.0):
        path = f"{prefix}parser.augment.min_scale"
        rule = f"must not be above max_scale ({section.max_scale}; null is 1)"
        yield _differ(path, section.min_scale, rule, "set both", f"{prefix}parser.augment.max_scale")
    if data.enable_tf_data_service and not data.tf_data_service_address:
        path, rule = f"{prefix}enable_tf_data_service", "needs the dispatcher's address"
        cure = f"write {prefix}tf_data_service_address: grpc://HOST:PORT"
        yield _differ(path, True, rule, cure, f"{prefix}tf_data_service_address")
    patterns = [data.input_path] if isinstance(data.input_path, str) else data.input_path
    if not isinstance(data.input_path, str) and not all(patterns):
        yield _differ(f"{prefix}input_path", patterns, "holds an empty name", "delete it from the list")


def _check_trainer(params: experiments.YolactExperiment) -> Iterator[finding.Finding]:
    trainer, batch = params.trainer, params.task.train_data.global_batch_size
    loop, summary = trainer.steps_per_loop, trainer.summary_interval
    if summary % loop:
        rule = f"is no multiple of trainer.steps_per_loop ({loop})"
        cure = f"write {max(1, round(summary / loop)) * loop}, or steps_per_loop: {summary}"
        yield _differ("trainer.summary_interval", summary, rule, cure, "trainer.steps_per_loop")
    parts = trainer.gradient_accumulation
    if batch % parts:
        rule = f"does not divide task.train_data.global_batch_size ({batch})"
        cure = f"write a divisor of {batch}"
        other = "task.train_data.global_batch_size"
        yield _differ("trainer.gradient_accumulation", parts, rule, cure, other)


def _check_best_checkpoint(trainer: Any) -> Iterator[finding.Finding]:
    metric, path = trainer.best_checkpoint_eval_metric, "trainer.best_checkpoint_eval_metric"
    if (trainer.best_checkpoint_export_subdir or metric) and metric not in EVALUATED:
        rule = f"expected a number that the evaluation reports: {', '.join(EVALUATED)}"
        other = "trainer.best_checkpoint_export_subdir"
        yield _differ(path, metric, rule, "write mask_AP, or box_AP for boxes", other)
    elif trainer.best_checkpoint_metric_comp == "lower" and metric:
        rule, name = f"would keep the worst {metric}", "trainer.best_checkpoint_metric_comp"
        yield _differ(name, "lower", rule, "write higher", path)
    patience = trainer.early_stopping_patience
    if patience and not metric:
        rule, cure = f"needs {path} to judge by", f"write {path}: mask_AP, or 0 here"
        yield _differ("trainer.early_stopping_patience", patience, rule, cure, path)


def _check_precision(runtime: Any) -> Iterator[finding.Finding]:
    dtype, strategy = runtime.mixed_precision_dtype, runtime.distribution_strategy
    if dtype == "float16" and strategy == "tpu":
        rule = "does not go with runtime.distribution_strategy 'tpu', which has bfloat16"
        other = "runtime.distribution_strategy"
        yield _differ("runtime.mixed_precision_dtype", dtype, rule, "write bfloat16", other)
    elif runtime.loss_scale is not None and dtype != "float16":
        rule = f"is for float16 only, and runtime.mixed_precision_dtype is {dtype!r}"
        cure = "delete the line, or write mixed_precision_dtype: float16"
        other = "runtime.mixed_precision_dtype"
        yield _differ("runtime.loss_scale", runtime.loss_scale, rule, cure, other)


def _check_devices(runtime: Any) -> Iterator[finding.Finding]:
    strategy, num_gpus = runtime.distribution_strategy, runtime.num_gpus
    if strategy in ("one_device", "off") and (num_gpus or 0) > 1:
        rule = f"is more than runtime.distribution_strategy {strategy!r} can use"
        cure = "write distribution_strategy: mirrored, or num_gpus: 1"
        yield _differ("runtime.num_gpus", num_gpus, rule, cure, "runtime.distribution_strategy")
    if runtime.tpu is not None and strategy != "tpu":
        rule = f"names a TPU, but runtime.distribution_strategy is {strategy!r}"
        cure = "write distribution_strategy: tpu, or delete the line"
        yield _differ("runtime.tpu", runtime.tpu, rule, cure, "runtime.distribution_strategy")
    if strategy == "tpu" and num_gpus:
        rule = "asks for GPUs, but runtime.distribution_strategy is 'tpu'"
        yield _differ("runtime.num_gpus", num_gpus, rule, "delete the line", "runtime.distribution_strategy")
    known, chosen = _REDUCTIONS.get(strategy), runtime.all_reduce_alg
    if chosen is not None and known is not None and chosen not in known:
        rule = f"expected one of {', '.join(known)} with {strategy!r}, or null"
        cure = "delete the line to let TensorFlow choose"
        yield _differ("runtime.all_reduce_alg", chosen, rule, cure, "runtime.distribution_strategy")


def _check_workers(runtime: Any) -> Iterator[finding.Finding]:
    stated, index, path = runtime.worker_hosts, runtime.task_index, "runtime.worker_hosts"
    hosts = [host.strip() for host in (stated or "").split(",") if host.strip()]
    if not hosts:
        return
    if runtime.distribution_strategy not in ("multi_worker_mirrored", "tpu") and len(hosts) > 1:
        rule = f"names {len(hosts)} hosts, but distribution_strategy is {runtime.distribution_strategy!r}"
        cure = "write distribution_strategy: multi_worker_mirrored, or delete the line"
        yield _differ(path, stated, rule, cure, "runtime.distribution_strategy")
    wrong = [host for host in hosts if not host.rpartition(":")[0] or not host.rpartition(":")[2].isdigit()]
    if wrong:
        yield _differ(
            path, stated, f"expected HOST:PORT, and {wrong[0]!r} is none", "write 10.0.0.1:2222,..."
        )
    if len(set(hosts)) < len(hosts):
        yield _differ(path, stated, "names a host and port twice", "give each worker its own")
    if not (0 if len(hosts) > 1 else -1) <= index < len(hosts):
        rule = f"expected this worker's number from 0 to {len(hosts) - 1} in runtime.worker_hosts"
        cure = "give every worker its own, for example with the override runtime.task_index=0"
        yield _differ("runtime.task_index", index, rule, cure, path)
