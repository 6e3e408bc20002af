"""The check of a whole configuration, after YAML and overrides are merged.

Model Garden checks no value: `train_steps: abc` trains, and fails hours later.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from official.core import config_definitions as cfg
from official.modeling.hyperparams import base_config
from official.modeling.hyperparams import oneof
from official_yolact.configs import yolact

_Rule = tuple[str, Callable[[Any], bool], str]

_FRACTION = (lambda value: 0 <= value <= 1, "from 0 to 1")
_POSITIVE = (lambda value: value > 0, "above 0")
_NOT_NEGATIVE = (lambda value: value >= 0, "0 or more")
_SPINENET_MULTIPLE = 128


def check(params: cfg.ExperimentConfig) -> None:
    """Check types, ranges and contradictions.

    Args:
      params: an experiment whose task is a `configs.yolact.YolactTask`.

    Raises:
      ValueError: lists every finding, one a line: key path, value, rule.
    """
    findings = list(_check_types(params, "")) or list(_check_values(params))
    if findings:
        raise ValueError("the configuration cannot be used:\n  " + "\n  ".join(findings))


def _check_types(config: base_config.Config, prefix: str) -> Iterator[str]:
    hints = typing.get_type_hints(type(config))
    skipped = _unchosen(config)
    for field in dataclasses.fields(config):
        if field.name in skipped or field.name == "default_params":
            continue
        value, hint = getattr(config, field.name), hints.get(field.name, Any)
        path = f"{prefix}{field.name}"
        if isinstance(value, base_config.Config):
            yield from _check_types(value, f"{path}.")
        elif not _is_instance(value, hint):
            yield f"{path}: {value!r} is {type(value).__name__}, expected {_name(hint)}"


def _unchosen(config: base_config.Config) -> set[str]:
    if not isinstance(config, oneof.OneOfConfig):
        return set()
    return {field.name for field in dataclasses.fields(config)} - {"type", config.type}


def _is_instance(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or (isinstance(hint, type) and issubclass(hint, base_config.Config)):
        return hint is Any or value is None or isinstance(value, hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is_instance(value, argument) for argument in arguments)
    if origin in (list, tuple, collections.abc.Sequence):
        element = arguments[0] if arguments else Any
        return isinstance(value, list | tuple) and all(_is_instance(item, element) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _check_values(params: cfg.ExperimentConfig) -> Iterator[str]:
    task = params.task
    yield from _apply(task.model, "task.model.", _MODEL_RULES)
    yield from _apply(task.losses, "task.losses.", _LOSS_RULES)
    yield from _apply(params.trainer, "trainer.", _TRAINER_RULES)
    for name in ("train_data", "validation_data"):
        yield from _check_data(getattr(task, name), f"task.{name}.")
    yield from _check_model(task.model)
    if task.losses.negative_iou > task.losses.positive_iou:
        yield (
            f"task.losses.negative_iou: {task.losses.negative_iou} must not be above "
            f"task.losses.positive_iou ({task.losses.positive_iou})"
        )
    if task.init_checkpoint_modules not in ("all", "backbone"):
        yield f"task.init_checkpoint_modules: {task.init_checkpoint_modules!r}, expected 'all' or 'backbone'"
    dtype = params.runtime.mixed_precision_dtype
    if dtype not in (None, "float32", "float16", "bfloat16"):
        yield f"runtime.mixed_precision_dtype: {dtype!r}, expected float32, float16 or bfloat16"


_MODEL_RULES: list[_Rule] = [
    ("num_classes", lambda value: value >= 2, "2 or more: the background and one class"),
    ("input_size", lambda value: len(value) == 2 and min(value) >= 32, "(height, width), each 32 or more"),
    ("class_prior", lambda value: 0 <= value < 1, "0, or a probability below 1"),
    ("freeze_backbone_level", lambda value: value in (0, 2, 3, 4, 5), "0, or a level from 2 to 5"),
    ("normalization.mean", lambda value: len(value) == 3, "three numbers, RGB"),
    ("normalization.std", lambda value: len(value) == 3 and min(value) > 0, "three numbers above 0, RGB"),
    ("protonet.num_filters", *_POSITIVE),
    ("protonet.num_prototypes", *_POSITIVE),
    ("head.num_filters", *_POSITIVE),
    (
        "backbone.yolact_resnet.deformable_blocks",
        lambda value: len(value) == 4 and min(value) >= 0,
        "four numbers, one for each stage",
    ),
    ("backbone.yolact_resnet.deformable_interval", *_POSITIVE),
    ("anchor.scales_per_octave", *_POSITIVE),
    ("anchor.scales", lambda value: len(value) > 0 and min(value) > 0, "numbers above 0, one for each level"),
    ("anchor.aspect_ratios", lambda value: len(value) > 0 and min(value) > 0, "numbers above 0"),
    (
        "detection_generator.nms",
        lambda value: value in yolact.NMS_KINDS,
        f"one of {', '.join(yolact.NMS_KINDS)}",
    ),
    ("detection_generator.score_threshold", *_FRACTION),
    ("detection_generator.nms_iou_threshold", *_FRACTION),
    ("detection_generator.nms_top_k", *_POSITIVE),
    ("detection_generator.max_detections", *_POSITIVE),
    ("detection_generator.crop_padding", *_NOT_NEGATIVE),
]

_LOSS_RULES: list[_Rule] = [
    ("class_weight", *_NOT_NEGATIVE),
    ("box_weight", *_NOT_NEGATIVE),
    ("mask_weight", *_NOT_NEGATIVE),
    ("semantic_weight", *_NOT_NEGATIVE),
    ("mask_iou_weight", *_NOT_NEGATIVE),
    ("min_mask_iou_area", *_NOT_NEGATIVE),
    ("positive_iou", *_FRACTION),
    ("negative_iou", *_FRACTION),
    ("crowd_iou", *_FRACTION),
    ("negatives_per_positive", *_NOT_NEGATIVE),
    ("min_negatives", lambda value: value is None or value >= 0, "0 or more, or null"),
    ("masks_to_train", *_POSITIVE),
    ("weight_decay", *_NOT_NEGATIVE),
]

_TRAINER_RULES: list[_Rule] = [
    ("train_steps", *_NOT_NEGATIVE),
    ("steps_per_loop", *_POSITIVE),
    ("summary_interval", *_POSITIVE),
    ("checkpoint_interval", *_POSITIVE),
    ("validation_interval", *_POSITIVE),
    ("max_to_keep", *_POSITIVE),
    ("validation_steps", lambda value: value == -1, "-1: the whole set; AP of a part of it is no AP"),
]

_DATA_RULES: list[_Rule] = [
    ("global_batch_size", *_POSITIVE),
    ("shuffle_buffer_size", *_POSITIVE),
    ("max_bad_fraction", *_FRACTION),
    ("verify", lambda value: value in yolact.VERIFY_LEVELS, f"one of {', '.join(yolact.VERIFY_LEVELS)}"),
    ("parser.max_num_instances", *_POSITIVE),
    (
        "parser.empty_images",
        lambda value: value in (None, "ignore", "train"),
        "'ignore', 'train' or null",
    ),
]


def _apply(section: Any, prefix: str, rules: Sequence[_Rule]) -> Iterator[str]:
    for path, accepts, rule in rules:
        value = section
        for key in path.split("."):
            value = getattr(value, key)
        if not accepts(value):
            yield f"{prefix}{path}: {value!r}, expected {rule}"


def _check_data(data: yolact.DataConfig, prefix: str) -> Iterator[str]:
    yield from _apply(data, prefix, _DATA_RULES)
    if data.tfds_name:
        yield f"{prefix}tfds_name: {data.tfds_name!r}; name TFRecords in {prefix}input_path instead"
    if data.cache:
        yield f"{prefix}cache: it would freeze the augmentation; leave it false"
    section = data.parser.augment
    if section.preset not in yolact.AUGMENT_PRESETS:
        yield f"{prefix}parser.augment.preset: {section.preset!r}, expected one of {yolact.AUGMENT_PRESETS}"
    for name in ("photometric", "expand", "mirror", "flip", "transpose", "min_crop_side"):
        value = getattr(section, name)
        if value is not None and not 0 <= value <= 1:
            yield f"{prefix}parser.augment.{name}: {value!r}, expected a number from 0 to 1"
    for name in ("min_scale", "max_scale"):
        value = getattr(section, name)
        if value is not None and value <= 0:
            yield f"{prefix}parser.augment.{name}: {value!r}, expected above 0"
    if (section.min_scale or 1.0) > (section.max_scale or 1.0):
        yield (
            f"{prefix}parser.augment.min_scale: {section.min_scale} must not be above max_scale"
            f" ({section.max_scale}; null is 1)"
        )
    if section.max_expand_ratio is not None and section.max_expand_ratio < 1:
        yield f"{prefix}parser.augment.max_expand_ratio: {section.max_expand_ratio!r}, expected 1 or more"


def _check_model(model: yolact.YolactModel) -> Iterator[str]:
    if not 2 <= model.min_level <= model.max_level <= 8:
        yield (
            f"task.model.min_level, max_level: {model.min_level}, {model.max_level}, expected "
            "2 <= min_level <= max_level <= 8"
        )
    levels = model.max_level - model.min_level + 1
    if len(model.anchor.scales) != levels:
        yield (
            f"task.model.anchor.scales: {len(model.anchor.scales)} scales for the {levels} levels "
            f"{model.min_level}..{model.max_level}: give one for each"
        )
    for section in ("backbone", "decoder"):
        choice = getattr(model, section)
        known = {field.name for field in dataclasses.fields(choice)} - {
            "type",
            "default_params",
            "restrictions",
        }
        if choice.type not in known:
            yield f"task.model.{section}.type: {choice.type!r}, expected one of {sorted(known)}"
    if model.backbone.type == "yolact_resnet" and model.backbone.yolact_resnet.depth not in (50, 101):
        depth = model.backbone.yolact_resnet.depth
        yield f"task.model.backbone.yolact_resnet.depth: {depth}, expected 50 or 101"
    if model.backbone.type == "yolact_darknet" and model.backbone.yolact_darknet.depth != 53:
        yield f"task.model.backbone.yolact_darknet.depth: {model.backbone.yolact_darknet.depth}, expected 53"
    yield from _check_decoder(model)


def _check_decoder(model: yolact.YolactModel) -> Iterator[str]:
    backbone, size = model.backbone.type or "", list(model.input_size)
    gives_pyramid = backbone.startswith("spinenet")
    if gives_pyramid != (model.decoder.type == "identity"):
        wanted = "identity" if gives_pyramid else "yolact_fpn"
        yield f"task.model.decoder.type: {model.decoder.type!r}; backbone {backbone!r} needs {wanted!r}"
    if gives_pyramid and any(side % _SPINENET_MULTIPLE for side in size):
        yield f"task.model.input_size: {size}; SpineNet needs sides divisible by {_SPINENET_MULTIPLE}"
