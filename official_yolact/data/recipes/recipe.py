"""The numbers of a training recipe, decided from a data set."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.coco import annotations as coco_annotations
from official_yolact.configs import batch_scaling
from official_yolact.data import statistics
from official_yolact.data.recipes import anchor_grid
from official_yolact.data.recipes import grid_fit
from official_yolact.data.recipes import schedule_plan
from official_yolact.data.recipes import step_cost
from official_yolact.environment import speed as speed_lib
from official_yolact.weights import named_weights
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import values

FEW_IMAGES = 1_000
"""Fewer training photos than this are trained as a small set: Adam, strong averaging, many epochs."""

SMALL_MODEL = "yolact_mobilenetv2_coco"
LARGE_MODEL = "yolact_resnet50_coco"
SMALL_MODELS = (SMALL_MODEL, "yolact_next_mobilenetv2_coco")
"""Those with MobileNetV2, which is cheap enough for a CPU."""

ADAM_MODELS = (*SMALL_MODELS, "yolact_tiny_shapes", "yolact_next_shapes")
"""Experiments without a published schedule."""

_SMALL_GRID = anchor_grid.AnchorGrid((352, 480), 3, (28.0, 56.0, 112.0), 3, (1.0, 0.5, 2.0), False)
DEFAULT_GRIDS = {**dict.fromkeys(SMALL_MODELS, _SMALL_GRID), LARGE_MODEL: anchor_grid.AnchorGrid()}
"""Where the models of our own choosing start from; the small ones as their recipes have it."""

DEFAULT_NETWORKS = {
    **dict.fromkeys(SMALL_MODELS, step_cost.Network("mobilenetv2")),
    LARGE_MODEL: step_cost.Network("resnet50", filters=256),
}
DEFAULT_FILTERS = DEFAULT_NETWORKS[SMALL_MODEL].filters
FRESH_NETWORK = step_cost.Network("resnet18_half", filters=64)
"""Of random weights on a CPU: plain convolutions learn from nothing in fewer and cheaper steps."""

MAX_EPOCHS, MAX_BATCH, MAX_GPUS, MAX_MINUTES = 1_000_000, 1_000_000, 100_000, 1_000_000
DEFAULT_MINUTES = 30.0
LEAST_STEPS = 200
"""Fewer teach a network nothing that is of use."""

_ENOUGH_STEPS, _ENOUGH_FRESH_STEPS = 1_500, 2_000
"""So many steps must fit before the input may be larger; random weights need more."""
_ADAM_RATE, _ADAM_BATCH = 5e-4, 4
BACKBONE_MULTIPLIER = 0.1
"""Of the learning rate, for an imported backbone below new layers and few photos."""
_NEW_LAYERS_RATE = 1e-3  # with that multiplier
_FRESH_RATE = 2e-3
_SGD_RATE, _SGD_BATCH = 1e-3, 8
_DECAYS = (0.35, 0.75, 0.875, 0.9375)
"""The paper divides the rate at 280k, 600k, 700k and 750k of 800k steps."""
_MIDDLE_SIDE = 96.0
"""Objects of this side are shown at 0.6 to 1.4 of their size; smaller ones are shrunk less."""
_USUAL_DETECTIONS, _USUAL_CANDIDATES = 100, 200
_CANDIDATES = 4


@dataclasses.dataclass(frozen=True)
class Limits:
    """Of the detections of a photo.

    Attributes:
      max_detections: D.
      nms_top_k: candidates of a class.
      fullest: objects of the fullest photo of training and validation.
      fullest_class: most objects of one class in a photo.
    """

    max_detections: int
    nms_top_k: int
    fullest: int
    fullest_class: int

    @property
    def are_usual(self) -> bool:
        """Whether they are those of the experiments."""
        return (self.max_detections, self.nms_top_k) == (_USUAL_DETECTIONS, _USUAL_CANDIDATES)


@dataclasses.dataclass(frozen=True)
class OwnModel:
    """A trained model that a recipe goes on from.

    Attributes:
      experiment: that its configuration names.
      grid: input size and anchors.
      network: what decides its cost; None: not known.
      section: keys below `task.model`, nested, that differ from the experiment's and describe the network.
      names: of its classes; empty: not known.
    """

    experiment: str
    grid: anchor_grid.AnchorGrid
    network: step_cost.Network | None
    section: Mapping[str, Any]
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Recipe(grid_fit.Fit):
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
      padding: `max_num_instances`, and what it cuts.
      limits: of detections.
      batch: of all devices.
      epochs: over the training photos.
      steps: of training.
      wanted_steps: that show the photos as often as is of use, however long they take.
      learning_rate: for the batch.
      boundaries: steps at which the rate is divided by 10; empty with Adam.
      init_checkpoint: where weights come from; empty: random.
      init_modules: `all` or `backbone`.
      adapts_backbone: whether few photos teach new layers on an imported backbone.
      records: folder of the TFRecords.
      network: as far as it decides what a step costs; None: not known.
      plan: times on this machine; None: not known.
      scales: smallest and largest size at which objects are shown; None: as the experiment shows them.
      own: the model that it goes on from.
      from_above: whether the photos have no upright.
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
    limits: Limits
    batch: int
    epochs: int
    steps: int
    wanted_steps: int
    learning_rate: float
    boundaries: tuple[int, ...]
    init_checkpoint: str
    init_modules: str
    adapts_backbone: bool
    records: str
    network: step_cost.Network | None
    plan: schedule_plan.Plan | None
    scales: tuple[float, float] | None
    own: OwnModel | None
    from_above: bool

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show each training photo once."""
        return max(1, math.ceil(self.images / self.batch))

    @property
    def is_fresh(self) -> bool:
        """Whether the network for random weights is trained."""
        return self.network == FRESH_NETWORK and not self.init_checkpoint

    @property
    def is_short(self) -> bool:
        """Whether fewer steps fit into the time than a network with imported weights should have."""
        return self.plan is not None and self.steps < min(self.wanted_steps, _ENOUGH_STEPS)

    @property
    def freezes(self) -> bool:
        """Whether batch norms and the first layers stay as they were imported."""
        return bool(self.init_checkpoint) and (self.few or not self.gpus)


