"""What a data set holds: counts, sizes, shapes, and how anchors cover it."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import segmentations
from official_yolact.data.recipes import anchor_clusters
from official_yolact.data.recipes import anchor_grid
from official_yolact.images import image_files
from official_yolact.records import repeat_factors
from official_yolact_runtime.images import reading

SMALL_AREA = 32.0**2
LARGE_AREA = 96.0**2
"""Objects below the one are small and from the other on large. Source: COCO."""

MIN_SIDE = 4.0
"""Training drops boxes that are not wider or not higher than so many input pixels."""

QUANTILES = (0, 10, 50, 90, 100)


@dataclasses.dataclass(frozen=True)
class Objects:
    """The objects of a data set, crowds and what has no area left out, as arrays over N objects.

    Attributes:
      boxes: float64 [N, 4] yxyx_norm, clipped to the image.
      sizes: float64 [N, 2] (height, width) of the boxes, pixels of the photo.
      areas: float64 [N] area of the mask where the file states it, else of the box; pixels of the photo.
      image_sizes: float64 [N, 2] (height, width) of the photo.
      classes: int64 [N] from 1.
    """

    boxes: NDArray[np.float64]
    sizes: NDArray[np.float64]
    areas: NDArray[np.float64]
    image_sizes: NDArray[np.float64]
    classes: NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """One class: objects (crowds apart), photos that show it, their repeats, and how anchors cover it."""

    id: int
    name: str
    instances: int
    images: int
    crowds: int
    repeats: float
    coverage: anchor_clusters.Coverage


@dataclasses.dataclass(frozen=True)
class Padding:
    """A proposal for `max_num_instances` and what it cuts."""

    max_num_instances: int
    largest: int
    images_cut: int
    instances_cut: int


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What `yolact data stats` says.

    Attributes:
      images: listed in the file.
      empty_images: without any annotation.
      instances: objects, crowds apart.
      crowds: crowd regions.
      degenerate: objects whose box has no area inside the photo; left out of sizes and coverage.
      orphans: annotations of images that are not listed.
      image_sizes: `HxW` to number, the most frequent twenty.
      classes: in class order.
      sizes: by frame (`photo`, `input`): number of small, medium and large objects.
      sides: by frame: quantiles of the root of the box's area, pixels.
      aspect_ratios: quantiles of width / height, at the network input.
      below_min_side: objects that are 4 input pixels wide or high or less: training drops them.
      instances_per_image: quantiles, crowds included.
      padding: proposal.
      repeat_threshold: proposal; 0: no class is so rare that its photos need repeats.
      anchors: by name (`given`, `suggested`, ...): the settings and their coverage.
    """

    images: int
    empty_images: int
    instances: int
    crowds: int
    degenerate: int
    orphans: int
    image_sizes: dict[str, int]
    classes: list[ClassRow]
    sizes: dict[str, dict[str, int]]
    sides: dict[str, dict[str, float]]
    aspect_ratios: dict[str, float]
    below_min_side: int
    instances_per_image: dict[str, float]
    padding: Padding
    repeat_threshold: float
    anchors: dict[str, dict[str, Any]]


