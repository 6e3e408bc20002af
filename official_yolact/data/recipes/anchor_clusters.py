"""Scales and aspect ratios of anchors from the boxes of a data set."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from official_yolact.data.recipes import anchor_grid
from official_yolact.data.recipes.anchor_grid import AnchorGrid
from official_yolact.data.recipes.anchor_grid import Floats

MATCHED = 0.5
"""Best IoU from which a box has an anchor of its own accord; below, matching forces one on it."""

MAX_SAMPLE = 4_000
"""Of more boxes so many are drawn for fitting; the coverage that is stated is always that of all."""

_ROUNDS = 30
_MIN_STRIDES = 2.0
_STEPS = (0.8, 0.9, 0.95, 1.05, 1.1, 1.25)


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How well anchors cover boxes.

    Attributes:
      boxes: number of them.
      at_50: share whose best anchor has an IoU of at least 0.5.
      at_40: the same for 0.4.
      mean_iou: mean of the best IoU.
    """

    boxes: int
    at_50: float
    at_40: float
    mean_iou: float

    @classmethod
    def of(cls, iou: Floats) -> Coverage:
        """Summarise the best IoU of each box; zeros without boxes."""
        if not len(iou):
            return cls(0, 0.0, 0.0, 0.0)
        shares = (float(np.mean(iou >= least)) for least in (MATCHED, 0.4))
        return cls(len(iou), *(round(value, 4) for value in (*shares, float(iou.mean()))))


def suggest(boxes: Floats, grid: AnchorGrid, seed: int = 0) -> AnchorGrid:
    """Fit as many anchors as a grid has to boxes.

    The first scales are the clusters of the boxes' sizes, the first ratios those of their shapes. Then, as
    in k-means, each box is assigned to its best anchor on the real lattice, and each scale and ratio moves
    to the middle of its boxes. The same is done from the grid's own anchors. The best anchors of both
    searches are improved by small steps of one scale or ratio at a time.

    Args:
      boxes: [N, 4] yxyx_norm.
      grid: its input size, levels, and numbers of scales and ratios are kept.
      seed: of the clusters' first centres; equal arguments result in equal anchors.

    Returns:
      Anchors with true ratios, rounded; the grid itself where nothing is better or there are no boxes.
    """
    sample = _sample(np.asarray(boxes, np.float64).reshape(-1, 4), seed)
    if not len(sample):
        return grid
    best, best_value = grid, _value(grid, sample)
    for start in (_from_clusters(sample, grid, seed), dataclasses.replace(grid, square=False)):
        candidate = start
        for _ in range(_ROUNDS):
            value = _value(candidate, sample)
            if value > best_value:
                best, best_value = candidate, value
            moved = _move(candidate, sample)
            if moved == candidate:
                break
            candidate = moved
    return _climb(best, best_value, sample)


def cluster(sizes: Floats, number: int, seed: int = 0) -> Floats:
    """Cluster sizes by k-means with the distance 1 - IoU of boxes that share their centre.

    Args:
      sizes: [N, 2] (height, width), above 0.
      number: of clusters; there are fewer where fewer sizes differ.
      seed: of the first centres.

    Returns:
      float64 [K, 2] medians of the clusters, by ascending area.
    """
    centres = _spread(sizes, number, np.random.default_rng(seed))
    for _ in range(_ROUNDS):
        nearest = _shape_iou(sizes, centres).argmax(axis=1)  # [N], indices of centres
        moved = np.array(
            [
                np.median(sizes[nearest == at], axis=0) if (nearest == at).any() else centre
                for at, centre in enumerate(centres)
            ]
        ).reshape(-1, 2)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return np.asarray(centres[np.argsort(centres.prod(axis=1), kind="stable")], np.float64)


def _spread(sizes: Floats, number: int, rng: np.random.Generator) -> Floats:
    """Draw first centres, each with a probability that grows with its distance from the others.

    Source: Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007.
    """
    centres = sizes[rng.integers(len(sizes))][np.newaxis]
    while len(centres) < number:
        distance = (1 - _shape_iou(sizes, centres).max(axis=1)).clip(0) ** 2  # [N]
        if distance.sum() <= 0:
            break
        centres = np.concatenate([centres, sizes[[rng.choice(len(sizes), p=distance / distance.sum())]]])
    return np.asarray(centres, np.float64)


