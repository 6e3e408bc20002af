"""The numbers of a training recipe, decided from a data set."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from official_yolact import categories as categories_lib
from official_yolact import values
from official_yolact.coco import annotations as coco_annotations
from official_yolact.configs import batch_scaling
from official_yolact.data import statistics
from official_yolact.data.recipes import anchor_clusters
from official_yolact.data.recipes import anchor_grid

FEW_IMAGES = 1_000
"""Fewer training photos than this are trained as a small set: Adam, strong averaging, many epochs."""

SMALL_MODEL = "yolact_mobilenetv2_coco"
LARGE_MODEL = "yolact_resnet50_coco"
ADAM_MODELS = (SMALL_MODEL, "yolact_tiny_shapes")
"""Experiments without a published schedule."""

DEFAULT_GRIDS = {
    SMALL_MODEL: anchor_grid.AnchorGrid((352, 480), 3, (28.0, 56.0, 112.0), 3, (1.0, 0.5, 2.0), False),
    LARGE_MODEL: anchor_grid.AnchorGrid(),
}
"""Where the two models of our own choosing start from; the small one as its recipe has it."""

MAX_EPOCHS, MAX_BATCH, MAX_GPUS = 1_000_000, 1_000_000, 100_000

MIN_GAIN = 0.02
MIN_GAIN_WHOLE_MODEL = 0.10
"""Anchors change when so much more of the objects are covered; from a whole model they cost its head."""

_SIDE_MULTIPLE = 32
_MAX_SMALL_AREA = 550 * 550
_LEAST_SIDE = 16.0
_ADAM_RATE, _ADAM_BATCH = 5e-4, 4
_SGD_RATE, _SGD_BATCH = 1e-3, 8
_DECAYS = (0.35, 0.75, 0.875, 0.9375)
"""The paper divides the rate at 280k, 600k, 700k and 750k of 800k steps."""


@dataclasses.dataclass(frozen=True)
class _Fit:
    """The fields of a recipe that follow from the photos and objects."""

    grid: anchor_grid.AnchorGrid
    new_anchors: bool
    coverage_before: anchor_clusters.Coverage
    coverage: anchor_clusters.Coverage
    size_reason: str


@dataclasses.dataclass(frozen=True)
class Recipe(_Fit):
    """What a YAML file of a data set says. Sizes are in pixels of the network input.

    Attributes:
      experiment: registered name that the file builds on.
      categories: the classes.
      images: of training.
      val_images: of validation.
      objects: of training, crowds apart.
      few: whether it is trained as a small set.
      adam: Adam with cosine decay, or the paper's descent with its steps.
      gpus: devices; 0 is the CPU.
      bfloat16: whether the network computes in it.
      grid: input size and anchors.
      new_anchors: whether the anchors are fitted to the data.
      coverage_before: of the experiment's anchors.
      coverage: of `grid`.
      padding: `max_num_instances`, and what it cuts.
      batch: of all devices.
      epochs: over the training photos.
      steps: of training.
      learning_rate: for the batch.
      boundaries: steps at which the rate is divided by 10; empty with Adam.
      init_checkpoint: where weights come from; empty: random.
      init_modules: `all` or `backbone`.
      size_reason: why the input has its size.
      records: folder of the TFRecords.
    """

    experiment: str
    categories: categories_lib.Categories
    images: int
    val_images: int
    objects: int
    few: bool
    adam: bool
    gpus: int
    bfloat16: bool
    padding: statistics.Padding
    batch: int
    epochs: int
    steps: int
    learning_rate: float
    boundaries: tuple[int, ...]
    init_checkpoint: str
    init_modules: str
    records: str

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show each training photo once."""
        return max(1, math.ceil(self.images / self.batch))


