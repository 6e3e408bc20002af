"""The embedded data set: small pictures of shapes with COCO annotations of what can be seen of them.

Every image is a function of (seed, split, index), whatever else is drawn and by how many workers.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from official_yolact.coco import segmentations
from official_yolact.data import parts as parts_lib
from official_yolact.data import worker_count
from official_yolact.data.sets import raster
from official_yolact.environment import machine
from official_yolact_runtime import run_lengths
from official_yolact_runtime.files import outputs

MIN_SIZE = 48
MAX_SIZE = 4096
MAX_IMAGES = 1_000_000

_SPLITS = ("train", "val")
_JPEG_QUALITY = 92
_EMPTY_SHARE = 0.05
_CROWD_SHARE = 0.05
_BAR_SHARE = 0.12
_HOLE_SHARE = 0.15
_MAX_OBJECTS = 5
_MIN_VISIBLE_OF_IMAGE = 0.0025
_MIN_VISIBLE_OF_SHAPE = 0.5
_RADII = (0.12, 0.28)

Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass
class _Shape:
    """A drawn shape; `visible` shrinks as others are laid over it."""

    kind: str
    is_crowd: bool
    full_area: int
    visible: Bools


def write_shapes(
    output_dir: str,
    num_train: int = 2000,
    num_val: int = 250,
    size: int = 128,
    seed: int = 0,
    *,
    workers: int | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `instances_train.json`, `instances_val.json`, `train/*.jpg` and `val/*.jpg`.

    Args:
      output_dir: is made.
      num_train: training images.
      num_val: validation images.
      size: side of the images in pixels.
      seed: equal arguments result in equal bytes.
      workers: processes; None: one for each core. Does not change the result.
      force: replace files that this program did not write.
      progress: is called with the images done and their total.

    Raises:
      ValueError: an argument is out of range, or a file would be lost (found before anything is written).
      OSError: a file cannot be written.
    """
    limits = (
        ("train", num_train, 1, MAX_IMAGES),
        ("val", num_val, 1, MAX_IMAGES),
        ("size", size, MIN_SIZE, MAX_SIZE),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise ValueError(f"{name} is {value}: at least {least}, at most {most:,}")
    if workers is not None:
        worker_count.check(workers)
    if seed < 0:
        raise ValueError(f"seed is {seed}: at least 0")
    counts = dict(zip(_SPLITS, (num_train, num_val), strict=True))
    jobs = [(split, index) for split in _SPLITS for index in range(1, counts[split] + 1)]
    paths = {split: os.path.join(output_dir, f"instances_{split}.json") for split in _SPLITS}
    for path in (*paths.values(), *(_image_path(output_dir, *job) for job in jobs)):
        outputs.check(path, force=force, root=output_dir)
    draw = functools.partial(_write_image, output_dir, size, seed, force)
    listed: dict[str, list[list[dict[str, Any]]]] = {split: [] for split in _SPLITS}
    for done, ((split, _), entries) in enumerate(zip(jobs, _map(draw, jobs, workers), strict=True), 1):
        listed[split].append(entries)
        if progress:
            progress(done, len(jobs))
    contents = {path: _to_coco(listed[split], size) for split, path in paths.items()}
    parts_lib.write_json(contents, output_dir, force=force)


def _draw_image(size: int, rng: raster.Rng) -> tuple[npt.NDArray[np.uint8], list[dict[str, Any]]]:
    """Draw one picture, uint8 [size, size, 3] BGR; and make its annotations, without ids."""
    image = raster.draw_background(size, rng)
    shapes: list[_Shape] = []
    if rng.random() >= _EMPTY_SHARE:
        if rng.random() < _CROWD_SHARE:
            image = _add_crowd(image, shapes, rng)
        for _ in range(int(rng.integers(1, _MAX_OBJECTS + 1))):
            image = _add_shape(image, shapes, rng)
        if rng.random() < _BAR_SHARE:
            image = _add_bar(image, shapes, rng)
    picture = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return picture, [_annotate(shape) for shape in shapes]


def trace_polygons(mask: Bools) -> list[list[int]] | None:
    """Follow the outlines of a mask along the edges of its pixels.

    Args:
      mask: bool [height, width].

    Returns:
      Polygons [x1, y1, ...] in pixels that rasterize to the very mask; None where it has a hole, which
      COCO's polygons cannot say.
    """
    # At twice the size each corner of a pixel has a contour point of its own: even and odd
    # coordinates are the near and the far side of a pixel.
    doubled = mask.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if hierarchy is not None and (hierarchy[0, :, 3] >= 0).any():
        return None
    polygons = []
    for contour in contours:
        corners = (contour[:, 0].astype(np.int64) + 1) // 2  # [P, 2] x, y
        corners = corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]
        turns = np.roll(corners, -1, axis=0) - 2 * corners + np.roll(corners, 1, axis=0)
        polygons.append([int(number) for number in corners[turns.any(axis=1)].ravel()])
    return polygons