def _shape_iou(sizes: Floats, centres: Floats) -> Floats:
    shared = np.minimum(sizes[:, np.newaxis], centres).prod(axis=2)  # [N, K]
    union = sizes.prod(axis=1)[:, np.newaxis] + centres.prod(axis=1) - shared  # [N, K]
    return np.asarray(shared / union, np.float64)


def _sample(boxes: Floats, seed: int) -> Floats:
    if len(boxes) <= MAX_SAMPLE:
        return boxes
    drawn = np.random.default_rng(seed).choice(len(boxes), MAX_SAMPLE, replace=False)
    return np.asarray(boxes[np.sort(drawn)], np.float64)


def _value(grid: AnchorGrid, boxes: Floats) -> float:
    iou = grid.best_anchors(boxes).iou
    return round(float(np.mean(iou >= MATCHED) + iou.mean()), 9)


def _climb(grid: AnchorGrid, value: float, boxes: Floats) -> AnchorGrid:
    """Change one scale or ratio at a time while that raises the value."""
    levels = len(grid.scales)
    for _ in range(_ROUNDS):
        before = value
        for at, step in itertools.product(range(levels + len(grid.aspect_ratios)), _STEPS):
            numbers = np.array([*grid.scales, *grid.aspect_ratios])
            numbers[at] *= step
            changed = _tidy(grid, numbers[:levels], numbers[levels:])
            found = _value(changed, boxes)
            if found > value:
                grid, value = changed, found
        if value == before:
            break
    return grid


def _from_clusters(boxes: Floats, grid: AnchorGrid, seed: int) -> AnchorGrid:
    sizes = anchor_grid.scale_sizes(boxes, grid.input_size)
    middle = 2 ** ((grid.scales_per_octave - 1) / 2 / grid.scales_per_octave)
    scales = np.sqrt(cluster(sizes, len(grid.scales), seed).prod(axis=1)) / middle
    while len(scales) < len(grid.scales):
        scales = np.append(scales, scales[-1] * 2)
    shapes = sizes / np.sqrt(sizes.prod(axis=1, keepdims=True))
    found = cluster(shapes, len(grid.aspect_ratios), seed)
    ratios = np.sort(found[:, 1] / found[:, 0])
    while len(ratios) < len(grid.aspect_ratios):
        ratios = np.append(ratios, ratios[-1] * 1.5)
    return _tidy(grid, scales, ratios)


def _move(grid: AnchorGrid, boxes: Floats) -> AnchorGrid:
    """Put each scale and each ratio into the middle of the boxes whose best anchor has it."""
    best = grid.best_anchors(boxes)
    sizes = anchor_grid.scale_sizes(boxes, grid.input_size)
    sides = np.sqrt(sizes.prod(axis=1)) / 2.0 ** (best.octave / grid.scales_per_octave)
    shapes = sizes[:, 1] / sizes[:, 0]
    reached = best.iou > 0

    def middle(values: Floats, chosen: Floats, old: float) -> float:
        return float(np.exp(np.median(np.log(values[chosen])))) if chosen.any() else old

    scales = [middle(sides, reached & (best.level == at), scale) for at, scale in enumerate(grid.scales)]
    ratios = [
        middle(shapes, reached & (best.ratio == at), ratio) for at, ratio in enumerate(grid.aspect_ratios)
    ]
    return _tidy(grid, np.asarray(scales), np.asarray(ratios))


def _tidy(grid: AnchorGrid, scales: Floats, ratios: Floats) -> AnchorGrid:
    """Round, and keep anchors of the upper levels from being finer than their cells allow."""
    levels = grid.min_level + np.arange(len(grid.scales))
    least = np.where(levels > grid.min_level, _MIN_STRIDES * 2.0**levels, 1.0)
    scales = np.maximum(np.sort(scales), least)
    return dataclasses.replace(
        grid,
        scales=tuple(round(float(scale), 1) for scale in scales),
        aspect_ratios=tuple(round(float(ratio), 2) for ratio in np.sort(ratios).clip(0.05, 20)),
        square=False,
    )
