"""The original's keys and the variables of our model that hold the same numbers.

Source: the module tree of the original implementation. Its pyramid counts levels from the top, its
boxes are (dx, dy, dw, dh) where ours are (dy, dx, dh, dw), and PyTorch's kernels are (output, input,
row, column).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CONVOLUTION = {"weight": "kernel", "bias": "bias"}
_BATCH_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_BOX_LAYER = "prediction_layers.0.bbox_layer"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a tensor of the original belongs.

    Attributes:
      key: of the original.
      variable: of our model.
      is_box: its output channels are box codes.
    """

    key: str
    variable: Any
    is_box: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape that the original's tensor must have."""
        shape = tuple(self.variable.shape)
        return (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else shape

    def convert(self, tensor: NDArray[Any]) -> NDArray[np.float32]:
        """Bring a tensor of the original into the variable's layout, as float32."""
        array = np.asarray(tensor, np.float32)
        if self.is_box:
            array = array.reshape(-1, 4, *array.shape[1:])[:, [1, 0, 3, 2]].reshape(array.shape)
        return np.ascontiguousarray(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array)


def list_places(model: Any, modules: str = "all") -> dict[str, Place]:
    """List the keys that a model needs.

    Args:
      model: a built `YolactModel` on one of our backbones.
      modules: `all`, or `backbone` for the backbone alone; keys begin with `backbone.` all the same.

    Returns:
      Places by key; every variable of the model, or of its backbone, has one.
    """
    pairs = list(_pair_backbone(model.backbone))
    if modules == "all":
        pairs += list(_pair_rest(model))
    return {place.key: place for prefix, layer in pairs for place in _list_layer(prefix, layer)}


def _list_layer(prefix: str, layer: Any) -> Iterator[Place]:
    names = _BATCH_NORM if hasattr(layer, "gamma") else _CONVOLUTION
    for theirs, ours in names.items():
        variable = getattr(layer, ours)
        if variable is not None:
            yield Place(f"{prefix}.{theirs}", variable, prefix == _BOX_LAYER)
    offset_conv = getattr(layer, "offset_conv", None)
    if offset_conv is not None:
        yield from _list_layer(f"{prefix}.conv_offset_mask", offset_conv)


def _pair_backbone(backbone: Any) -> Iterator[tuple[str, Any]]:
    yield from _pair_darknet(backbone) if hasattr(backbone, "preconv") else _pair_resnet(backbone)


def _pair_resnet(backbone: Any) -> Iterator[tuple[str, Any]]:
    yield from [("backbone.conv1", backbone.conv1), ("backbone.bn1", backbone.bn1)]
    for s, stage in enumerate(backbone.stages):
        for b, block in enumerate(stage):
            prefix = f"backbone.layers.{s}.{b}"
            for part in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"):
                yield f"{prefix}.{part}", getattr(block, part)
            if block.shortcut_conv is not None:
                yield f"{prefix}.downsample.0", block.shortcut_conv
                yield f"{prefix}.downsample.1", block.shortcut_bn


def _pair_darknet(backbone: Any) -> Iterator[tuple[str, Any]]:
    units = [("backbone._preconv", backbone.preconv)]
    for s, (downsample, *blocks) in enumerate(backbone.stages):
        units.append((f"backbone.layers.{s}.0", downsample))
        for b, block in enumerate(blocks, start=1):
            units.append((f"backbone.layers.{s}.{b}.conv1", block.unit1))
            units.append((f"backbone.layers.{s}.{b}.conv2", block.unit2))
    for prefix, unit in units:
        yield f"{prefix}.0", unit.conv
        yield f"{prefix}.1", unit.bn


def _pair_rest(model: Any) -> Iterator[tuple[str, Any]]:
    decoder, head = model.decoder, model.head
    for index, level in enumerate("543"):
        yield f"fpn.lat_layers.{index}", decoder.lateral[level]
        yield f"fpn.pred_layers.{index}", decoder.smooth[level]
    for index, level in enumerate("67"):
        yield f"fpn.downsample_layers.{index}", decoder.downsample[level]
    for index, conv in zip((0, 2, 4, 8), model.protonet.convs, strict=True):
        yield f"proto_net.{index}", conv
    yield "proto_net.10", model.protonet.project
    yield "prediction_layers.0.upfeature.0", head.conv
    yield _BOX_LAYER, head.box_conv
    yield "prediction_layers.0.conf_layer", head.class_conv
    yield "prediction_layers.0.mask_layer", head.coefficient_conv
    yield "semantic_seg_conv", model.semantic_head.conv
    if model.mask_iou_head is not None:
        convs = [*model.mask_iou_head.convs, model.mask_iou_head.project]
        for index, conv in zip((0, 2, 4, 6, 8, 10), convs, strict=True):
            yield f"maskiou_net.maskiou_net.{index}", conv