@dataclasses.dataclass(frozen=True)
class _Budget:
    """What a training may cost.

    Attributes:
      costs: None: not known, so that nothing is limited.
      steps: that are of use.
      seconds: of the whole run; None: as long as the steps need.
    """

    costs: step_cost.Costs | None
    steps: int
    seconds: float | None

    def plan(self, grid: anchor_grid.AnchorGrid) -> schedule_plan.Plan | None:
        """Plan a training at an input size; None where costs are not known."""
        if self.costs is None:
            return None
        times = self.costs.estimate_step(grid), self.costs.estimate_evaluation(grid)
        if self.seconds is None:
            return schedule_plan.plan_steps(self.steps, *times)
        return schedule_plan.plan_seconds(self.seconds, self.steps, *times)

    def choose(self, grids: Iterable[anchor_grid.AnchorGrid]) -> anchor_grid.AnchorGrid:
        """Choose the first of grids, ever smaller ones, with which enough steps fit; or the last."""
        grid, *smaller = grids
        for candidate in (grid, *smaller):
            grid = candidate
            plan = self.plan(candidate)
            fresh = self.costs is not None and self.costs.network == FRESH_NETWORK
            if plan is None or plan.steps >= min(self.steps, _ENOUGH_FRESH_STEPS if fresh else _ENOUGH_STEPS):
                break
        return grid


