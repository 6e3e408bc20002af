"""Input size, pyramid levels and anchors that fit photos and objects."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from official_yolact.data.recipes import anchor_clusters
from official_yolact.data.recipes import anchor_grid

MIN_GAIN = 0.02
MIN_GAIN_WHOLE_MODEL = 0.10
"""Anchors change when so much more of the objects are covered; from a whole model they cost its head."""

SIDE_MULTIPLE = 32
LEAST_INPUT, MOST_INPUT = 32, 4096
"""Sides that may be asked for."""

_ALIKE, _MOST = 0.1, 0.9
"""Proportions whose logarithms differ by no more are the same; the part of the photos that must agree."""

_MAX_SMALL_AREA = 550 * 550
_LEAST_SIDE = 16.0
_LEAST_SHRUNK, _LEAST_SHRUNK_MEDIAN = 8.0, 20.0
"""Pixels of the input that the side of a tenth of the objects, and of half of them, falls below at most."""
_SHRINK = 0.8
_MIN_SHRUNK_INPUT = 160


@dataclasses.dataclass(frozen=True)
class Fit:
    """What follows from the photos and objects.

    Attributes:
      grid: input size and anchors.
      new_anchors: whether the anchors are fitted to the data.
      coverage_before: of the experiment's anchors.
      coverage: of `grid`.
      size_reason: why the input has its size.
    """

    grid: anchor_grid.AnchorGrid
    new_anchors: bool
    coverage_before: anchor_clusters.Coverage
    coverage: anchor_clusters.Coverage
    size_reason: str


def fit_anchors(
    sized: anchor_grid.AnchorGrid, boxes: NDArray[np.float64], reason: str, least_gain: float
) -> Fit:
    """Fit anchors to boxes [N, 4] yxyx_norm; the grid's own stay where that covers hardly more of them."""
    suggested = anchor_clusters.suggest(boxes, sized)
    before, after = (anchor_clusters.Coverage.of(grid.best_anchors(boxes).iou) for grid in (sized, suggested))
    if after.at_50 - before.at_50 >= least_gain:
        return Fit(suggested, True, before, after, reason)
    return Fit(sized, False, before, before, reason)


def keep(grid: anchor_grid.AnchorGrid, boxes: NDArray[np.float64], reason: str) -> Fit:
    """Keep a grid, and say how much of the boxes it covers."""
    coverage = anchor_clusters.Coverage.of(grid.best_anchors(boxes).iou)
    return Fit(grid, False, coverage, coverage, reason)


def choose_size(
    base: anchor_grid.AnchorGrid,
    shapes: NDArray[np.float64],
    boxes: NDArray[np.float64],
    may_grow: bool,
) -> tuple[anchor_grid.AnchorGrid, str]:
    """Choose the photos' median aspect ratio where it suits them, and a larger input for small objects.

    It does where nine in ten photos are distorted less than in a square: where some are wide and others
    high, the median of them would distort the others twice as much.

    Args:
      base: input size and anchors of the experiment.
      shapes: [M, 2] (height, width) of the photos.
      boxes: [N, 4] yxyx_norm of the objects.
      may_grow: whether small objects may enlarge the input.

    Returns:
      The grid with its input size, and the reason.
    """
    height, width = base.input_size
    area = _choose_area(float(height * width), shapes, boxes) if may_grow else float(height * width)
    grown = area > height * width
    wanted_ratio, reason = _choose_ratio(np.log(shapes[:, 1] / shapes[:, 0]))
    if not grown and abs(wanted_ratio - math.log(width / height)) <= _ALIKE:
        return base, f"{reason}; the size of the recipe"
    reason += "; enlarged for small objects" if grown else ""
    return dataclasses.replace(base, input_size=_make_size(area, wanted_ratio)), reason


def _choose_ratio(ratios: NDArray[np.float64]) -> tuple[float, str]:
    """Choose the input's width over its height for those of photos, all as logarithms; and say why."""
    middle = float(np.median(ratios))
    shown = f"{math.exp(middle):.2f} times as wide as high"
    if float(np.mean(np.abs(ratios - middle) <= _ALIKE)) >= _MOST:
        return middle, f"the photos are about {shown}"
    # In proportions r a photo of proportions p is distorted by |log p - log r|.
    if float(np.mean(np.abs(ratios - middle) < np.abs(ratios))) >= _MOST:
        return middle, f"photos differ in their proportions, their median is {shown}"
    return 0.0, "square, since some photos are wide and others high"


def shrink(sized: anchor_grid.AnchorGrid, boxes: NDArray[np.float64]) -> Iterator[anchor_grid.AnchorGrid]:
    """Propose a grid and smaller ones, each with less of the area and its anchors scaled alike.

    Yields:
      grids, the given one first; none in which the objects, [N, 4] yxyx_norm, are too small to be learned.
    """
    yield sized
    height, width = sized.input_size
    sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)) if len(boxes) else np.ones(1)
    tenth, median = np.percentile(sides, [10, 50])
    area, last = float(height * width), sized.input_size
    while True:
        area *= _SHRINK
        size = _make_size(area, math.log(width / height))
        root = math.sqrt(size[0] * size[1])
        if root < _MIN_SHRUNK_INPUT or tenth * root < _LEAST_SHRUNK or median * root < _LEAST_SHRUNK_MEDIAN:
            return
        if size != last:
            last = size
            yield resize(sized, size)


def resize(grid: anchor_grid.AnchorGrid, size: tuple[int, int]) -> anchor_grid.AnchorGrid:
    """Give a grid another input size, with anchors scaled by the root of the area."""
    factor = math.sqrt(size[0] * size[1] / (grid.input_size[0] * grid.input_size[1]))
    scales = tuple(round(scale * factor, 1) for scale in grid.scales)
    return dataclasses.replace(grid, input_size=size, scales=scales)


def choose_levels(base: anchor_grid.AnchorGrid, boxes: NDArray[np.float64]) -> anchor_grid.AnchorGrid:
    """Add levels, each with twice the scale, until the anchors reach the large objects."""
    sides = measure_sides(boxes, base)
    large = float(np.percentile(sides, 95)) if len(sides) else 0.0
    scales: Sequence[float] = base.scales
    while scales[-1] * 2 ** (2 / 3) < large and base.min_level + len(scales) - 1 < 7:
        scales = (*scales, scales[-1] * 2)
    return dataclasses.replace(base, scales=tuple(scales))


def measure_sides(boxes: NDArray[np.float64], grid: anchor_grid.AnchorGrid) -> NDArray[np.float64]:
    """Compute the [N] roots of the areas of boxes [N, 4] yxyx_norm, in pixels of the input."""
    return np.asarray(np.sqrt(anchor_grid.scale_sizes(boxes, grid.input_size).prod(axis=1)), np.float64)


def _make_size(area: float, log_ratio: float) -> tuple[int, int]:
    sides = math.sqrt(area) * np.exp(np.array([-0.5, 0.5]) * log_ratio)
    height, width = (
        max(SIDE_MULTIPLE, round(side / SIDE_MULTIPLE) * SIDE_MULTIPLE) for side in sides.tolist()
    )
    return height, width


def _choose_area(area: float, shapes: NDArray[np.float64], boxes: NDArray[np.float64]) -> float:
    """Enlarge an input until nine in ten objects have 16 pixels of it, but not beyond the photos."""
    if not len(boxes):
        return area
    sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)) * math.sqrt(area)
    wanted = area * max(1.0, _LEAST_SIDE / float(np.percentile(sides, 10))) ** 2
    return min(wanted, _MAX_SMALL_AREA, max(area, float(np.median(shapes.prod(axis=1)))))