def decide(
    train: coco_annotations.CocoJson,
    val: coco_annotations.CocoJson,
    *,
    records: str,
    train_images: str | None = None,
    val_images: str | None = None,
    experiment: str | None = None,
    base: anchor_grid.AnchorGrid | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    gpus: int = 0,
    bfloat16: bool = False,
    init_checkpoint: str = "",
) -> Recipe:
    """Decide every number.

    Args:
      train: annotations of training.
      val: annotations of validation, of the same classes.
      records: folder of the TFRecords.
      train_images: where sizes are read that the annotations do not state.
      val_images: the same for validation.
      experiment: registered name; None: MobileNetV2 for fewer than 1,000 photos or without a GPU, otherwise
        ResNet-50.
      base: input size and anchors of the experiment; needed with one that is not of the two.
      epochs: None: so many that few photos are seen often, and many as often as in the paper.
      batch: of all devices; None: 4 on a CPU, 8 on each GPU, or all images where there are fewer.
      gpus: number of GPUs.
      bfloat16: whether the hardware is fast in it.
      init_checkpoint: directory of a model or of a backbone; empty: none.

    Returns:
      The recipe.

    Raises:
      ValueError: the classes of train and val differ, or an option is out of range.
    """
    _check(train, val, epochs, batch, gpus)
    images = len(train.images)
    few = images < FEW_IMAGES
    name = experiment or (SMALL_MODEL if few or not gpus else LARGE_MODEL)
    modules = "all" if _is_model(init_checkpoint) else "backbone"
    objects, shapes = _measure(train, train_images)
    statistics.read_image_sizes(val, val_images)
    fit = _fit_grid(name, DEFAULT_GRIDS.get(name, base), objects, shapes, whole=modules == "all")
    adam = few or name in ADAM_MODELS
    batch = batch or min(images, 8 * gpus if gpus else 4)
    epochs = epochs or _choose_epochs(images, adam)
    steps = math.ceil(images * epochs / batch)
    counts = [len(listed) for source in (train, val) for listed in source.annotations.values()]
    return Recipe(
        experiment=name,
        categories=train.categories,
        images=images,
        val_images=len(val.images),
        objects=len(objects.classes),
        few=few,
        adam=adam,
        gpus=gpus,
        bfloat16=bfloat16 and name == SMALL_MODEL,
        **vars(fit),
        padding=statistics.propose_padding(np.array(counts)),
        batch=batch,
        epochs=epochs,
        steps=steps,
        learning_rate=choose_learning_rate(batch, adam),
        boundaries=() if adam else tuple(max(1, round(share * steps)) for share in _DECAYS),
        init_checkpoint=init_checkpoint,
        init_modules=modules,
        records=records,
    )


def choose_learning_rate(batch: int, adam: bool) -> float:
    """Scale the learning rate of a known recipe to a batch, as a run does; two digits are kept."""
    rate, written = (_ADAM_RATE, _ADAM_BATCH) if adam else (_SGD_RATE, _SGD_BATCH)
    scaled = batch_scaling.scale_rate(rate, written, batch, "adam" if adam else "torch_sgd")
    return float(f"{scaled:.1e}")


def _check(
    train: coco_annotations.CocoJson,
    val: coco_annotations.CocoJson,
    epochs: int | None,
    batch: int | None,
    gpus: int,
) -> None:
    if train.categories != val.categories:
        raise ValueError(
            f"{val.path}: categories are {values.shorten(list(val.categories.names))} with ids"
            f" {values.shorten(list(val.categories.ids))}, but {train.path} has"
            f" {values.shorten(list(train.categories.names))} with"
            f" {values.shorten(list(train.categories.ids))}: give both the same list"
        )
    limits = {"epochs": (epochs, 1, MAX_EPOCHS), "batch": (batch, 1, MAX_BATCH), "gpus": (gpus, 0, MAX_GPUS)}
    for option, (value, least, most) in limits.items():
        if value is not None and not least <= value <= most:
            raise ValueError(f"{option} is {values.shorten(value)}: {least} to {most:,}")


def _measure(
    source: coco_annotations.CocoJson, images_dir: str | None
) -> tuple[statistics.Objects, NDArray[np.float64]]:
    """Gather the objects, and the [N, 2] (height, width) of the photos."""
    sizes = statistics.read_image_sizes(source, images_dir)
    shapes = np.array([sizes[image.id] for image in source.images], np.float64)
    return statistics.collect_objects(source, sizes), shapes


def _is_model(checkpoint: str) -> bool:
    """Check for a whole model: unlike a backbone it has a configuration beside its weights."""
    folder = checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint)
    return bool(checkpoint) and os.path.isfile(os.path.join(folder, "params.yaml"))


