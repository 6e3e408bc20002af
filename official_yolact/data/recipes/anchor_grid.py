"""Anchors without the network: how well they cover boxes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from official_yolact.ops import grids

Floats = NDArray[np.float64]

PAPER_SIDE = 550
PAPER_SCALES = (24.0, 48.0, 96.0, 192.0, 384.0)

_CHUNK = 65_536
"""Boxes that are compared at a time, which bounds the memory."""


class BestAnchors(NamedTuple):
    """The anchor that each box overlaps most.

    Attributes:
      iou: float64 [N].
      level: int [N], index of its level in `scales`.
      octave: int [N], index of its size among those of an octave.
      ratio: int [N], index of its ratio in `aspect_ratios`.
    """

    iou: Floats
    level: NDArray[np.int64]
    octave: NDArray[np.int64]
    ratio: NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class AnchorGrid:
    """The anchors of a configuration, as `ops.anchors.build_anchors` lays them.

    Attributes:
      input_size: (height, width) of the network input in pixels.
      min_level: lowest pyramid level.
      scales: side in input pixels, one for each level from `min_level`.
      scales_per_octave: sizes for each scale.
      aspect_ratios: width / height.
      square: whether the height equals the width.

    Source: the defaults are those of the paper's COCO models.
    """

    input_size: tuple[int, int] = (PAPER_SIDE, PAPER_SIDE)
    min_level: int = 3
    scales: tuple[float, ...] = PAPER_SCALES
    scales_per_octave: int = 1
    aspect_ratios: tuple[float, ...] = (1.0, 0.5, 2.0)
    square: bool = True

    @property
    def max_level(self) -> int:
        """Highest pyramid level."""
        return self.min_level + len(self.scales) - 1

    @classmethod
    def of_size(cls, height: int, width: int) -> AnchorGrid:
        """Scale the paper's anchors to another input size by the root of its area."""
        factor = math.sqrt(height * width) / PAPER_SIDE
        return cls((height, width), scales=tuple(round(scale * factor, 1) for scale in PAPER_SCALES))

    def shapes(self, level: int) -> Floats:
        """Compute the float64 [octaves * ratios, 2] (height, width) in input pixels at `scales[level]`."""
        roots = np.sqrt(np.asarray(self.aspect_ratios, np.float64))
        octaves = 2.0 ** (np.arange(self.scales_per_octave) / self.scales_per_octave)
        widths = self.scales[level] * octaves[:, np.newaxis] * roots
        heights = widths if self.square else self.scales[level] * octaves[:, np.newaxis] / roots
        return np.stack([heights.ravel(), widths.ravel()], axis=1)

    def best_anchors(self, boxes: Floats) -> BestAnchors:
        """Find the anchor that each box overlaps most, among all cells of all levels.

        Anchors of one shape lie on a lattice, and along each axis the overlap falls with the distance
        of the centres: the best of a shape is the one in the cell that holds the box's centre. So
        each shape is compared once, not once in each cell.

        Args:
          boxes: [N, 4] yxyx_norm.

        Returns:
          IoU and indices of the best; of equal ones the first in the order of the anchors.
        """
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        starts = range(0, max(len(boxes), 1), _CHUNK)
        chunks = [self._best_of(boxes[at : at + _CHUNK]) for at in starts]
        return BestAnchors(*(np.concatenate(column) for column in zip(*chunks, strict=True)))

    def _best_of(self, boxes: Floats) -> BestAnchors:
        iou, index = np.zeros(len(boxes)), np.zeros(len(boxes), np.int64)
        per_cell = self.scales_per_octave * len(self.aspect_ratios)
        for level in range(len(self.scales)):
            overlaps = self._overlaps(boxes, level)
            best = overlaps.argmax(axis=1)
            value = overlaps[np.arange(len(boxes)), best]  # [N]
            better = value > iou
            iou = np.where(better, value, iou)
            index = np.where(better, level * per_cell + best, index)
        level_at, shape = np.divmod(index, per_cell)
        octave, ratio = np.divmod(shape, len(self.aspect_ratios))
        return BestAnchors(iou, level_at, octave, ratio)

    def _overlaps(self, boxes: Floats, level: int) -> Floats:
        """Compute the [N, shapes] IoU with the nearest anchor of each shape of a level."""
        sides = np.asarray(self.input_size, np.float64)
        cells = np.asarray(grids.level_size(self.input_size, self.min_level + level))
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        nearest = (np.clip(np.floor(centres * cells), 0, cells - 1) + 0.5) / cells
        distance = np.abs(nearest - centres)[:, np.newaxis] * sides  # [N, 1, 2]
        sizes = ((boxes[:, 2:] - boxes[:, :2]) * sides)[:, np.newaxis]  # [N, 1, 2]
        shapes = self.shapes(level)[np.newaxis]  # [1, shapes, 2]
        shared = np.clip((sizes + shapes) / 2 - distance, 0, np.minimum(sizes, shapes)).prod(axis=2)
        union = sizes.prod(axis=2) + shapes.prod(axis=2) - shared
        return np.asarray(shared / union, np.float64)


def scale_sizes(boxes: Floats, input_size: Sequence[int]) -> Floats:
    """Compute the [N, 2] (height, width) in input pixels of boxes [N, 4] yxyx_norm."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]) * np.asarray(input_size, np.float64), np.float64)
