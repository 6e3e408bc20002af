"""What a configuration takes at least of the machine's memory: what cannot fit is refused before it is tried.

Every number here is a lower bound, of one picture or one record: arrays that exist whatever the device,
the compiler or the precision does. So a laptop checks the configuration of a cluster, and trains the
recipes; a configuration that passes may still be too large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.configs import yolact
from official_yolact.environment import machine

_FLOAT = 4
_LOWEST_FLOAT = 2  # bytes, of an input in bfloat16
_RECORD = 100  # bytes, of the smallest record
_GIB = 2**30
_SMALLEST = 4 * _GIB
"""A machine with less is taken for one with this: its swap may be large, and others train for it."""
_MANY_HOSTS = ("multi_worker_mirrored", "tpu")
_MAX_BATCH = 2**16
_INSTANCES = 100  # of a picture, for which no batch is too large to blame
_WIDTH = 64  # channels of a backbone's first stage


class Sizes(NamedTuple):
    """The numbers of a model that its memory is made of; see `configs.yolact`.

    Attributes:
      height: of the input, in pixels.
      width: of the input, in pixels.
      min_level: finest level of the pyramid; a cell of level n covers 2^n input pixels.
      max_level: coarsest level.
      scales_per_octave: anchor sizes in a cell.
      num_ratios: anchor shapes of each size.
      num_classes: C, with the background.
      num_prototypes: K.
      head_filters: channels of the prediction head.
      decoder_filters: channels of the pyramid.
      protonet_filters: channels of the prototype network.
      backbone_width: channels of the backbone's first stage.
      max_detections: D, kept in a picture.
      top_k: candidates of each class that suppression compares.
      suppressed_rows: classes that are suppressed one by one; 1 where all are together, 0 without such a
        comparison.
    """

    height: int
    width: int
    min_level: int
    max_level: int
    scales_per_octave: int
    num_ratios: int
    num_classes: int
    num_prototypes: int
    head_filters: int
    decoder_filters: int
    protonet_filters: int
    backbone_width: int
    max_detections: int
    top_k: int
    suppressed_rows: int


_KEYS = {
    "input_size": ("height", "width"),
    "num_classes": ("num_classes",),
    "anchor.scales_per_octave": ("scales_per_octave",),
    "protonet.num_prototypes": ("num_prototypes",),
    "protonet.num_filters": ("protonet_filters",),
    "head.num_filters": ("head_filters",),
    "decoder.yolact_fpn.num_filters": ("decoder_filters",),
    "backbone": ("backbone_width",),
    "detection_generator.max_detections": ("max_detections",),
    "detection_generator.nms_top_k": ("top_k",),
}


def measure(model: yolact.YolactModel) -> Sizes:
    """Take the numbers out of a configuration.

    Args:
      model: whose single values are right.

    Returns:
      Its sizes.
    """
    generator = model.detection_generator
    rows = {"traditional": 0, "cross_class": 1}.get(generator.nms, model.num_classes - 1)
    chosen = getattr(model.backbone, str(model.backbone.type))
    factor = getattr(chosen, "depth_multiplier", None) or getattr(chosen, "filter_size_scale", None) or 1
    fpn = model.decoder.yolact_fpn.num_filters if model.decoder.type == "yolact_fpn" else 1
    height, width = model.input_size
    return Sizes(
        height,
        width,
        model.min_level,
        model.max_level,
        model.anchor.scales_per_octave,
        len(model.anchor.aspect_ratios),
        model.num_classes,
        model.protonet.num_prototypes,
        model.head.num_filters,
        fpn,
        model.protonet.num_filters,
        max(int(factor * _WIDTH), 1),
        generator.max_detections,
        generator.nms_top_k,
        rows,
    )


def count_anchors(sizes: Sizes) -> int:
    """Count the anchors of all levels, A.

    Args:
      sizes: of the model.

    Returns:
      A, of one picture: 19,248 at 550 pixels with the paper's anchors.
    """
    return _pyramid_cells(sizes) * sizes.scales_per_octave * sizes.num_ratios


def estimate_picture(sizes: Sizes) -> int:
    """Estimate what each picture of a batch takes, in bytes: input, raw outputs, what detection needs.

    Args:
      sizes: of the model.

    Returns:
      A lower bound.
    """
    anchors, grid = count_anchors(sizes), _cells(sizes, sizes.min_level - 1)
    top_k = min(sizes.top_k, anchors)
    numbers = (
        3 * sizes.height * sizes.width
        + anchors * (4 + sizes.num_classes + sizes.num_prototypes)
        + _pyramid_cells(sizes) * max(sizes.decoder_filters, sizes.head_filters)
        + grid * max(sizes.num_prototypes, sizes.max_detections, sizes.protonet_filters)
        + sizes.suppressed_rows * top_k**2
    )
    return numbers * _FLOAT


def estimate_weights(sizes: Sizes) -> int:
    """Estimate what the weights take, in bytes: the kernels that grow with the configuration."""
    per_cell = sizes.scales_per_octave * sizes.num_ratios
    outputs = per_cell * (4 + sizes.num_classes + sizes.num_prototypes)
    pairs = (
        sizes.decoder_filters**2
        + sizes.decoder_filters * (sizes.head_filters + sizes.protonet_filters)
        + sizes.head_filters * outputs
        + sizes.protonet_filters**2
        + sizes.backbone_width**2
    )
    return 9 * pairs * _FLOAT


def estimate_example(sizes: Sizes, max_num_instances: int) -> int:
    """Estimate what each example of a training batch takes in the host's memory, in bytes."""
    grid = _cells(sizes, sizes.min_level - 1)
    return 3 * sizes.height * sizes.width * _LOWEST_FLOAT + max_num_instances * grid


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
    sizes = measure(params.task.model)
    too_large = list(_check_model(sizes, memory))
    yield from too_large
    for name in () if too_large else ("train_data", "validation_data"):
        yield from _check_data(getattr(params.task, name), f"task.{name}.", params, sizes, memory)


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
    each = estimate_picture(measure(model))
    if batch_size * each > memory:
        raise ValueError(
            f"batch_size is {batch_size}: so many pictures take {show_bytes(batch_size * each)} at least, "
            f"and this machine has {show_bytes(memory)}: at most {max(memory // each, 1)} may fit"
        )