def _choose_epochs(images: int, adam: bool) -> int:
    """Show few photos often.

    Source: `yolact_mobilenetv2_finetune.yaml` was measured with 300 epochs of 13 photos; the paper has 54
    epochs of COCO and 113 of SBD.
    """
    if adam:
        return min(max(round(20_000 / images), 30), 300)
    return min(max(round(960_000 / images), 54), 160)


def _fit_grid(
    name: str,
    base: anchor_grid.AnchorGrid | None,
    objects: statistics.Objects,
    shapes: NDArray[np.float64],
    whole: bool,
) -> _Fit:
    """Choose input size, levels and anchors.

    Raises:
      ValueError: `base` is None.
    """
    if base is None:
        raise ValueError(f"experiment {name}: give its input size and anchors")
    small = name == SMALL_MODEL
    sized, reason = _choose_size(base, shapes, objects, may_grow=small)
    sized = _choose_levels(sized, objects) if small else sized
    suggested = anchor_clusters.suggest(objects.boxes, sized)
    before, after = (
        anchor_clusters.Coverage.of(grid.best_anchors(objects.boxes).iou) for grid in (sized, suggested)
    )
    if after.at_50 - before.at_50 >= (MIN_GAIN_WHOLE_MODEL if whole else MIN_GAIN):
        return _Fit(suggested, True, before, after, reason)
    return _Fit(sized, False, before, before, reason)


def _choose_size(
    base: anchor_grid.AnchorGrid,
    shapes: NDArray[np.float64],
    objects: statistics.Objects,
    may_grow: bool,
) -> tuple[anchor_grid.AnchorGrid, str]:
    """Choose the photos' aspect ratio where they share one, and a larger input for small objects."""
    height, width = base.input_size
    area = _choose_area(float(height * width), shapes, objects) if may_grow else float(height * width)
    grown = area > height * width
    ratios = np.log(shapes[:, 1] / shapes[:, 0])
    middle = float(np.median(ratios))
    alike = float(np.mean(np.abs(ratios - middle) <= 0.1)) >= 0.9
    wanted_ratio = middle if alike else 0.0
    if not grown and abs(wanted_ratio - math.log(width / height)) <= 0.1:
        reason = "as the photos are" if alike else "square, since photos differ in their proportions"
        return base, f"{reason}; the size of the recipe"
    sides = math.sqrt(area) * np.exp(np.array([-0.5, 0.5]) * wanted_ratio)
    size = tuple(max(_SIDE_MULTIPLE, round(side / _SIDE_MULTIPLE) * _SIDE_MULTIPLE) for side in sides)
    reason = (
        f"the photos are about {math.exp(middle):.2f} times as wide as high"
        if alike
        else "square, since photos differ in their proportions"
    )
    reason += "; enlarged for small objects" if grown else ""
    return dataclasses.replace(base, input_size=(size[0], size[1])), reason


def _choose_area(area: float, shapes: NDArray[np.float64], objects: statistics.Objects) -> float:
    """Enlarge an input until nine in ten objects have 16 pixels of it, but not beyond the photos."""
    if not len(objects.boxes):
        return area
    sides = np.sqrt((objects.boxes[:, 2:] - objects.boxes[:, :2]).prod(axis=1)) * math.sqrt(area)
    wanted = area * max(1.0, _LEAST_SIDE / float(np.percentile(sides, 10))) ** 2
    return min(wanted, _MAX_SMALL_AREA, max(area, float(np.median(shapes.prod(axis=1)))))


def _choose_levels(base: anchor_grid.AnchorGrid, objects: statistics.Objects) -> anchor_grid.AnchorGrid:
    """Add levels, each with twice the scale, until the anchors reach the large objects."""
    sides = np.sqrt(anchor_grid.scale_sizes(objects.boxes, base.input_size).prod(axis=1))
    large = float(np.percentile(sides, 95)) if len(sides) else 0.0
    scales: Sequence[float] = base.scales
    while scales[-1] * 2 ** (2 / 3) < large and base.min_level + len(scales) - 1 < 7:
        scales = (*scales, scales[-1] * 2)
    return dataclasses.replace(base, scales=tuple(scales))
