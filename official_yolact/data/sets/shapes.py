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


@dataclasses.dataclass
class _Canvas:
    """A picture that is being drawn.

    Attributes:
      image: float32 [S, S, 3] BGR; of a picture of many cells with half a cell more on each side.
      cell: side in pixels of the square for which one to five shapes are drawn.
      rng: decides.
      shapes: what was laid down, the lowest first.
    """

    image: raster.Floats
    cell: int
    rng: raster.Rng
    shapes: list[_Shape] = dataclasses.field(default_factory=list)

    @property
    def side(self) -> int:
        """Of the image in pixels."""
        return int(self.image.shape[0])

    @property
    def margin(self) -> int:
        """Pixels on each side that are cut off in the end."""
        return 0 if self.side == self.cell else self.cell // 2

    def find_window(
        self, point: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], tuple[slice, slice]]:
        """Find the cell-sized window around a point (x, y): its corner (x, y), and its rows and columns."""
        first = np.clip(np.floor(point).astype(np.int64) - self.cell // 2, 0, self.side - self.cell)
        x, y = first.tolist()
        return first, (slice(y, y + self.cell), slice(x, x + self.cell))


def write_shapes(
    output_dir: str,
    num_train: int = 2000,
    num_val: int = 250,
    size: int = 128,
    seed: int = 0,
    *,
    cell: int | None = None,
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
      cell: shapes are as large as in a picture of this side, and as many for each square of it: a smaller
        one than `size` draws photos of many small objects. None: `size`.
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
        ("cell", size if cell is None else cell, MIN_SIZE, size),
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
    draw = functools.partial(_write_image, output_dir, (size, cell or size), seed, force)
    listed: dict[str, list[list[dict[str, Any]]]] = {split: [] for split in _SPLITS}
    for done, ((split, _), entries) in enumerate(zip(jobs, _map(draw, jobs, workers), strict=True), 1):
        listed[split].append(entries)
        if progress:
            progress(done, len(jobs))
    contents = {path: _to_coco(listed[split], size) for split, path in paths.items()}
    parts_lib.write_json(contents, output_dir, force=force)


def _draw_image(size: int, cell: int, rng: raster.Rng) -> tuple[npt.NDArray[np.uint8], list[dict[str, Any]]]:
    """Draw one picture, uint8 [size, size, 3] BGR; and make its annotations, without ids."""
    canvas = _Canvas(raster.draw_background(size, rng), cell, rng)
    if cell < size:
        margins = [(cell // 2, cell // 2)] * 2 + [(0, 0)]
        canvas.image = np.pad(canvas.image, margins, mode="edge")
    filled = [_begin_cell(canvas) for _ in range(round((size / cell) ** 2))]
    for _ in range(sum(filled)):
        _fill_cell(canvas)
    inner = (slice(canvas.margin, canvas.margin + size),) * 2
    picture = np.clip(np.rint(canvas.image[inner]), 0, 255).astype(np.uint8)
    shown = [dataclasses.replace(shape, visible=shape.visible[inner]) for shape in canvas.shapes]
    return picture, [_annotate(shape) for shape in shown if shape.visible.any()]


def _begin_cell(canvas: _Canvas) -> bool:
    """Decide whether a cell has shapes, and lay down its crowd, which lies below all shapes."""
    is_filled = canvas.rng.random() >= _EMPTY_SHARE
    if is_filled and canvas.rng.random() < _CROWD_SHARE:
        _add_crowd(canvas)
    return is_filled


def _fill_cell(canvas: _Canvas) -> None:
    """Lay down the shapes of one cell, anywhere on the canvas."""
    for _ in range(int(canvas.rng.integers(1, _MAX_OBJECTS + 1))):
        _add_shape(canvas)
    if canvas.rng.random() < _BAR_SHARE:
        _add_bar(canvas)


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
    output_dir: str, sides: tuple[int, int], seed: int, force: bool, job: tuple[str, int]
) -> list[dict[str, Any]]:
    split, index = job
    picture, annotations = _draw_image(*sides, np.random.default_rng([seed, _SPLITS.index(split), index]))
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


def _add_shape(canvas: _Canvas) -> None:
    rng, cell = canvas.rng, canvas.cell
    kind = raster.NAMES[int(rng.integers(len(raster.NAMES)))]
    radius = cell * rng.uniform(*_RADII)
    least = canvas.margin + 0.5 * radius
    centre = rng.uniform(least, canvas.side - least, 2)
    loops = [raster.outline(kind, rng)]
    if kind == "ring" or (kind in raster.HOLED and rng.random() < _HOLE_SHARE):
        loops.append(loops[0] * rng.uniform(*raster.HOLED[kind]))
    first, window = canvas.find_window(centre)
    coverage = raster.cover(cell, [loop * radius + (centre - first) for loop in loops])
    _lay(canvas, kind, window, coverage)


def _add_bar(canvas: _Canvas) -> None:
    """Lay a narrow ellipse over the last shape, which often splits it."""
    if not canvas.shapes:
        return
    rng, cell = canvas.rng, canvas.cell
    rows, columns = np.nonzero(canvas.shapes[-1].visible)
    points = cell * raster.ellipse(rng.uniform(0.25, 0.4), rng.uniform(0.05, 0.07), rng.uniform(0, np.pi))
    centre = np.array([columns.mean(), rows.mean()])
    first, window = canvas.find_window(centre)
    _lay(canvas, "ellipse", window, raster.cover(cell, [points + (centre - first)]))


def _add_crowd(canvas: _Canvas) -> None:
    """Lay down a heap of shapes of one kind that are too small to annotate singly."""
    rng, cell = canvas.rng, canvas.cell
    kind = raster.NAMES[int(rng.integers(len(raster.NAMES)))]
    least = canvas.margin + 0.25 * cell
    middle = rng.uniform(least, canvas.side - least, 2)
    first, window = canvas.find_window(middle)
    image, middle = canvas.image[window], middle - first
    coverage = np.zeros((cell, cell), np.float32)
    for _ in range(int(rng.integers(10, 22))):
        radius = cell * rng.uniform(0.025, 0.045)
        centre = middle + rng.normal(0, 0.09 * cell, 2)
        piece = raster.cover(cell, [raster.outline(kind, rng) * radius + centre])
        colour = raster.pick_colour(image.mean(axis=(0, 1)), rng)
        image = raster.paint(image, piece, np.broadcast_to(colour, image.shape).astype(np.float32))
        coverage = np.maximum(coverage, piece)
    canvas.image[window] = image
    visible = np.zeros((canvas.side, canvas.side), np.bool_)
    visible[window] = coverage > 0.5
    canvas.shapes.append(_Shape(kind, True, int(visible.sum()), visible))


def _lay(canvas: _Canvas, kind: str, window: tuple[slice, slice], coverage: raster.Floats) -> None:
    """Paint a shape over the others, unless too little of it or of them would be seen."""
    covered = coverage > 0.5
    visible = np.zeros((canvas.side, canvas.side), np.bool_)
    visible[window] = covered
    shape = _Shape(kind, False, int(np.ceil(coverage.sum())), visible)
    for other in [*canvas.shapes, shape]:
        hidden = 0 if other is shape else int((other.visible[window] & covered).sum())
        least = max(_MIN_VISIBLE_OF_IMAGE * covered.size, _MIN_VISIBLE_OF_SHAPE * other.full_area)
        if (hidden or other is shape) and int(other.visible.sum()) - hidden < least:
            return
    for other in canvas.shapes:
        other.visible[window] &= ~covered
    canvas.shapes.append(shape)
    image = canvas.image[window]
    colour = raster.pick_colour(image[covered].mean(axis=0), canvas.rng)
    canvas.image[window] = raster.paint(image, coverage, raster.draw_fill(canvas.cell, colour, canvas.rng))
