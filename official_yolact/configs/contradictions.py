"""Values that are right alone and wrong together."""

from __future__ import annotations

import math
from collections.abc import Iterator

from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.configs import schedules
from official_yolact.configs import yolact
from official_yolact.weights import named_weights

EVALUATED = tuple(
    f"{kind}_{name}"
    for kind in ("box", "mask")
    for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
)
"""The numbers that an evaluation reports, and a best checkpoint can be chosen by."""

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_HIGHEST_BACKBONE_LEVEL = 5
_DIVISIBLE = 128  # SpineNet adds levels of different strides
_REDUCTIONS = {"mirrored": ("nccl", "hierarchical_copy"), "multi_worker_mirrored": ("ring", "nccl")}
_PIXEL = 1.0  # the original's mean and torchvision's differ by half a grey level
_STRATEGY = "runtime.distribution_strategy"
_OPTIMIZATION = "trainer.optimizer_config."
OF_MANY_RATES = ("torch_sgd", "sgd", "adam", "adamw", "lamb", "lars", "rmsprop", "adagrad")

_Contradiction = tuple[str, ...]
"""Key path, rule, cure, and the paths of the other keys that the rule reads."""


def check_contradictions(params: experiments.YolactExperiment) -> Iterator[finding.Finding]:
    """Find values that contradict one another.

    Args:
      params: an experiment whose single values are right.

    Yields:
      Findings, each with the other keys that it reads.
    """
    for check in (
        _check_levels,
        _check_backbone,
        _check_losses,
        _check_data,
        _check_trainer,
        _check_best_checkpoint,
        _check_precision,
        _check_devices,
        _check_workers,
        _check_steps,
        _check_clipping,
        _check_multiplier,
        _check_scaling,
        _check_weights,
    ):
        for path, rule, cure, *others in check(params):
            yield finding.about(params, path, rule, cure, others)


