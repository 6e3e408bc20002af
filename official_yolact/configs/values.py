"""The values that single fields may have."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from official.modeling.hyperparams import base_config
from official.modeling.hyperparams import oneof
from official.vision.modeling.backbones import efficientnet
from official.vision.modeling.backbones import mobiledet
from official.vision.modeling.backbones import mobilenet
from official.vision.modeling.backbones import resnet
from official.vision.modeling.backbones import revnet
from official.vision.modeling.backbones import spinenet
from official.vision.modeling.backbones import spinenet_mobile
from official_yolact.configs import experiments
from official_yolact.configs import fields
from official_yolact.configs import finding
from official_yolact.configs import training
from official_yolact.configs import yolact

Rule = tuple[str, Callable[[Any], bool], str]
"""Key path, what it accepts, and that in words."""

STRATEGIES = ("one_device", "mirrored", "multi_worker_mirrored", "tpu", "off")
_MAX_SEED = 2**32


def one_of(*choices: Any) -> tuple[Callable[[Any], bool], str]:
    """Make a rule of the values that it accepts."""
    return (lambda value: value in choices), f"one of {', '.join(map(str, choices))}"


def _optional(rule: tuple[Callable[[Any], bool], str]) -> tuple[Callable[[Any], bool], str]:
    accepts, words = rule
    return (lambda value: value is None or accepts(value)), f"{words}, or null"


_FRACTION = (lambda value: 0 <= value <= 1, "from 0 to 1")
_DECAY = (lambda value: 0 <= value < 1, "0 or more and below 1")
_POSITIVE = (lambda value: value > 0, "above 0")
_NOT_NEGATIVE = (lambda value: value >= 0, "0 or more")
_SEED = (lambda value: 0 <= value < _MAX_SEED, "from 0 to 2^32 - 1")
_INSIDE = (
    lambda value: not os.path.isabs(value) and ".." not in value.split("/"),
    "a folder inside the model directory",
)
_DIVISIBLE = 128

_RUNTIME: list[Rule] = [
    ("runtime.distribution_strategy", *one_of(*STRATEGIES)),
    ("runtime.num_gpus", *_optional(_NOT_NEGATIVE)),
    ("runtime.mixed_precision_dtype", *one_of(None, "float32", "float16", "bfloat16")),
    (
        "runtime.loss_scale",
        lambda value: value in (None, "dynamic") or (not isinstance(value, str) and value > 0),
        "null, dynamic or a number above 0",
    ),
    ("runtime.task_index", lambda value: value >= -1, "-1 (not given), or the worker's number from 0"),
]

_TRAINER: list[Rule] = [
    ("trainer.train_steps", *_NOT_NEGATIVE),
    ("trainer.steps_per_loop", *_POSITIVE),
    ("trainer.summary_interval", *_POSITIVE),
    ("trainer.checkpoint_interval", *_POSITIVE),
    ("trainer.validation_interval", *_POSITIVE),
    ("trainer.max_to_keep", *_POSITIVE),
    ("trainer.continuous_eval_timeout", *_POSITIVE),
    ("trainer.validation_steps", lambda value: value == -1, "-1: the whole set; AP of a part of it is no AP"),
    (
        "trainer.eval_tf_while_loop",
        lambda value: not value,
        "false: each step of an evaluation hands its detections to the host",
    ),
    ("trainer.gradient_accumulation", lambda value: value >= 1, "1 or more"),
    ("trainer.nonfinite", *one_of(*training.NONFINITE_POLICIES)),
    ("trainer.max_nonfinite_steps", *_NOT_NEGATIVE),
    ("trainer.early_stopping_patience", *_NOT_NEGATIVE),
    ("trainer.early_stopping_min_delta", *_NOT_NEGATIVE),
    ("trainer.input_timeout", *_NOT_NEGATIVE),
    ("trainer.num_pictures", *_NOT_NEGATIVE),
    ("trainer.loss_upper_bound", *_POSITIVE),
    ("trainer.recovery_begin_steps", *_NOT_NEGATIVE),
    ("trainer.best_checkpoint_metric_comp", *one_of("higher", "lower")),
    ("trainer.best_checkpoint_export_subdir", *_INSIDE),
    ("trainer.validation_summary_subdir", *_INSIDE),
]

_BACKBONES: list[Rule] = [
    ("yolact_resnet.depth", *one_of(50, 101)),
    (
        "yolact_resnet.deformable_blocks",
        lambda value: len(value) == 4 and min(value) >= 0,
        "four numbers, one for each stage",
    ),
    ("yolact_resnet.deformable_interval", *_POSITIVE),
    ("yolact_darknet.depth", *one_of(53)),
    ("resnet.model_id", *one_of(*resnet.RESNET_SPECS)),
    ("resnet.depth_multiplier", *_POSITIVE),
    ("resnet.stem_type", *one_of("v0", "v1")),
    ("revnet.model_id", *one_of(*revnet.REVNET_SPECS)),
    ("mobilenet.model_id", *one_of(*mobilenet.SUPPORTED_SPECS_MAP)),
    ("mobilenet.filter_size_scale", *_POSITIVE),
    ("mobiledet.model_id", *one_of(*mobiledet.SUPPORTED_SPECS_MAP)),
    ("mobiledet.filter_size_scale", *_POSITIVE),
    ("efficientnet.model_id", *one_of(*efficientnet.SCALING_MAP)),
    ("spinenet.model_id", *one_of(*spinenet.SCALING_MAP)),
    ("spinenet_mobile.model_id", *one_of(*spinenet_mobile.SCALING_MAP)),
]

_MODEL: list[Rule] = [
    ("num_classes", lambda value: value >= 2, "2 or more: the background and one class"),
    ("input_size", lambda value: len(value) == 2 and min(value) >= 32, "(height, width), each 32 or more"),
    ("min_level", lambda value: 2 <= value <= 8, "from 2 to 8"),
    ("max_level", lambda value: 2 <= value <= 8, "from 2 to 8"),
    ("class_prior", lambda value: 0 <= value < 1, "0, or a probability below 1"),
    ("freeze_backbone_level", lambda value: value in (0, 2, 3, 4, 5), "0, or a level from 2 to 5"),
    ("freeze", lambda value: set(value) <= set(yolact.MODEL_PARTS), f"some of {yolact.MODEL_PARTS}"),
    ("normalization.mean", lambda value: len(value) == 3, "three numbers, RGB"),
    ("normalization.std", lambda value: len(value) == 3 and min(value) > 0, "three numbers above 0, RGB"),
    ("norm_activation.norm_momentum", *_FRACTION),
    ("norm_activation.norm_epsilon", *_POSITIVE),
    ("protonet.num_filters", *_POSITIVE),
    ("protonet.num_prototypes", *_POSITIVE),
    ("head.num_filters", *_POSITIVE),
    ("decoder.yolact_fpn.num_filters", *_POSITIVE),
    ("anchor.scales_per_octave", *_POSITIVE),
    ("anchor.scales", lambda value: len(value) > 0 and min(value) > 0, "numbers above 0, one for each level"),
    ("anchor.aspect_ratios", lambda value: len(value) > 0 and min(value) > 0, "numbers above 0"),
    ("detection_generator.nms", *one_of(*yolact.NMS_KINDS)),
    ("detection_generator.score_threshold", *_FRACTION),
    ("detection_generator.nms_iou_threshold", *_FRACTION),
    ("detection_generator.nms_top_k", *_POSITIVE),
    ("detection_generator.max_detections", *_POSITIVE),
    ("detection_generator.crop_padding", *_NOT_NEGATIVE),
    *[(f"backbone.{path}", accepts, words) for path, accepts, words in _BACKBONES],
]

_LOSSES: list[Rule] = [
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
    ("min_negatives", *_optional(_NOT_NEGATIVE)),
    ("masks_to_train", *_POSITIVE),
    ("weight_decay", *_NOT_NEGATIVE),
]

_DATA: list[Rule] = [
    ("global_batch_size", *_POSITIVE),
    ("shuffle_buffer_size", *_POSITIVE),
    ("cycle_length", *_optional(_POSITIVE)),
    ("block_length", *_POSITIVE),
    ("prefetch_buffer_size", *_optional((lambda value: value >= 1, "1 or more"))),
    ("seed", *_optional(_SEED)),
    ("cache", lambda value: not value, "false: it would freeze the augmentation"),
    ("tfds_name", lambda value: not value, "'': TFRecords are named in input_path instead"),
    ("max_bad_fraction", *_FRACTION),
    ("verify", *one_of(*yolact.VERIFY_LEVELS)),
    ("parser.max_num_instances", *_POSITIVE),
    ("parser.empty_images", *one_of(None, "ignore", "train")),
    ("parser.augment.preset", *one_of(*yolact.AUGMENT_PRESETS)),
    *[
        (f"parser.augment.{name}", *_optional(_FRACTION))
        for name in ("photometric", "expand", "mirror", "flip", "transpose", "min_crop_side")
    ],
    ("parser.augment.min_scale", *_optional(_POSITIVE)),
    ("parser.augment.max_scale", *_optional(_POSITIVE)),
    ("parser.augment.min_box_side", *_optional(_NOT_NEGATIVE)),
    ("parser.augment.max_expand_ratio", *_optional((lambda value: value >= 1, "1 or more"))),
]

_TASK: list[Rule] = [
    ("task.init_checkpoint_modules", *one_of("all", "backbone")),
    ("task.seed", *_SEED),
    ("task.differential_privacy_config", lambda value: value is None, "null: it is not supported"),
    ("task.train_data.is_training", lambda value: value is True, "true: this section is the training's"),
    (
        "task.validation_data.is_training",
        lambda value: not value,
        "false: evaluation takes every record once, unaltered",
    ),
    (
        "task.validation_data.drop_remainder",
        lambda value: not value,
        "false: AP of all but the last images is no AP",
    ),
    (
        "task.validation_data.enable_tf_data_service",
        lambda value: not value,
        "false: evaluation takes every record once",
    ),
]

RULES: list[Rule] = [
    *_RUNTIME,
    *_TRAINER,
    *_TASK,
    *[(f"task.model.{path}", accepts, words) for path, accepts, words in _MODEL],
    *[(f"task.losses.{path}", accepts, words) for path, accepts, words in _LOSSES],
    *[
        (f"task.{section}.{path}", accepts, words)
        for section in ("train_data", "validation_data")
        for path, accepts, words in _DATA
    ],
]


def check_values(params: experiments.YolactExperiment) -> Iterator[finding.Finding]:
    """Find the fields whose value nothing can be done with.

    Args:
      params: an experiment whose types are right.

    Yields:
      Findings, in the order of `RULES`; of sections that are chosen by `type`, the others are left out.
    """
    yield from apply(params, RULES)
    for section in ("backbone", "decoder"):
        yield from check_choice(getattr(params.task.model, section), f"task.model.{section}")


def apply(root: base_config.Config, rules: Sequence[Rule], prefix: str = "") -> Iterator[finding.Finding]:
    """Apply rules to the fields below a section."""
    for path, accepts, words in rules:
        value = _chosen_value(root, path.split("."))
        if value is not _NOT_CHOSEN and not accepts(value):
            choices = words.removeprefix("one of ").split(", ")
            near = fields.nearest(value, choices) if isinstance(value, str) else None
            cure = f"did you mean {near!r}?" if near else f"write such a value, or {finding.KEEP_DEFAULT}"
            yield finding.Finding(f"{prefix}{path}", finding.show(value), f"expected {words}", cure)


_NOT_CHOSEN = object()


def _chosen_value(config: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if isinstance(config, oneof.OneOfConfig) and key not in ("type", config.type):
            return _NOT_CHOSEN
        config = getattr(config, key)
    return config


def check_choice(
    choice: oneof.OneOfConfig, path: str, allowed: Sequence[str] | None = None, may_be_null: bool = False
) -> Iterator[finding.Finding]:
    """Find a `type` that names none of the sections beside it."""
    known = [field.name for field in dataclasses.fields(choice) if field.name != "type"]
    allowed = sorted(set(known) & set(allowed) if allowed is not None else known)
    if choice.type in allowed or (may_be_null and choice.type is None):
        return
    near = fields.nearest(choice.type or "", allowed)
    cure = f"did you mean {near!r}?" if near else "write one of them"
    words = f"expected one of {', '.join(allowed)}{' or null' if may_be_null else ''}"
    yield finding.Finding(f"{path}.type", finding.show(choice.type), words, cure)


def is_divisible(sides: Sequence[int]) -> bool:
    """Tell whether SpineNet, which adds levels of different strides, can take such images."""
    return all(side % _DIVISIBLE == 0 and math.isfinite(side) for side in sides)