def describe(
    source: coco_annotations.CocoJson, grid: anchor_grid.AnchorGrid, images_dir: str | None = None
) -> Statistics:
    """Count and measure a data set.

    Args:
      source: the annotations.
      grid: network input and anchors to judge it by.
      images_dir: where sizes are read that the file does not state; None: they must be stated.

    Returns:
      The statistics.

    Raises:
      ValueError: an image has no size, or a mask that is needed for its box is unusable.
    """
    sizes = read_image_sizes(source, images_dir)
    objects = collect_objects(source, sizes)
    iou = grid.best_anchors(objects.boxes).iou
    listed = [source.annotations[image.id] for image in source.images]
    crowds = sum(annotation.is_crowd for entries in listed for annotation in entries)
    per_image = np.array([len(entries) for entries in listed])
    total = int(per_image.sum())
    inputs = anchor_grid.scale_sizes(objects.boxes, grid.input_size)
    threshold = repeat_factors.propose_threshold(list_frequencies(source))
    factors = np.prod(np.asarray(grid.input_size) / objects.image_sizes, axis=1)
    return Statistics(
        images=len(source.images),
        empty_images=int((per_image == 0).sum()),
        instances=total - crowds,
        crowds=crowds,
        degenerate=total - crowds - len(objects.classes),
        orphans=source.orphans,
        image_sizes=_count_sizes(sizes),
        classes=_describe_classes(source, objects, iou, threshold),
        sizes={"photo": _count_areas(objects.areas), "input": _count_areas(objects.areas * factors)},
        sides={
            "photo": quantiles(np.sqrt(objects.sizes.prod(axis=1))),
            "input": quantiles(np.sqrt(inputs.prod(axis=1))),
        },
        aspect_ratios=quantiles(inputs[:, 1] / inputs[:, 0]),
        below_min_side=int((inputs <= MIN_SIDE).any(axis=1).sum()),
        instances_per_image=quantiles(per_image.astype(np.float64)),
        padding=propose_padding(per_image),
        repeat_threshold=threshold,
        anchors=_compare_anchors(objects.boxes, grid),
    )


def read_image_sizes(
    source: coco_annotations.CocoJson, images_dir: str | None = None
) -> dict[int, tuple[int, int]]:
    """Map image id to (height, width): as stated, or from the file's header.

    Raises:
      ValueError: the annotations state no size, and there is no folder or no such image in it.
    """
    sizes = {}
    for image in source.images:
        if image.height is not None and image.width is not None:
            sizes[image.id] = (image.height, image.width)
            continue
        where = f"{source.path}: image {image.id}"
        if images_dir is None:
            field = "height" if image.height is None else "width"
            raise ValueError(f"{where}: {field} is missing: state it, or name the image folder with --images")
        path = image_files.locate(image, images_dir, where)
        sizes[image.id] = reading.read_header(path, where=f"{where}: ").upright
    return sizes


def collect_objects(source: coco_annotations.CocoJson, sizes: Mapping[int, tuple[int, int]]) -> Objects:
    """Gather the objects of a data set into arrays.

    Args:
      source: the annotations.
      sizes: (height, width) by image id.

    Returns:
      What has area inside its image, in the file's order of images.

    Raises:
      ValueError: an annotation has no box and no usable mask.
    """
    class_of = source.categories.class_of()
    rows = []
    for image in source.images:
        height, width = sizes[image.id]
        for annotation in source.annotations[image.id]:
            if annotation.is_crowd:
                continue
            x, y, w, h = annotation.box or _box_of_mask(annotation, height, width, source.path)
            area = -1.0 if annotation.area is None else annotation.area
            rows.append((y, x, y + h, x + w, height, width, area, class_of[annotation.category_id]))
    table = np.asarray(rows, np.float64).reshape(-1, 8)  # [N, 8], boxes yxyx_px in the first four
    limits = np.tile(table[:, 4:6], 2)  # [N, 4]: height, width, height, width
    pixels = table[:, :4].clip(0, limits)
    sides = pixels[:, 2:] - pixels[:, :2]
    kept = (sides > 0).all(axis=1)
    table, pixels, sides, limits = table[kept], pixels[kept], sides[kept], limits[kept]
    areas = np.where(table[:, 6] > 0, table[:, 6], sides.prod(axis=1))
    return Objects(pixels / limits, sides, areas, table[:, 4:6], table[:, 7].astype(np.int64))


def list_boxes(
    source: coco_annotations.CocoJson, sizes: Mapping[int, tuple[int, int]]
) -> list[tuple[tuple[int, int], NDArray[np.float64]]]:
    """List (height, width) of each image and the boxes of its objects, [M, 4] yxyx in its pixels."""
    listed = []
    for image in source.images:
        alone = dataclasses.replace(source, images=[image])
        size = sizes[image.id]
        listed.append((size, collect_objects(alone, sizes).boxes * np.tile(size, 2)))
    return listed


