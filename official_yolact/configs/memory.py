"""The memory that a configuration needs at least: what cannot fit is refused before it is tried.

Every number here is a lower bound, of one picture or one record: arrays that exist whatever the device,
the compiler or the precision does. So a laptop checks the configuration of a cluster, and trains the
recipes; a configuration that passes may still be too large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from official_yolact.configs import finding
from official_yolact.configs import yolact
from official_yolact.environment import machine

if TYPE_CHECKING:
    from official_yolact.configs import experiments

_FLOAT = 4
_LOWEST_FLOAT = 2  # bytes, of an input in bfloat16
_RECORD = 100  # bytes, of the smallest record
_GIB = 2**30
_SMALLEST = 4 * _GIB
"""A machine with less is treated as one with this: its swap may be large, and others train for it."""
_MANY_HOSTS = ("multi_worker_mirrored", "tpu")
_MAX_BATCH = 2**16
_INSTANCES = 100  # of a picture, for which no batch is too large to blame
_WIDTH = 64  # channels of a backbone's first stage
_KEYS = (
    "input_size",
    "num_classes",
    "anchor.scales_per_octave",
    "protonet.num_prototypes",
    "protonet.num_filters",
    "head.num_filters",
    "decoder.yolact_fpn.num_filters",
    "backbone",
    "detection_generator.max_detections",
    "detection_generator.nms_top_k",
)


def count_anchors(model: yolact.YolactModel) -> int:
    """Count the anchors of all levels, A: 19,248 at 550 pixels with the paper's anchors."""
    return _count_pyramid_cells(model) * model.anchor.num_per_cell


def estimate_picture(model: yolact.YolactModel) -> int:
    """Estimate the bytes of each picture of a batch: input, raw outputs, and arrays of the detection."""
    generator, protonet = model.detection_generator, model.protonet
    anchors, (height, width) = count_anchors(model), model.input_size
    # Classes whose candidates are compared one class at a time.
    classes = {"traditional": 0, "cross_class": 1}.get(generator.nms, model.num_classes - 1)
    numbers = (
        3 * height * width
        + anchors * _count_outputs(model)
        + _count_pyramid_cells(model) * max(_decoder_filters(model), model.head.num_filters)
        + _count_cells(model, model.min_level - 1)
        * max(protonet.num_prototypes, generator.max_detections, protonet.num_filters)
        + classes * min(generator.nms_top_k, anchors) ** 2
    )
    return numbers * _FLOAT


def estimate_weights(model: yolact.YolactModel) -> int:
    """Estimate the bytes of the weights: the kernels that grow with the configuration."""
    decoder, head, protonet = _decoder_filters(model), model.head.num_filters, model.protonet.num_filters
    pairs = (
        decoder**2
        + decoder * (head + protonet)
        + head * model.anchor.num_per_cell * _count_outputs(model)
        + protonet**2
        + _backbone_width(model) ** 2
    )
    return 9 * pairs * _FLOAT


def estimate_example(model: yolact.YolactModel, max_num_instances: int, mask_target: str = "binary") -> int:
    """Estimate the bytes of each example of a training batch in the host's memory."""
    height, width = model.input_size
    return 3 * height * width * _LOWEST_FLOAT + max_num_instances * _estimate_mask(model, mask_target)


def _estimate_mask(model: yolact.YolactModel, target: str) -> int:
    return _count_cells(model, model.min_level - 1) * (2 if target == "coverage" else 1)


def check_memory(
    params: experiments.YolactExperiment, memory: int | None = None
) -> Iterator[finding.Finding]:
    """Find what no machine of this size can hold.

    Args:
      params: an experiment whose single values are right.
      memory: bytes; None: of this machine.

    Yields:
      Findings, with what would fit.
    """
    memory = max(machine.read_usable_memory(), _SMALLEST) if memory is None else memory
    too_large = list(check_model(params.task.model, memory))
    yield from too_large
    for name in () if too_large else ("train_data", "validation_data"):
        yield from _check_data(params, f"task.{name}", memory)


def check_batch(model: yolact.YolactModel, batch_size: int, memory: int | None = None) -> None:
    """Refuse to predict in batches that cannot fit.

    Args:
      model: the configuration of the network.
      batch_size: pictures at once.
      memory: bytes; None: of this machine.

    Raises:
      ValueError: with the largest batch that may fit.
    """
    memory = max(machine.read_usable_memory(), _SMALLEST) if memory is None else memory
    each = estimate_picture(model)
    if batch_size * each > memory:
        raise ValueError(
            f"batch_size is {batch_size}: so many pictures take {_show_bytes(batch_size * each)} at least, "
            f"and this machine has {_show_bytes(memory)}: at most {max(memory // each, 1)} may fit"
        )


