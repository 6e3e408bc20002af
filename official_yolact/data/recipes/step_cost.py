"""What a training step and an evaluation cost on processors, from counts and a measured speed.

The multiply-accumulates of pyramid, prototypes and head are counted here, those of the backbones are in a
table (`benchmarks/model_costs.py` counts both). What they cost was measured in processor time on the
machine that `environment.speed` names: eleven steps of different networks, sizes, batches and precisions,
each of which the formula gives within 4 %. ResNet-50, ResNet-101 and DarkNet-53 were not among them.
"""

from __future__ import annotations

import dataclasses

from official_yolact.data.recipes import anchor_grid
from official_yolact.environment import speed as speed_lib
from official_yolact.ops import grids

_GIGA = 1e9
_PROTOTYPES = 32

BACKBONES = {
    # Name: 10^9 multiply-accumulates forward, and milliseconds of passes over memory (depthwise convolutions
    # included) of a training step, both for 10^6 pixels of the input.
    "mobilenetv2": (5.57, 502.0),
    "resnet18_half": (9.69, 0.0),
    "resnet50": (81.5, 300.0),
    "resnet101": (155.0, 500.0),
    "darknet53": (141.7, 300.0),
}
"""Of full width; those of MobileNetV2 fall with the width, its products with the square."""

_PRODUCT_MS = {True: 12.0, False: 20.0}
"""Of 10^9 multiply-accumulates, forward and backward, in bfloat16 or else."""
_PASSES_MS = 263.0
"""Activations, targets and losses, for 10^6 pixels."""
_STEP_MS = 38.0
"""Of a step, whatever its batch: the update."""
_FROZEN = 0.59
"""Of the backbone's cost remains with frozen batch norms and its weights frozen up to level 2."""
_FORWARD = 0.25
"""Of a step's cost is the forward pass."""

_DECODE_MS, _DECODE_PIXELS_MS, _DECODE_OBJECT_MS = 3.0, 4.0, 0.15
_DETECT_MS, _DETECT_PIXELS_MS = 25.0, 60.0


@dataclasses.dataclass(frozen=True)
class Network:
    """What of a network decides its cost.

    Attributes:
      backbone: key of `BACKBONES`.
      width: of MobileNetV2; 1 for others.
      filters: channels of pyramid, prototypes and head.
      is_frozen: batch norms, and the backbone up to level 2.
    """

    backbone: str
    width: float = 1.0
    filters: int = 96
    is_frozen: bool = False


@dataclasses.dataclass(frozen=True)
class Photos:
    """Of the median photo: millions of pixels, and objects."""

    megapixels: float
    objects: float


@dataclasses.dataclass(frozen=True)
class Costs:
    """What a recipe costs on a machine, as a function of its input size and anchors.

    Attributes:
      network: what is trained.
      num_classes: with the background.
      batch: images of a step.
      val_images: of an evaluation.
      photos: that are decoded.
      speed: of the machine.
    """

    network: Network
    num_classes: int
    batch: int
    val_images: int
    photos: Photos
    speed: speed_lib.Speed

    def estimate_step(self, grid: anchor_grid.AnchorGrid) -> float:
        """Estimate the seconds of a step, its input included, on a machine that does nothing else."""
        photos, passes = self.photos, self.speed.passes
        decode = _DECODE_MS + _DECODE_PIXELS_MS * photos.megapixels + _DECODE_OBJECT_MS * photos.objects
        milliseconds = self.batch * (self._estimate_image(self.network, grid) + decode / passes)
        return (milliseconds + _STEP_MS / passes) / 1000 * self.speed.parallel

    def estimate_evaluation(self, grid: anchor_grid.AnchorGrid) -> float:
        """Estimate the seconds of an evaluation of all validation photos."""
        network = dataclasses.replace(self.network, is_frozen=False)
        photo = _DETECT_MS + _DETECT_PIXELS_MS * self.photos.megapixels
        milliseconds = _FORWARD * self._estimate_image(network, grid) + photo / self.speed.passes
        return self.val_images * milliseconds / 1000 * self.speed.parallel

    def _estimate_image(self, network: Network, grid: anchor_grid.AnchorGrid) -> float:
        """Estimate the milliseconds of processor time of an image, forward and backward."""
        macs, passes = BACKBONES[network.backbone]
        pixels = grid.input_size[0] * grid.input_size[1] / 1e6
        remaining = _FROZEN if network.is_frozen else 1.0
        products = count_rest(network, grid, self.num_classes) + remaining * macs * network.width**2 * pixels
        memory = (_PASSES_MS + remaining * passes * network.width) * pixels
        return _PRODUCT_MS[self.speed.bfloat16] * products / self.speed.products + memory / self.speed.passes


def count_rest(network: Network, grid: anchor_grid.AnchorGrid, num_classes: int) -> float:
    """Count the 10^9 multiply-accumulates of pyramid, prototypes and head of one image, forward."""
    cells = {level: _count_cells(grid, level) for level in range(grid.min_level, grid.max_level + 1)}
    filters = network.filters
    kernel = 9 * filters * filters
    outputs = grid.scales_per_octave * len(grid.aspect_ratios) * (4 + num_classes + _PROTOTYPES)
    pyramid = sum(cells.values()) * kernel
    fine = 4 * cells[grid.min_level]
    prototypes = (3 * cells[grid.min_level] + fine) * kernel + fine * filters * _PROTOTYPES
    head = sum(cells.values()) * 9 * filters * (filters + outputs)
    return (pyramid + prototypes + head) / _GIGA


def _count_cells(grid: anchor_grid.AnchorGrid, level: int) -> int:
    height, width = grids.level_size(grid.input_size, level)
    return height * width