def _map(
    draw: Callable[[tuple[str, int]], list[dict[str, Any]]], jobs: list[tuple[str, int]], workers: int | None
) -> Iterator[list[dict[str, Any]]]:
    workers = workers or machine.count_processors()
    if workers == 1 or len(jobs) < 200:
        yield from map(draw, jobs)
        return
    # Not fork: whoever calls may hold TensorFlow's threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(draw, jobs, chunksize=50)


def _write_image(
    output_dir: str, size: int, seed: int, force: bool, job: tuple[str, int]
) -> list[dict[str, Any]]:
    split, index = job
    picture, annotations = _draw_image(size, np.random.default_rng([seed, _SPLITS.index(split), index]))
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    outputs.write(_image_path(output_dir, split, index), jpeg.tobytes(), force=force, root=output_dir)
    return annotations


def _image_path(output_dir: str, split: str, index: int) -> str:
    return os.path.join(output_dir, split, name_image(index))


def name_image(index: int) -> str:
    """Name the file of an image, which counts from 1."""
    return f"{index:06d}.jpg"


def _to_coco(listed: Iterable[list[dict[str, Any]]], size: int) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, entries in enumerate(listed, start=1):
        images.append({"id": image_id, "file_name": name_image(image_id), "height": size, "width": size})
        for entry in entries:
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **entry})
    categories = [
        {"id": i, "name": name, "supercategory": "shape"} for i, name in enumerate(raster.NAMES, start=1)
    ]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def _annotate(shape: _Shape) -> dict[str, Any]:
    polygons = None if shape.is_crowd else trace_polygons(shape.visible)
    fields = segmentations.describe_mask(shape.visible, polygons)
    if shape.is_crowd:
        # COCO writes the run lengths of crowds as lists.
        fields["segmentation"]["counts"] = run_lengths.decompress(fields["segmentation"]["counts"]).tolist()
    category_id = raster.NAMES.index(shape.kind) + 1
    return {"category_id": category_id, **fields, "iscrowd": int(shape.is_crowd)}


def _add_shape(image: raster.Floats, shapes: list[_Shape], rng: raster.Rng) -> raster.Floats:
    size = image.shape[0]
    kind = raster.NAMES[int(rng.integers(len(raster.NAMES)))]
    radius = size * rng.uniform(*_RADII)
    centre = rng.uniform(0.5 * radius, size - 0.5 * radius, 2)
    loops = [raster.outline(kind, rng)]
    if kind == "ring" or (kind in raster.HOLED and rng.random() < _HOLE_SHARE):
        loops.append(loops[0] * rng.uniform(*raster.HOLED[kind]))
    coverage = raster.cover(size, [loop * radius + centre for loop in loops])
    return _lay(image, shapes, _Shape(kind, False, 0, coverage > 0.5), coverage, rng)


def _add_bar(image: raster.Floats, shapes: list[_Shape], rng: raster.Rng) -> raster.Floats:
    """Lay a narrow ellipse over the last shape, which often splits it."""
    if not shapes:
        return image
    size = image.shape[0]
    rows, columns = np.nonzero(shapes[-1].visible)
    points = size * raster.ellipse(rng.uniform(0.25, 0.4), rng.uniform(0.05, 0.07), rng.uniform(0, np.pi))
    coverage = raster.cover(size, [points + np.array([columns.mean(), rows.mean()])])
    return _lay(image, shapes, _Shape("ellipse", False, 0, coverage > 0.5), coverage, rng)


def _add_crowd(image: raster.Floats, shapes: list[_Shape], rng: raster.Rng) -> raster.Floats:
    """Lay down a heap of shapes of one kind that are too small to annotate singly."""
    size = image.shape[0]
    kind = raster.NAMES[int(rng.integers(len(raster.NAMES)))]
    middle = rng.uniform(0.25 * size, 0.75 * size, 2)
    coverage = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(10, 22))):
        radius = size * rng.uniform(0.025, 0.045)
        centre = middle + rng.normal(0, 0.09 * size, 2)
        piece = raster.cover(size, [raster.outline(kind, rng) * radius + centre])
        colour = raster.pick_colour(image.mean(axis=(0, 1)), rng)
        image = raster.paint(image, piece, np.broadcast_to(colour, image.shape).astype(np.float32))
        coverage = np.maximum(coverage, piece)
    visible = coverage > 0.5
    shapes.append(_Shape(kind, True, int(visible.sum()), visible))
    return image


def _lay(
    image: raster.Floats,
    shapes: list[_Shape],
    shape: _Shape,
    coverage: raster.Floats,
    rng: raster.Rng,
) -> raster.Floats:
    """Paint a shape over the others, unless too little of it or of them would be seen."""
    shape.full_area = int(np.ceil(coverage.sum()))
    covered = shape.visible
    for other in [*shapes, shape]:
        seen = other.visible & ~covered if other is not shape else covered
        if seen.sum() < max(_MIN_VISIBLE_OF_IMAGE * covered.size, _MIN_VISIBLE_OF_SHAPE * other.full_area):
            return image
    for other in shapes:
        other.visible = other.visible & ~covered
    shapes.append(shape)
    colour = raster.pick_colour(image[covered].mean(axis=0), rng)
    return raster.paint(image, coverage, raster.draw_fill(image.shape[0], colour, rng))