def _show_bytes(number: int) -> str:
    gib = number // (_GIB // 10)
    return f"{gib / 10:,.1f} GiB" if gib < 10**12 else "more than 10^11 GiB"


def _count_outputs(model: yolact.YolactModel) -> int:
    return 4 + model.num_classes + model.protonet.num_prototypes + model.head.predict_quality


def _count_pyramid_cells(model: yolact.YolactModel) -> int:
    return sum(_count_cells(model, level) for level in range(model.min_level, model.max_level + 1))


def _count_cells(model: yolact.YolactModel, level: int) -> int:
    height, width = model.input_size
    stride = 1 << level
    return -(-height // stride) * -(-width // stride)


def _decoder_filters(model: yolact.YolactModel) -> int:
    return model.decoder.yolact_fpn.num_filters if model.decoder.type == "yolact_fpn" else 1


def _backbone_width(model: yolact.YolactModel) -> int:
    chosen = getattr(model.backbone, str(model.backbone.type))
    factor = getattr(chosen, "depth_multiplier", None) or getattr(chosen, "filter_size_scale", None) or 1
    return max(int(factor * _WIDTH), 1)


def _need(model: yolact.YolactModel) -> int:
    return estimate_picture(model) + estimate_weights(model)


def check_model(model: yolact.YolactModel, memory: int | None = None) -> Iterator[finding.Finding]:
    """Find what of a network no machine of this size can hold; arguments as of `check_memory`.

    Each key is blamed that is too large beside the defaults of the others, or else the whole.
    """
    memory = max(machine.read_usable_memory(), _SMALLEST) if memory is None else memory
    if _need(model) <= memory:
        return
    usual = yolact.YolactModel(min_level=model.min_level, max_level=model.max_level)
    usual.decoder.type, usual.detection_generator.nms = model.decoder.type, model.detection_generator.nms
    found = [
        _blame(key, model, usual, memory)
        for key in _KEYS
        if _need(_replace(usual, key, finding.read(model, key))) > memory
    ]
    yield from found
    if not found:
        rule = f"takes {_show_bytes(_need(model))} at least, and this machine has {_show_bytes(memory)}"
        yield finding.Finding("task.model", "", rule, "lower input_size, num_classes or nms_top_k")


def _blame(key: str, model: yolact.YolactModel, usual: yolact.YolactModel, memory: int) -> finding.Finding:
    """Say how much a key needs, and the largest value that fits beside the others."""
    value, path = finding.read(model, key), f"task.model.{key}"
    beside = model if _need(_replace(model, key, finding.read(usual, key))) <= memory else usual
    need = _show_bytes(_need(_replace(beside, key, value)))
    rule = f"takes {need} at least, and this machine has {_show_bytes(memory)}"
    if key == "backbone":
        return finding.Finding(path, "", rule, "lower its width, or take another")

    def make(number: int) -> Any:
        return [number, number] if key == "input_size" else number

    most = _find_largest(
        lambda number: _need(_replace(beside, key, make(number))) <= memory,
        max(value) if key == "input_size" else value,
    )
    shown = finding.show(list(value) if key == "input_size" else value)
    return finding.Finding(path, shown, rule, f"lower it: {make(most)} would be the most")


def _replace(model: yolact.YolactModel, key: str, value: Any) -> yolact.YolactModel:
    """Copy a model with another value of one key."""
    copy: yolact.YolactModel = model.replace()
    *sections, name = key.split(".")
    setattr(finding.read(copy, ".".join(sections)) if sections else copy, name, value)
    return copy


def _check_data(params: experiments.YolactExperiment, path: str, memory: int) -> Iterator[finding.Finding]:
    data, model = finding.read(params, path), params.task.model
    instances, batch = data.parser.max_num_instances, data.global_batch_size
    on_one_host = params.runtime.distribution_strategy not in _MANY_HOSTS
    target = data.parser.mask_target
    least = estimate_example(model, min(instances, _INSTANCES), target)
    share = memory // max(batch, 1) if on_one_host else memory
    limits = {
        "global_batch_size": min(_MAX_BATCH, memory // least) if on_one_host else _MAX_BATCH,
        "parser.max_num_instances": (share - estimate_example(model, 0)) // _estimate_mask(model, target),
        "shuffle_buffer_size": memory // _RECORD,
        "prefetch_buffer_size": memory // least,
    }
    for name, most in limits.items():
        if (finding.read(data, name) or 1) > most:
            rule = f"is too large for a machine with {_show_bytes(memory)}"
            cure = f"lower it: {max(most, 1)} would be the most"
            yield finding.about(params, f"{path}.{name}", rule, cure)
            return


def _find_largest(fits: Callable[[int], bool], limit: int) -> int:
    """Find the largest number below a limit that fits; 1 if none does."""
    low, high = 1, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