def show_bytes(number: int) -> str:
    """Write a number of bytes for people."""
    gib = number // (_GIB // 10)
    return f"{gib / 10:,.1f} GiB" if gib < 10**12 else "more than 10^11 GiB"


def _pyramid_cells(sizes: Sizes) -> int:
    return sum(_cells(sizes, level) for level in range(sizes.min_level, sizes.max_level + 1))


def _cells(sizes: Sizes, level: int) -> int:
    stride = 1 << level
    return -(-sizes.height // stride) * -(-sizes.width // stride)


def _check_model(sizes: Sizes, memory: int) -> Iterator[finding.Finding]:
    """Blame each key that is too large beside the defaults of the others, or else the whole."""
    if _need(sizes) <= memory:
        return
    usual = measure(yolact.YolactModel())._replace(min_level=sizes.min_level, max_level=sizes.max_level)
    found = []
    for key, names in _KEYS.items():
        values = {name: getattr(sizes, name) for name in names}
        if _need(_replace(usual, values)) > memory:
            found.append(_blame(key, values, sizes, usual, memory))
    yield from found
    if not found:
        rule = f"takes {show_bytes(_need(sizes))} at least, and this machine has {show_bytes(memory)}"
        yield finding.Finding("task.model", "", rule, "lower input_size, num_classes or nms_top_k")


def _blame(key: str, values: dict[str, int], sizes: Sizes, usual: Sizes, memory: int) -> finding.Finding:
    """Say what a key takes, and the largest value that fits beside the others."""
    others = _replace(sizes, {name: getattr(usual, name) for name in values})
    beside = sizes if _need(others) <= memory else usual

    def fits(value: int) -> bool:
        return _need(_replace(beside, dict.fromkeys(values, value))) <= memory

    most = _largest(fits, max(values.values()))
    need = show_bytes(_need(_replace(beside, values)))
    rule = f"takes {need} at least, and this machine has {show_bytes(memory)}"
    if key == "backbone":
        return finding.Finding("task.model.backbone", "", rule, "lower its width, or take another")
    shown = [most, most] if key == "input_size" else most
    stands = list(values.values()) if key == "input_size" else next(iter(values.values()))
    return finding.Finding(
        f"task.model.{key}", finding.show(stands), rule, f"lower it: {shown} would be the most"
    )


def _need(sizes: Sizes) -> int:
    return estimate_picture(sizes) + estimate_weights(sizes)


def _replace(sizes: Sizes, values: dict[str, int]) -> Sizes:
    """Change some numbers; the rows of suppression follow the classes."""
    changed = sizes._replace(**values)
    if "num_classes" in values and sizes.suppressed_rows > 1:
        changed = changed._replace(suppressed_rows=changed.num_classes - 1)
    return changed


def _check_data(
    data: yolact.DataConfig, prefix: str, params: experiments.YolactExperiment, sizes: Sizes, memory: int
) -> Iterator[finding.Finding]:
    instances, batch = data.parser.max_num_instances, data.global_batch_size
    grid = _cells(sizes, sizes.min_level - 1)
    on_one_host = params.runtime.distribution_strategy not in _MANY_HOSTS
    least = estimate_example(sizes, min(instances, _INSTANCES))
    most_examples = min(_MAX_BATCH, memory // least) if on_one_host else _MAX_BATCH
    share = memory // max(batch, 1) if on_one_host else memory
    limits = [
        ("global_batch_size", batch, most_examples),
        ("parser.max_num_instances", instances, (share - estimate_example(sizes, 0)) // grid),
        ("shuffle_buffer_size", data.shuffle_buffer_size, memory // _RECORD),
        ("prefetch_buffer_size", data.prefetch_buffer_size or 1, memory // least),
    ]
    for name, value, most in limits:
        if value > most:
            rule = f"is too large for a machine with {show_bytes(memory)}"
            yield finding.Finding(
                prefix + name, finding.show(value), rule, f"lower it: {max(most, 1)} would be the most"
            )
            return


def _largest(fits: Callable[[int], bool], limit: int) -> int:
    """Find the largest number below a limit that fits; 1 if none does."""
    low, high = 1, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