def _check_levels(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    model, keys = params.task.model, ("task.model.max_level", "task.model.min_level")
    low, high, scales = model.min_level, model.max_level, model.anchor.scales
    if low > high:
        yield keys[1], f"must not be above {keys[0]} ({high})", "lower it, or raise max_level", keys[0]
    elif len(scales) != high - low + 1:
        rule = f"has {len(scales)} scales for the {high - low + 1} levels {low}..{high}"
        yield "task.model.anchor.scales", rule, "give one for each level", *keys


def _check_backbone(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    model, path = params.task.model, "task.model.backbone"
    kind, section, size = model.backbone.type or "", model.backbone.get(), list(model.input_size)
    gives_pyramid = kind.startswith("spinenet")
    if gives_pyramid != (model.decoder.type == "identity"):
        wanted = "identity" if gives_pyramid else "yolact_fpn"
        rule = f"does not go with backbone {kind!r}, which needs {wanted!r}"
        yield "task.model.decoder.type", rule, f"write {wanted}", f"{path}.type"
    if gives_pyramid and any(side % _DIVISIBLE for side in size):
        rule = f"does not suit the backbone: SpineNet needs sides divisible by {_DIVISIBLE}"
        cure = f"write {[max(1, round(side / _DIVISIBLE)) * _DIVISIBLE for side in size]}"
        yield "task.model.input_size", rule, cure, f"{path}.type"
    if kind == "vit":
        cure = "choose yolact_resnet, resnet, mobilenet, efficientnet or spinenet"
        yield f"{path}.type", "gives no pyramid of levels", cure
    elif kind in ("spinenet", "spinenet_mobile"):
        for name in ("min_level", "max_level"):
            if (wanted := getattr(model, name)) != getattr(section, name):
                other = f"task.model.{name}"
                yield f"{path}.{kind}.{name}", f"is not {other} ({wanted})", f"write {wanted}", other
    elif model.min_level > _HIGHEST_BACKBONE_LEVEL:
        rule = f"is above the backbone's highest level, {_HIGHEST_BACKBONE_LEVEL}"
        yield "task.model.min_level", rule, "write 3, as YOLACT has it"
    if kind == "yolact_resnet":
        most = _BLOCKS[section.depth]
        if any(given > of for given, of in zip(section.deformable_blocks, most, strict=True)):
            rule = f"has more blocks than the stages of depth {section.depth} have: {list(most)}"
            yield f"{path}.{kind}.deformable_blocks", rule, "lower the numbers", f"{path}.{kind}.depth"


def _check_losses(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    losses, prefix = params.task.losses, "task.losses."
    if losses.negative_iou > losses.positive_iou:
        rule = f"must not be above {prefix}positive_iou ({losses.positive_iou})"
        cure = "anchors between the two are ignored: lower it, or raise positive_iou"
        yield f"{prefix}negative_iou", rule, cure, f"{prefix}positive_iou"
    weights = ("class_weight", "box_weight", "mask_weight", "semantic_weight")
    if not any(getattr(losses, name) for name in weights):
        rule = "is 0 like box_weight, mask_weight and semantic_weight: nothing is learnt"
        first, *others = [f"{prefix}{name}" for name in weights]
        yield first, rule, "give one a weight", *others


def _check_data(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    for name in ("train_data", "validation_data"):
        data, prefix = getattr(params.task, name), f"task.{name}."
        augment, path = data.parser.augment, f"{prefix}parser.augment."
        if (augment.min_scale or 1.0) > (augment.max_scale or 1.0):
            rule = f"must not be above max_scale ({augment.max_scale}; null is 1)"
            yield f"{path}min_scale", rule, "set both", f"{path}max_scale"
        if data.enable_tf_data_service and not data.tf_data_service_address:
            address = f"{prefix}tf_data_service_address"
            cure = f"write {address}: grpc://HOST:PORT"
            yield f"{prefix}enable_tf_data_service", "needs the dispatcher's address", cure, address
        if not isinstance(data.input_path, str) and not all(data.input_path):
            yield f"{prefix}input_path", "holds an empty name", "delete it from the list"


def _check_trainer(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    trainer, batch = params.trainer, params.task.train_data.global_batch_size
    loop, summary = trainer.steps_per_loop, trainer.summary_interval
    if summary % loop:
        rule = f"is no multiple of trainer.steps_per_loop ({loop})"
        cure = f"write {max(1, round(summary / loop)) * loop}, or steps_per_loop: {summary}"
        yield "trainer.summary_interval", rule, cure, "trainer.steps_per_loop"
    if batch % trainer.gradient_accumulation:
        other = "task.train_data.global_batch_size"
        cure = f"write a divisor of {batch}"
        yield "trainer.gradient_accumulation", f"does not divide {other} ({batch})", cure, other


def _check_best_checkpoint(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    trainer, path = params.trainer, "trainer.best_checkpoint_eval_metric"
    metric = trainer.best_checkpoint_eval_metric
    if (trainer.best_checkpoint_export_subdir or metric) and metric not in EVALUATED:
        rule = f"expected a number that the evaluation reports: {', '.join(EVALUATED)}"
        yield path, rule, "write mask_AP, or box_AP for boxes", "trainer.best_checkpoint_export_subdir"
    elif trainer.best_checkpoint_metric_comp == "lower" and metric:
        rule = f"would keep the worst {metric}"
        yield "trainer.best_checkpoint_metric_comp", rule, "write higher", path
    if trainer.early_stopping_patience and not metric:
        cure = f"write {path}: mask_AP, or 0 here"
        yield "trainer.early_stopping_patience", f"needs {path} to judge by", cure, path


def _check_precision(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    runtime, path = params.runtime, "runtime.mixed_precision_dtype"
    dtype = runtime.mixed_precision_dtype
    if dtype == "float16" and runtime.distribution_strategy == "tpu":
        yield path, f"does not go with {_STRATEGY} 'tpu', which has bfloat16", "write bfloat16", _STRATEGY
    elif runtime.loss_scale is not None and dtype != "float16":
        cure = "delete the line, or write mixed_precision_dtype: float16"
        yield "runtime.loss_scale", f"is for float16 only, and {path} is {dtype!r}", cure, path


def _check_devices(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    runtime, gpus = params.runtime, "runtime.num_gpus"
    strategy, num_gpus, reduction = runtime.distribution_strategy, runtime.num_gpus, runtime.all_reduce_alg
    if strategy in ("one_device", "off") and (num_gpus or 0) > 1:
        cure = "write distribution_strategy: mirrored, or num_gpus: 1"
        yield gpus, f"is more than {_STRATEGY} {strategy!r} can use", cure, _STRATEGY
    if runtime.tpu is not None and strategy != "tpu":
        cure = "write distribution_strategy: tpu, or delete the line"
        yield "runtime.tpu", f"names a TPU, but {_STRATEGY} is {strategy!r}", cure, _STRATEGY
    if strategy == "tpu" and num_gpus:
        yield gpus, f"asks for GPUs, but {_STRATEGY} is 'tpu'", "delete the line", _STRATEGY
    known = _REDUCTIONS.get(strategy, (reduction,))
    if reduction is not None and reduction not in known:
        rule = f"expected one of {', '.join(known)} with {strategy!r}, or null"
        yield "runtime.all_reduce_alg", rule, "delete the line to let TensorFlow choose", _STRATEGY


def _check_workers(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    runtime, path = params.runtime, "runtime.worker_hosts"
    hosts = [host.strip() for host in (runtime.worker_hosts or "").split(",") if host.strip()]
    strategy = runtime.distribution_strategy
    if not hosts:
        return
    if strategy not in ("multi_worker_mirrored", "tpu") and len(hosts) > 1:
        rule = f"names {len(hosts)} hosts, but distribution_strategy is {strategy!r}"
        yield path, rule, "write distribution_strategy: multi_worker_mirrored, or delete the line", _STRATEGY
    wrong = [host for host in hosts if not host.rpartition(":")[0] or not host.rpartition(":")[2].isdigit()]
    if wrong:
        yield path, f"expected HOST:PORT, and {wrong[0]!r} is none", "write 10.0.0.1:2222,..."
    if len(set(hosts)) < len(hosts):
        yield path, "names a host and port twice", "give each worker its own"
    if not (0 if len(hosts) > 1 else -1) <= runtime.task_index < len(hosts):
        rule = f"expected this worker's number from 0 to {len(hosts) - 1} in {path}"
        cure = "give every worker its own, for example with the override runtime.task_index=0"
        yield "runtime.task_index", rule, cure, path


def _check_steps(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    """Check a learning rate that changes at given steps."""
    kind, prefix = params.trainer.optimizer_config.learning_rate.type, f"{_OPTIMIZATION}learning_rate."
    if kind == "flat_cosine":
        flat, end = (finding.read(params, f"{prefix}{kind}.{name}") for name in ("flat_steps", "decay_steps"))
        if end is not None and flat >= end:
            rule, other = f"is not below decay_steps ({end})", f"{prefix}{kind}.decay_steps"
            yield f"{prefix}{kind}.flat_steps", rule, f"write {end // 2}, half of them", other
    if kind not in ("stepwise", "step_cosine_with_offset"):
        return
    paths = [f"{prefix}{kind}.{name}" for name in ("boundaries", "values")]
    boundaries, rates = (finding.read(params, path) for path in paths)
    for path, value in zip(paths, (boundaries, rates), strict=True):
        if value is None:
            yield path, "expected a list of numbers", "write [280000, 600000] or the like"
    if boundaries is None or rates is None:
        return
    positive = sorted({step for step in boundaries if step > 0})
    if list(boundaries) != positive:
        yield paths[0], "expected steps above 0 that increase", f"write {positive}"
    if not rates or min(rates) <= 0:
        yield paths[1], "expected rates above 0", "correct the others"
    wanted = len(boundaries) + (kind == "stepwise")
    if len(rates) != wanted:
        rule = f"has {len(rates)} rates for {len(boundaries)} boundaries, expected {wanted}"
        cure = "give one before each boundary" + (" and one after the last" if kind == "stepwise" else "")
        yield paths[1], rule, cure, paths[0]


def _check_clipping(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    choice = params.trainer.optimizer_config.optimizer
    section, prefix = getattr(choice, choice.type or "", None), f"{_OPTIMIZATION}optimizer.{choice.type}."
    names = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(section, name, None)]
    if len(names) > 1:
        rule = f"is set beside {names[0]}: gradients are clipped one way"
        yield f"{prefix}{names[1]}", rule, "keep one of them", f"{prefix}{names[0]}"


def _check_multiplier(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    kind = params.trainer.optimizer_config.optimizer.type
    if params.task.backbone_learning_rate_multiplier != 1 and kind not in OF_MANY_RATES:
        other = f"{_OPTIMIZATION}optimizer.type"
        rule = f"does not go with {other} {kind!r}, which has one rate for all variables"
        cure = f"write 1, or take one of {', '.join(OF_MANY_RATES)}"
        yield "task.backbone_learning_rate_multiplier", rule, cure, other


def _check_scaling(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    written, batch = params.schedule_batch_size, params.task.train_data.global_batch_size
    kind = params.trainer.optimizer_config.learning_rate.type
    if written not in (0, batch) and kind is not None and kind not in schedules.SCALED_KINDS:
        key, batch_key = "schedule_batch_size", "task.train_data.global_batch_size"
        rule = f"cannot be scaled from {key} {written} to {batch_key} {batch}"
        known = ", ".join(schedules.SCALED_KINDS)
        cure = f"write it for batch {batch} and set {key}={batch}, or choose one of {known}"
        yield f"{_OPTIMIZATION}learning_rate.type", rule, cure, key, batch_key


def _check_weights(params: experiments.YolactExperiment) -> Iterator[_Contradiction]:
    """Check weights by name: that they exist, and fit the backbone and the pixels that it sees."""
    model, path, checkpoint = params.task.model, "task.init_checkpoint", params.task.init_checkpoint or ""
    if not named_weights.is_name(checkpoint):
        return
    try:
        entry = named_weights.find(checkpoint)
    except ValueError as error:
        rule = "is no file or folder, and no name of weights"
        yield path, rule, f"`yolact weights list` shows them: {error}"
        return
    backbone, section = "task.model.backbone", model.backbone.get()
    keys = (f"{backbone}.type", *(f"{backbone}.{entry.backbone}.{key}" for key in entry.settings))
    if not _fits(entry, model.backbone):
        found = {
            key: getattr(section, key)
            for key in ("model_id", "filter_size_scale", "depth")
            if hasattr(section, key)
        }
        here = ", ".join([str(model.backbone.type), *(f"{key} {value}" for key, value in found.items())])
        alike = (one for one in named_weights.ENTRIES.values() if one.modules == entry.modules)
        right = [one.name for one in alike if _fits(one, model.backbone)]
        other = f"take an experiment with backbone {entry.backbone}"
        cure = f"write {' or '.join(right)}" if right else other
        yield path, f"fits the backbone {entry.describe_backbone()}, and here is {here}", cure, *keys
        return
    given, wanted = model.normalization, (entry.mean, entry.std)
    differs = [abs(a - b) > _PIXEL for a, b in zip((*given.mean, *given.std), sum(wanted, ()), strict=True)]
    if any(differs):
        rule = f"was trained with pixels of mean {list(entry.mean)} and std {list(entry.std)}"
        cure = (
            f"write these into task.model.normalization, which has {list(given.mean)} and {list(given.std)}"
        )
        yield path, rule, cure, "task.model.normalization.mean", "task.model.normalization.std"
    epsilon = "task.model.norm_activation.norm_epsilon"
    if not math.isclose(model.norm_activation.norm_epsilon, entry.epsilon, rel_tol=1e-3):
        rule = f"was trained with batch norms of epsilon {entry.epsilon:g}"
        yield path, rule, f"write {epsilon}: {entry.epsilon:g}", epsilon


def _fits(entry: named_weights.NamedWeights, backbone: yolact.Backbone) -> bool:
    section = backbone.get()
    settings = {key: getattr(section, key, None) for key in entry.settings}
    return backbone.type == entry.backbone and settings == dict(entry.settings)
