"""Which of the published models a state dict of the original is."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Mapping
from typing import Any

from official_yolact.configs import experiments
from official_yolact.configs import names

PUBLISHED_SUMS = {
    "c12bb7a7e0343281db7f1407b376970bb52651f121d0b60bc4a49207acb6d6d7": "yolact_resnet50_54_800000.pth",
}
"""sha256 of published files that are known, and their names. Source: OpenVINO's model zoo."""

_RESNETS: dict[tuple[int, ...], str] = {(3, 4, 6, 3): "resnet50", (3, 4, 23, 3): "resnet101"}
_DARKNETS: dict[tuple[int, ...], str] = {(1, 2, 8, 8, 4): "darknet53"}
_BACKBONE_EXPERIMENTS = {
    "resnet50": "yolact_resnet50_coco",
    "resnet101": "yolact_resnet101_coco",
    "darknet53": "yolact_darknet53_coco",
}
_COEFFICIENTS = "prediction_layers.0.mask_layer.weight"
_CLASSES = "prediction_layers.0.conf_layer.weight"
_PROTOTYPES = "proto_net.10.weight"


@dataclasses.dataclass(frozen=True)
class Traits:
    """What the tensors tell of a model.

    Attributes:
      backbone: resnet50, resnet101 or darknet53.
      is_detector: False: a backbone alone.
      deformable: the backbone has deformable convolutions.
      mask_rescoring: there is a mask-IoU branch.
      anchors: of a cell; 0 for a backbone.
      num_classes: C, with the background; 0 for a backbone.
    """

    backbone: str
    is_detector: bool
    deformable: bool = False
    mask_rescoring: bool = False
    anchors: int = 0
    num_classes: int = 0

    def __str__(self) -> str:
        """Say it in words."""
        if not self.is_detector:
            return f"a {self.backbone} backbone"
        extras = ", deformable convolutions" if self.deformable else ""
        extras += ", a mask-IoU branch" if self.mask_rescoring else ""
        return f"{self.backbone}, {self.anchors} anchors a cell, {self.num_classes} classes{extras}"


@dataclasses.dataclass(frozen=True)
class Recognized:
    """The experiment whose model a state dict fills.

    Attributes:
      experiment: our name.
      traits: of the tensors.
      how: what decided.
    """

    experiment: str
    traits: Traits
    how: str


def recognize(path: str, tensors: Mapping[str, Any], name: str | None = None) -> Recognized:
    """Find the experiment that a state dict belongs to.

    Args:
      path: of the file; its name decides where the tensors cannot.
      tensors: arrays by key, in the original's naming with `backbone.` before the backbone's.
      name: what a person says it is, ours or the original's; None: nothing.

    Returns:
      The experiment, and what decided.

    Raises:
      ValueError: the tensors are of no model that is known, of several and nothing decides, or of
        another than the name says.
    """
    traits = read_traits(path, tensors)
    named = names.resolve_name(name) if name else None
    if not traits.is_detector:
        return _recognize_backbone(path, traits, named)
    candidates = [one for one in _list_candidates() if _fits(traits, one)]
    if not candidates:
        raise ValueError(f"{path}: {traits}: no published model is so")
    by_file = _read_file_name(path)
    for chosen, how in ((named, f"--model {name}"), (by_file, "the file's name")):
        if chosen is None:
            continue
        if chosen not in candidates:
            raise ValueError(
                f"{path}: {how} says {chosen}, but the tensors are of {traits}, which fits"
                f" {' or '.join(candidates)}: name one of these with --model"
            )
        return Recognized(chosen, traits, how)
    exact = [one for one in candidates if _config(one).num_classes == traits.num_classes]
    if len(exact or candidates) == 1:
        return Recognized((exact or candidates)[0], traits, "the tensors")
    if not exact and traits.backbone == "resnet50":
        raise ValueError(
            f"{path}: {traits}: with classes of its own it may have the anchors of {' or '.join(candidates)}:"
            " say which it was trained from with --model"
        )
    raise ValueError(f"{path}: {traits}: {', '.join(candidates)} have the same tensors: choose with --model")


