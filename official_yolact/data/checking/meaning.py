"""Checks of what a model could learn from the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from official_yolact.data.checking import columns
from official_yolact.data.checking import findings
from official_yolact.data.checking import geometry
from official_yolact.data.checking import view as view_lib
from official_yolact.data.recipes import anchor_grid
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import values

Findings = Iterator[findings.Finding]

MAX_SIDE, MAX_INSTANCES = 100_000, 1_000_000
"""Of the network input in pixels, and of the padding."""

CROWD_SHARE = 0.1
MIN_BOX_SIDE = 4.0
"""Input pixels: boxes not wider or not higher are dropped by the augmentation preset `default`."""
RARE = 10
IMBALANCE = 1000
COVERED_SHARE = 0.7
COVERED_IOU = 0.5
_HISTOGRAM = (10, 20, 50, 100, 200, 500)


@dataclasses.dataclass(frozen=True)
class Target:
    """What the data is meant for.

    Attributes:
      input_size: (height, width) of the network input.
      max_instances: rows of the padded labels.
    """

    input_size: tuple[int, int] = (anchor_grid.PAPER_SIDE, anchor_grid.PAPER_SIDE)
    max_instances: int = 100

    def check(self) -> None:
        """Refuse what no network has.

        Raises:
          ValueError: names the value and its bounds.
        """
        if not all(1 <= side <= MAX_SIDE for side in self.input_size):
            shown = values.shorten(list(self.input_size))
            raise ValueError(f"input-size is {shown}: height and width are 1 to {MAX_SIDE:,}")
        if not 1 <= self.max_instances <= MAX_INSTANCES:
            shown = values.shorten(self.max_instances)
            raise ValueError(f"max-instances is {shown}: 1 to {MAX_INSTANCES:,}")


def check_empty(view: view_lib.View, _: Target) -> Findings:
    """Find a set without images, annotations or categories, or whose annotations have no image."""
    for section in view_lib.SECTIONS:
        if not view.entries(section):
            yield findings.Finding("D00", section, np.zeros(1, np.int64), notes=(f"{section} is empty",))
    if view.annotations and view.images and not (view.image_of >= 0).any():
        note = f"none of {len(view.annotations)} annotations belongs to one of {len(view.images)} images"
        yield findings.Finding("D00", "annotations", np.zeros(1, np.int64), notes=(note,))


def check_crowds(view: view_lib.View, _: Target) -> Findings:
    """Find sets whose single objects are marked as crowd."""
    crowd = view.crowds == 1
    if crowd.sum() >= max(1.0, CROWD_SHARE * crowd.size):
        detail = (
            f"{crowd.sum()} of {crowd.size} annotations are crowd; real COCO has about 1 %."
            " CVAT export? Convert with --crowd=as-instance"
        )
        yield from findings.where("D07", "annotations", crowd, "iscrowd", detail)


def check_padding(view: view_lib.View, target: Target) -> Findings:
    """Find images with more objects than are kept."""
    counts = _count_per_image(view)
    over = counts > target.max_instances
    if over.any():
        bounds = [0, *_HISTOGRAM, np.inf]
        numbers = np.histogram(counts, bounds)[0]
        rows = [
            f"{low:.0f}-{high - 1:.0f}: {n}"
            for low, high, n in zip(bounds, bounds[1:], numbers, strict=False)
        ]
        rows[-1] = f"{_HISTOGRAM[-1]} and more: {numbers[-1]}"
        lost = int((counts - target.max_instances).clip(0).sum())
        detail = (
            f"{lost} objects beyond {target.max_instances}, at most {counts.max()} in one image;"
            f" images by objects: {', '.join(rows)}"
        )
        yield from findings.where("D10", "images", over, "file_name", detail)


def check_small(view: view_lib.View, target: Target) -> Findings:
    """Find objects that are lost at the input size."""
    sides = _input_sides(view, target)
    with np.errstate(invalid="ignore"):
        small = (sides <= MIN_BOX_SIDE).any(axis=1) & ~geometry.empty_boxes(view)
    height, width = target.input_size
    detail = f"{small.mean():.1%} of all objects at {height}x{width}" if small.size else ""
    yield from findings.where("D11", "annotations", small, "bbox", detail)


def check_classes(view: view_lib.View, other: view_lib.View | None) -> Findings:
    """Find dead, rare and synthetic classes."""
    usable = view.category_ids.usable
    counts = np.bincount(view.category_of[view.category_of >= 0], minlength=len(view.categories))
    root = root_categories(view, other)
    listed = usable & ~root & ~view.category_ids.later
    yield from findings.where("D18", "categories", root, "name")
    if counts.sum():
        yield from findings.where("D16", "categories", listed & (counts == 0), "name")
    rare = listed & (counts > 0) & ((counts < RARE) | (counts * IMBALANCE < counts.max(initial=0)))
    detail = f"the most frequent has {counts.max(initial=0)}"
    yield from findings.where("D15", "categories", rare, "name", detail, lambda at: f"{counts[at]} objects")


def check_coverage(view: view_lib.View, target: Target) -> Findings:
    """Find classes whose boxes the default anchors do not reach."""
    boxes, kept = _boxes_norm(view)
    if not kept.any():
        return
    iou = anchor_grid.AnchorGrid.of_size(*target.input_size).best_anchors(boxes[kept]).iou
    classes = view.category_of[kept]
    total = np.bincount(classes, minlength=len(view.categories))
    covered = np.bincount(classes[iou >= COVERED_IOU], minlength=len(view.categories))
    badly = (total >= RARE) & (covered < COVERED_SHARE * total)
    detail = f"{np.mean(iou >= COVERED_IOU):.0%} over all classes"
    yield from findings.where(
        "D17",
        "categories",
        badly,
        "name",
        detail,
        lambda at: f"{covered[at] / total[at]:.0%} of {total[at]}",
    )


def check_background(view: view_lib.View, _: Target) -> Findings:
    """Find images without objects."""
    empty = (_count_per_image(view) == 0) & view.image_ids.usable
    if view.annotations:
        yield from findings.where("D19", "images", empty, "file_name", f"of {empty.size} images")


def root_categories(view: view_lib.View, other: view_lib.View | None = None) -> NDArray[np.bool_]:
    """Mark categories that are only the supercategory of others.

    Args:
      view: what is checked.
      other: another split, or None.

    Returns:
      bool [N]: another category names it as its supercategory, it is in none of its own name, and no
      category of that name has objects, in either split.
    """
    roots = categories_lib.find_roots(
        zip(view.names, view.values("categories", "supercategory"), strict=True)
    )
    held = names_with_objects(view) | (names_with_objects(other) if other is not None else set())
    free = np.array([name not in held for name in view.names], np.bool_)
    return np.array(roots, np.bool_) & free


def with_objects(view: view_lib.View) -> NDArray[np.bool_]:
    """Mark categories whose id an annotation has, also where several share it."""
    ids, refs = view.category_ids, view.category_refs
    return np.asarray(ids.usable & np.isin(ids.values, refs.values[refs.usable]))


def names_with_objects(view: view_lib.View) -> set[str]:
    """Give the names of classes that have objects."""
    return {name for name, has in zip(view.names, with_objects(view), strict=True) if has}


def _count_per_image(view: view_lib.View) -> NDArray[np.int64]:
    return np.bincount(view.image_of[view.image_of >= 0], minlength=len(view.images))


def _boxes_norm(view: view_lib.View) -> tuple[columns.Floats, NDArray[np.bool_]]:
    """Give boxes [N, 4] yxyx_norm, cut to the image, and which of them count."""
    canvas = np.concatenate([view.canvas] * 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        boxes = np.clip(geometry.corners(view)[:, [1, 0, 3, 2]] / canvas, 0.0, 1.0)
        kept = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (view.category_of >= 0) & (view.crowds != 1)
    return boxes, kept & ~geometry.far_boxes(view)


def _input_sides(view: view_lib.View, target: Target) -> columns.Floats:
    """Give height and width [N, 2] of the boxes in input pixels, NaN for what does not count."""
    boxes, kept = _boxes_norm(view)
    sides = (boxes[:, 2:] - boxes[:, :2]) * np.asarray(target.input_size, np.float64)
    return np.where(kept[:, np.newaxis], sides, np.nan)
