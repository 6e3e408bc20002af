"""The mask AP that perfect detections reach: masks cannot be finer than the grid of the prototypes."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import metrics
from official_yolact.reporting import report_schema as schema
from official_yolact_runtime import frames
from official_yolact_runtime import photo_masks
from official_yolact_runtime import resizing
from official_yolact_runtime import run_lengths

BINARY, COVERAGE = TARGETS = ("binary", "coverage")
"""Values of `parser.mask_target`."""

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl")
_MOST_OBJECTS = 2000


@dataclasses.dataclass(frozen=True)
class Grid:
    """The grid on which a model draws masks.

    Attributes:
      grid: (height, width) in cells.
      input_size: (height, width) of the network's input in pixels.
      target: how objects were drawn on it for the training, one of `TARGETS`; None: it is not known.
      keep_aspect: whether the grid lies over the canvas of a photo, as `model.keep_aspect` has it.
    """

    grid: tuple[int, int]
    input_size: tuple[int, int]
    target: str | None = None
    keep_aspect: bool = False


def measure_ceiling(truth: groundtruth_lib.GroundTruth, grid: Grid, target: str) -> schema.Ceiling:
    """Measure perfect detections: drawn on the grid as a target, and enlarged as predictions are.

    Args:
      truth: the annotations; of many objects those of a sample of the images.
      grid: of the model.
      target: one of `TARGETS`.
    """
    truth = _sample(truth)
    results, ious = [], []
    for each in truth.mask_annotations:
        if each["iscrowd"]:
            continue
        drawn = draw(each["segmentation"], grid, target)
        results.append({key: each[key] for key in ("image_id", "category_id")} | {"score": 1.0})
        results[-1]["segmentation"] = drawn
        ious.append(float(coco_mask.iou([drawn], [each["segmentation"]], [0])[0, 0]))
    numbers = metrics.measure(truth, results, "mask").summarize()
    return {
        "grid": list(grid.grid),
        "input": list(grid.input_size),
        "target": target,
        "trained": target == grid.target,
        "objects": len(results),
        "numbers": {name: numbers[name] if numbers[name] >= 0 else None for name in NAMES},
        "mean_iou": float(np.mean(ious)) if ious else None,
    }


def draw(rle: run_lengths.Rle, grid: Grid, target: str) -> run_lengths.Rle:
    """Draw a mask on the grid, and from there on its photo again."""
    mask, (height, width) = run_lengths.decode_mask(rle), rle["size"]
    info = frames.fit((height, width), grid.input_size, grid.keep_aspect)
    if grid.keep_aspect:
        top, left, bottom, right = frames.find_canvas((height, width), grid.input_size)
        mask = np.pad(mask, ((-top, bottom - height), (-left, right - width)))
    cells = _cover(mask, grid.grid) if target == COVERAGE else _sample_mask(mask, grid)
    return run_lengths.encode_windows(
        photo_masks.find_windows(cells[np.newaxis].astype(np.float32), info), height, width
    )[0]


def _sample(truth: groundtruth_lib.GroundTruth) -> groundtruth_lib.GroundTruth:
    """Keep so many images, at random, that their objects are not too many."""
    if len(truth.annotations) <= _MOST_OBJECTS:
        return truth
    ids = np.random.default_rng(0).permutation(sorted(truth.images))
    counts = dict.fromkeys(truth.images, 0)
    for each in truth.annotations:
        counts[each["image_id"]] += 1
    running = np.cumsum([counts[image_id] for image_id in ids.tolist()])
    kept = set(ids[: max(1, int(np.searchsorted(running, _MOST_OBJECTS, side="right")))].tolist())
    annotations = [each for each in truth.annotations if each["image_id"] in kept]
    return dataclasses.replace(
        truth,
        images={image_id: image for image_id, image in truth.images.items() if image_id in kept},
        annotations=[{**each, "id": at} for at, each in enumerate(annotations, start=1)],
    )


def _sample_mask(mask: NDArray[np.bool_], grid: Grid) -> NDArray[Any]:
    """Draw a mask as labels are drawn: bilinear on the input, and from there in the middle of each cell."""
    for size in (grid.input_size, grid.grid):
        down, across = (resizing.find_taps(*pair) for pair in zip(mask.shape, size, strict=True))
        rows, columns = photo_masks.find_extent(mask)
        below, beside = (
            taps.touching(np.isin(np.arange(count), (part.start, part.stop - 1)) & (part.stop > part.start))
            for taps, count, part in zip((down, across), mask.shape, (rows, columns), strict=True)
        )
        drawn = np.zeros(size, np.bool_)
        values = resizing.interpolate(mask.astype(np.float32), down.select(below), across.select(beside))
        drawn[below, beside] = values > 0.5
        mask = drawn
    return mask


def _cover(mask: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray[Any]:
    """Measure the share of each cell that a mask covers, in squares of the photo."""
    rows, columns = photo_masks.find_extent(mask)
    down, across = _overlaps(mask.shape[0], grid[0])[:, rows], _overlaps(mask.shape[1], grid[1])[:, columns]
    below, beside = (np.flatnonzero(each.any(axis=1)) for each in (down, across))
    cells = np.zeros(grid, np.float32)
    cells[np.ix_(below, beside)] = down[below] @ mask[rows, columns].astype(np.float32) @ across[beside].T
    return cells


@functools.lru_cache(maxsize=64)
def _overlaps(pixels: int, cells: int) -> NDArray[np.float32]:
    """Measure how much of each cell each pixel of an axis covers: float32 [cells, pixels], rows sum to 1."""
    edges = np.arange(cells + 1) * (pixels / cells)
    low, high = edges[:-1, np.newaxis], edges[1:, np.newaxis]
    at = np.arange(pixels)
    common = np.minimum(at + 1, high) - np.maximum(at, low)  # [cells, pixels]
    return np.asarray(np.maximum(common, 0) * (cells / pixels), np.float32)