def read_traits(path: str, tensors: Mapping[str, Any]) -> Traits:
    """Read off the tensors what model they are of.

    Raises:
      ValueError: there is no backbone that is known; parts of a detector are missing or contradict
        one another.
    """
    backbone = _read_backbone(path, tensors)
    if not any(key.startswith(("prediction_layers.", "proto_net.", "fpn.")) for key in tensors):
        return Traits(backbone, is_detector=False)
    shapes = {}
    for key in (_COEFFICIENTS, _CLASSES, _PROTOTYPES):
        if key not in tensors or len(tensors[key].shape) != 4:
            raise ValueError(f"{path}: has no 4-D tensor {key}: it is no YOLACT with one shared head")
        shapes[key] = tensors[key].shape[0]
    anchors, rest = divmod(shapes[_COEFFICIENTS], max(shapes[_PROTOTYPES], 1))
    if rest or not anchors or shapes[_CLASSES] % anchors or shapes[_CLASSES] // anchors < 2:
        raise ValueError(
            f"{path}: {shapes[_COEFFICIENTS]} coefficients, {shapes[_PROTOTYPES]} prototypes and"
            f" {shapes[_CLASSES]} class outputs of a cell fit no number of anchors"
        )
    return Traits(
        backbone,
        is_detector=True,
        deformable=any(".conv_offset_mask." in key for key in tensors),
        mask_rescoring=any(key.startswith("maskiou_net.") for key in tensors),
        anchors=anchors,
        num_classes=shapes[_CLASSES] // anchors,
    )


def _read_backbone(path: str, tensors: Mapping[str, Any]) -> str:
    resnet, darknet = (
        _count_blocks(tensors, r"\.conv1\.weight"),
        _count_blocks(tensors, r"\.conv1\.0\.weight"),
    )
    found = _RESNETS.get(resnet) or _DARKNETS.get(darknet)
    if found is None:
        counted = resnet or darknet
        told = f"its backbone has stages of {list(counted)} blocks" if counted else "it holds no backbone"
        raise ValueError(f"{path}: {told}: known are ResNet-50, ResNet-101 and DarkNet-53")
    return found


def _count_blocks(tensors: Mapping[str, Any], ending: str) -> tuple[int, ...]:
    pattern = re.compile(rf"backbone\.layers\.(\d{{1,3}})\.(\d{{1,3}}){ending}")
    found = [match.groups() for key in tensors if (match := pattern.fullmatch(key))]
    counts: dict[int, int] = {}
    for stage, _ in found:
        counts[int(stage)] = counts.get(int(stage), 0) + 1
    return tuple(counts[stage] for stage in sorted(counts))


def _list_candidates() -> list[str]:
    return [name for name in dict.fromkeys(names.ORIGINAL_NAMES.values()) if name in experiments.EXPERIMENTS]


@functools.cache
def _config(experiment: str) -> Any:
    return experiments.EXPERIMENTS[experiment]().task.model


def _fits(traits: Traits, experiment: str) -> bool:
    """Tell whether an experiment's model has such tensors, its number of classes left open."""
    model = _config(experiment)
    resnet = model.backbone.yolact_resnet
    is_resnet = model.backbone.type == "yolact_resnet"
    backbone = f"resnet{resnet.depth}" if is_resnet else f"darknet{model.backbone.yolact_darknet.depth}"
    return (
        backbone == traits.backbone
        and (is_resnet and sum(resnet.deformable_blocks) > 0) == traits.deformable
        and model.mask_rescoring == traits.mask_rescoring
        and model.anchor.num_per_cell == traits.anchors
    )


def _recognize_backbone(path: str, traits: Traits, named: str | None) -> Recognized:
    experiment = _BACKBONE_EXPERIMENTS[traits.backbone]
    if named is not None:
        model = _config(named)
        depth = model.backbone.yolact_resnet.depth
        wanted = f"resnet{depth}" if model.backbone.type == "yolact_resnet" else "darknet53"
        if wanted != traits.backbone:
            raise ValueError(f"{path}: is {traits}, but {named} is built on {wanted}")
    return Recognized(experiment, traits, "the tensors")


def _read_file_name(path: str) -> str | None:
    """Read the experiment off a file name, as the original does: NAME_EPOCH_ITERATION.pth."""
    stem = os.path.basename(path).removesuffix(".pth").removesuffix("_interrupt")
    match = re.fullmatch(r"(.+)_\d+_\d+", stem)
    return names.ORIGINAL_NAMES.get(match.group(1)) if match else None