def decide(
    train: coco_annotations.CocoJson,
    val: coco_annotations.CocoJson,
    *,
    records: str,
    train_images: str | None = None,
    val_images: str | None = None,
    experiment: str | None = None,
    base: anchor_grid.AnchorGrid | None = None,
    network: step_cost.Network | None = None,
    own: OwnModel | None = None,
    input_size: tuple[int, int] | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    batch: int | None = None,
    gpus: int = 0,
    bfloat16: bool = False,
    speed: speed_lib.Speed | None = None,
    init_checkpoint: str = "",
    from_above: bool = False,
) -> Recipe:
    """Decide every number.

    Args:
      train: annotations of training.
      val: annotations of validation, of the same classes.
      records: folder of the TFRecords.
      train_images: where sizes are read that the annotations do not state.
      val_images: the same for validation.
      experiment: registered name; None: that of `own`, or MobileNetV2 for fewer than 1,000 photos or without
        a GPU, otherwise ResNet-50.
      base: input size and anchors of the experiment; needed with one that `DEFAULT_GRIDS` has not.
      network: of the experiment, where `DEFAULT_NETWORKS` has it not.
      own: a model to go on from: its network, input size and anchors are kept.
      input_size: (height, width) that is asked for; anchors are fitted at it.
      epochs: None: so many that few photos are seen often, and many as often as in the paper, and on a CPU
        no more than `minutes` have room for.
      minutes: that a run on a CPU may take; None: half an hour.
      batch: of all devices; None: 4 on a CPU, 8 on each GPU, or all images where there are fewer.
      gpus: number of GPUs.
      bfloat16: whether the hardware is fast in it.
      speed: of the machine's CPU; None: no times are estimated, and no time limits the recipe.
      init_checkpoint: a model, a backbone or a name of weights; empty: none.
      from_above: the photos have no upright, so that each is also shown flipped and transposed.

    Returns:
      The recipe.

    Raises:
      ValueError: the classes of train and val differ, or an option is out of range.
    """
    _check(train, val, epochs, batch, gpus, minutes, input_size)
    images = len(train.images)
    few = images < FEW_IMAGES
    name = experiment or (own.experiment if own else choose_experiment(images, gpus))
    modules = "all" if own or _is_model(init_checkpoint) else "backbone"
    objects, shapes = _measure(train, train_images)
    statistics.read_image_sizes(val, val_images)
    adam = few or name in ADAM_MODELS
    adapts_backbone = few and modules == "backbone" and bool(init_checkpoint)
    batch = batch or min(images, 8 * gpus if gpus else 4)
    counts = [len(listed) for source in (train, val) for listed in source.annotations.values()]
    # Random weights on a CPU have a network of their own, unless another was asked for.
    is_fresh = not (gpus or init_checkpoint or experiment) and speed is not None
    network = FRESH_NETWORK if is_fresh else own.network if own else network or DEFAULT_NETWORKS.get(name)
    if network and init_checkpoint and (few or not gpus):
        network = dataclasses.replace(network, is_frozen=True)
    costs = None
    if network and speed and not gpus:
        photos = _describe_photos(objects, shapes)
        costs = step_cost.Costs(network, train.categories.num_classes, batch, len(val.images), photos, speed)
    budget = _Budget(
        costs,
        steps=math.ceil(images * (epochs or _choose_epochs(images, adam)) / batch),
        seconds=None if epochs else 60 * (minutes or DEFAULT_MINUTES),
    )
    fit = _fit_grid(
        name, own.grid if own else base, objects.boxes, shapes, input_size, own is not None, budget
    )
    plan = budget.plan(fit.grid)
    steps = plan.steps if plan else budget.steps
    return Recipe(
        **vars(fit),
        experiment=name,
        categories=train.categories,
        images=images,
        val_images=len(val.images),
        objects=len(objects.classes),
        few=few,
        adam=adam,
        gpus=gpus,
        bfloat16=bfloat16 and (name in SMALL_MODELS or own is not None),
        padding=statistics.propose_padding(np.array(counts)),
        limits=_choose_limits(train, val),
        batch=batch,
        epochs=epochs or max(1, round(steps * batch / images)),
        steps=steps,
        wanted_steps=budget.steps,
        learning_rate=choose_learning_rate(
            batch,
            adam,
            is_fresh=network == FRESH_NETWORK and not init_checkpoint,
            adapts_backbone=adapts_backbone,
        ),
        boundaries=() if adam else tuple(max(1, round(share * steps)) for share in _DECAYS),
        init_checkpoint=init_checkpoint,
        init_modules=modules,
        adapts_backbone=adapts_backbone,
        records=records,
        network=network,
        plan=plan,
        scales=_choose_scales(objects.boxes, fit.grid) if few or not gpus or from_above else None,
        own=own,
        from_above=from_above,
    )


def _describe_photos(objects: statistics.Objects, shapes: NDArray[np.float64]) -> step_cost.Photos:
    """Describe the usual photo of a set with photos of `shapes`, float64 [N, 2]."""
    return step_cost.Photos(float(np.median(shapes.prod(axis=1))) / 1e6, len(objects.classes) / len(shapes))


def choose_experiment(images: int, gpus: int) -> str:
    """Choose the experiment for a number of training photos and of GPUs."""
    return SMALL_MODEL if images < FEW_IMAGES or not gpus else LARGE_MODEL


def choose_learning_rate(
    batch: int, adam: bool, is_fresh: bool = False, adapts_backbone: bool = False
) -> float:
    """Scale the learning rate of a known recipe to a batch, as a run does; two digits are kept."""
    rate, written = (_ADAM_RATE, _ADAM_BATCH) if adam else (_SGD_RATE, _SGD_BATCH)
    if adam and (is_fresh or adapts_backbone):
        rate = _FRESH_RATE if is_fresh else _NEW_LAYERS_RATE
    scaled = batch_scaling.scale_rate(rate, written, batch, "adam" if adam else "torch_sgd")
    return float(f"{scaled:.1e}")