def propose_padding(per_image: NDArray[np.int64]) -> Padding:
    """Propose `max_num_instances` from the number of instances (crowds included) of each image.

    All are kept, unless the fullest of a thousand images hold more than twice as many as the others: padding
    costs memory and time in every image.
    """
    largest = int(per_image.max(initial=0))
    usual = int(np.quantile(per_image, 0.999, method="higher")) if len(per_image) else 0
    rows = usual if largest > max(2 * usual, 100) else largest
    rows = max(8, -(-rows // 4) * 4)
    over = (per_image - rows).clip(0)
    return Padding(rows, largest, int((over > 0).sum()), int(over.sum()))


def list_frequencies(source: coco_annotations.CocoJson) -> list[float]:
    """List the share of the photos that show an object of each class, crowds apart, in class order."""
    images: collections.Counter[int] = collections.Counter()
    for image in source.images:
        entries = source.annotations[image.id]
        images.update({annotation.category_id for annotation in entries if not annotation.is_crowd})
    return [images[category_id] / max(len(source.images), 1) for category_id in source.categories.ids]


def _compare_anchors(boxes: NDArray[np.float64], grid: anchor_grid.AnchorGrid) -> dict[str, dict[str, Any]]:
    """Describe the grid's anchors, as many suggested ones, and 3 an octave where the grid has fewer."""
    grids = {"given": grid, "suggested": anchor_clusters.suggest(boxes, grid)}
    if grid.scales_per_octave < 3:
        finer = dataclasses.replace(grid, scales_per_octave=3, square=False)
        grids["suggested_3_per_octave"] = anchor_clusters.suggest(boxes, finer)
    return {
        name: {
            **dataclasses.asdict(each),
            "coverage": dataclasses.asdict(anchor_clusters.Coverage.of(each.best_anchors(boxes).iou)),
        }
        for name, each in grids.items()
    }


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """Compute the quantiles by percent; none of no values."""
    if not len(values):
        return {}
    return {
        str(percent): round(float(value), 2)
        for percent, value in zip(QUANTILES, np.percentile(values, QUANTILES), strict=True)
    }


def _box_of_mask(
    annotation: coco_annotations.Annotation, height: int, width: int, path: str
) -> coco_annotations.Box:
    where = f"{path}: annotation {annotation.id}"
    cleaned, _ = segmentations.clean_segmentation(annotation.segmentation, height, width, where)
    return segmentations.tight_box(segmentations.rasterize(cleaned, height, width))


def _count_sizes(sizes: Mapping[int, tuple[int, int]]) -> dict[str, int]:
    counted = collections.Counter(f"{height}x{width}" for height, width in sizes.values())
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:20])


def _count_areas(areas: NDArray[np.float64]) -> dict[str, int]:
    small, large = areas < SMALL_AREA, areas >= LARGE_AREA
    counts = {"small": small, "medium": ~small & ~large, "large": large}
    return {name: int(chosen.sum()) for name, chosen in counts.items()}


def _describe_classes(
    source: coco_annotations.CocoJson, objects: Objects, iou: NDArray[np.float64], threshold: float
) -> list[ClassRow]:
    annotations, crowds, images = (collections.Counter[int]() for _ in range(3))
    factors = repeat_factors.find_class_factors(list_frequencies(source), threshold)
    for listed in source.annotations.values():
        annotations.update(annotation.category_id for annotation in listed)
        crowds.update(annotation.category_id for annotation in listed if annotation.is_crowd)
        images.update({annotation.category_id for annotation in listed})
    return [
        ClassRow(
            id=category_id,
            name=name,
            instances=annotations[category_id] - crowds[category_id],
            images=images[category_id],
            crowds=crowds[category_id],
            repeats=round(float(factors[number - 1]), 2),
            coverage=anchor_clusters.Coverage.of(iou[objects.classes == number]),
        )
        for number, (category_id, name) in enumerate(source.categories.name_of().items(), start=1)
    ]