def _check(
    train: coco_annotations.CocoJson,
    val: coco_annotations.CocoJson,
    epochs: int | None,
    batch: int | None,
    gpus: int,
    minutes: float | None,
    input_size: tuple[int, int] | None,
) -> None:
    if train.categories != val.categories:
        raise ValueError(
            f"{val.path}: categories are {values.shorten(list(val.categories.names))} with ids"
            f" {values.shorten(list(val.categories.ids))}, but {train.path} has"
            f" {values.shorten(list(train.categories.names))} with"
            f" {values.shorten(list(train.categories.ids))}: give both the same list"
        )
    limits = {
        "epochs": (epochs, 1, MAX_EPOCHS),
        "batch": (batch, 1, MAX_BATCH),
        "gpus": (gpus, 0, MAX_GPUS),
        "minutes": (minutes, 1, MAX_MINUTES),
    }
    for option, (value, least, most) in limits.items():
        if value is not None and not least <= value <= most:
            raise ValueError(f"{option} is {values.shorten(value)}: {least} to {most:,}")
    least, most = grid_fit.LEAST_INPUT, grid_fit.MOST_INPUT
    if input_size is not None and not all(least <= side <= most for side in input_size):
        raise ValueError(f"input-size is {values.shorten(list(input_size))}: sides from {least} to {most:,}")


def _measure(
    source: coco_annotations.CocoJson, images_dir: str | None
) -> tuple[statistics.Objects, NDArray[np.float64]]:
    """Gather the objects, and the [N, 2] (height, width) of the photos."""
    sizes = statistics.read_image_sizes(source, images_dir)
    shapes = np.array([sizes[image.id] for image in source.images], np.float64)
    return statistics.collect_objects(source, sizes), shapes


def find_params(checkpoint: str) -> str:
    """Find the configuration beside the weights of a whole model; empty: a backbone, or a name, has none."""
    if not checkpoint or named_weights.is_name(checkpoint):
        return ""
    folder = checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint)
    paths = (os.path.join(each, "params.yaml") for each in (folder, os.path.dirname(os.path.abspath(folder))))
    own, above = paths
    if os.path.basename(os.path.abspath(folder)) == "best_ckpt" and not os.path.isfile(own):
        own = above
    return own if os.path.isfile(own) else ""


def _is_model(checkpoint: str) -> bool:
    if named_weights.is_name(checkpoint):
        return named_weights.find(checkpoint).modules == "all"
    return bool(find_params(checkpoint))


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
    boxes: NDArray[np.float64],
    shapes: NDArray[np.float64],
    input_size: tuple[int, int] | None,
    is_own: bool,
    budget: _Budget,
) -> grid_fit.Fit:
    """Choose input size, levels and anchors; of a model that is gone on from, keep what is not asked for.

    Raises:
      ValueError: `base` is None, and `DEFAULT_GRIDS` has not the experiment.
    """
    base = base or DEFAULT_GRIDS.get(name)
    if base is None:
        raise ValueError(f"experiment {name}: give its input size and anchors")
    if input_size:
        sized, reason = grid_fit.resize(base, input_size), "as --input-size asks"
    elif is_own:
        return grid_fit.keep(base, boxes, "that of the model it goes on from")
    else:
        sized, reason = grid_fit.choose_size(base, shapes, boxes, may_grow=name in SMALL_MODELS)
    if name in SMALL_MODELS:
        if not input_size:
            largest = sized
            sized = budget.choose(grid_fit.shrink(sized, boxes))
            reason += "" if sized == largest else "; reduced to what the time allows"
        sized = sized if is_own else grid_fit.choose_levels(sized, boxes)
    gain = grid_fit.MIN_GAIN_WHOLE_MODEL if is_own else grid_fit.MIN_GAIN
    return grid_fit.fit_anchors(sized, boxes, reason, gain)


def _choose_scales(boxes: NDArray[np.float64], grid: anchor_grid.AnchorGrid) -> tuple[float, float]:
    """Choose at which sizes objects are shown: the smaller they are in the input, the less they shrink."""
    sides = grid_fit.measure_sides(boxes, grid)
    smallness = max(_MIDDLE_SIDE / float(np.median(sides)), 1.0) if len(sides) else 1.0
    return round(min(0.6 * smallness**0.35, 0.9), 2), round(min(1.4 * smallness**0.2, 1.6), 2)


def _choose_limits(*sources: coco_annotations.CocoJson) -> Limits:
    """Leave room for a quarter more detections than the fullest photo has objects."""
    fullest = fullest_class = 0
    for listed in (listed for source in sources for listed in source.annotations.values()):
        counts = collections.Counter(annotation.category_id for annotation in listed)
        fullest, fullest_class = max(fullest, len(listed)), max(fullest_class, *counts.values(), 0)
    return Limits(
        max(_USUAL_DETECTIONS, math.ceil(1.25 * fullest / 50) * 50),
        max(_USUAL_CANDIDATES, math.ceil(_CANDIDATES * fullest_class / 50) * 50),
        fullest,
        fullest_class,
    )
