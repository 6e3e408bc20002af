"""Show the masks of an image eight at a time: they are bits of the bytes of a plane.

What bilinear interpolation makes of four pixels, compared with a half, is a logical function of four
bits, and the same for every mask: an operation on bytes does for eight masks what one on pixels does
for one. The result is, bit for bit, that of `windows.sample_masks`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from official_yolact.schema import Tensor

MASKS = 8
"""Of a plane."""

_ALL = np.uint8(255)


class Layout(NamedTuple):
    """What is the same for all images.

    Attributes:
      input_size: (height, width) of the network input in pixels.
      mask_grid: (height, width) of the instances' masks in cells.
      class_grid: likewise of the classes' masks.
      num_channels: of the classes' masks.
    """

    input_size: tuple[int, int]
    mask_grid: tuple[int, int]
    class_grid: tuple[int, int]
    num_channels: int

    @property
    def axes(self) -> list[tuple[int, int]]:
        """(0 for rows or 1 for columns, cells) of each axis of both grids."""
        return [(axis, grid[axis]) for grid in (self.mask_grid, self.class_grid) for axis in (0, 1)]


class _Plan(NamedTuple):
    """Where the cells look: all axes of both grids in a row, of each its low, then its high input pixels."""

    taps: Tensor  # int32 [2, L] of the image, inside it: lower and upper neighbour
    inside: Tensor  # bool [2, L]: whether there is such a neighbour in the image
    weights: Tensor  # float32 [L]: of the upper neighbour


def show_planes(
    planes: Tensor, rows: Tensor, channels: Tensor, window: Tensor, turned: Tensor, layout: Layout
) -> tuple[Tensor, Tensor]:
    """Show a window of masks on two grids, by way of the network input.

    Args:
      planes: uint8 [P, height, width] of the image, P at least 1: mask 8 p + b is bit b of plane p.
      rows: int32 [M], the masks that are wanted.
      channels: int32 [M], of each of them among the classes; -1 for none.
      window: int32 [4] in pixels of the image; may reach beyond it, where nothing is.
      turned: bool [2], whether the result is upside down, and whether it is mirrored.
      layout: sizes.

    Returns:
      bool [M, h, w], the wanted masks on the first grid, and bool [h2, w2, num_channels], the union of
      those of each channel on the second.

    Source: as `windows.sample_masks`.
    """
    plan = _make_plan(window, tf.shape(planes)[1:], turned, layout)
    place = tf.bitwise.left_shift(tf.ones_like(rows), rows % MASKS)
    members = tf.one_hot(channels, layout.num_channels, dtype=tf.int32) * place[:, tf.newaxis]
    count = tf.shape(planes)[0]
    members = tf.cast(tf.math.unsorted_segment_sum(members, rows // MASKS, count), tf.uint8)

    def show(one: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return _show_plane(*one, plan, turned, layout)

    def show_only() -> tuple[Tensor, Tensor]:
        cells, classes = show((planes[0], members[0]))
        return cells[tf.newaxis], classes

    def show_each() -> tuple[Tensor, Tensor]:
        shapes = (layout.mask_grid, (*layout.class_grid, layout.num_channels))
        signature = tuple(
            tf.TensorSpec(shape, dtype) for shape, dtype in zip(shapes, (tf.uint8, tf.bool), strict=True)
        )
        cells, classes = tf.map_fn(show, (planes, members), fn_output_signature=signature)
        return cells, tf.reduce_any(classes, axis=0)

    cells, classes = tf.cond(tf.equal(count, 1), show_only, show_each)
    bits = tf.gather(cells, rows // MASKS) & tf.cast(place, tf.uint8)[:, tf.newaxis, tf.newaxis]
    return tf.cast(bits, tf.bool), classes


def _interpolate(pixels: int, cells: int) -> tuple[npt.NDArray[np.float32], ...]:
    """Neighbours of each cell among pixels, and the weight of the upper, as `tf.image.resize` has them."""
    scale = np.float32(pixels) / np.float32(cells)
    source = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    floor = np.floor(source)
    return np.maximum(floor, 0), np.minimum(floor + 1, pixels - 1), source - floor


@functools.cache
def _look(layout: Layout) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Give the middles of the pixels that cells look at, float32 [2, L] in order and turned; their axes."""
    pixels: list[npt.NDArray[np.float32]] = []
    for axis, cells in layout.axes:
        low, high, _ = _interpolate(layout.input_size[axis], cells)
        pixels.append(np.stack([np.concatenate([low, high]), np.concatenate([low[::-1], high[::-1]])]))
    axes = [np.full(2 * cells, axis, np.int32) for axis, cells in layout.axes]
    return np.concatenate(pixels, axis=1).astype(np.float32) + np.float32(0.5), np.concatenate(axes)


def _make_plan(window: Tensor, size: Tensor, turned: Tensor, layout: Layout) -> _Plan:
    looks, axes = _look(layout)
    extent = window[2:] - window[:2]
    # In float64: TensorFlow's optimizer multiplies by the reciprocal, which rounds otherwise in float32.
    scale = tf.cast(tf.cast(extent, tf.float64) / np.asarray(layout.input_size, np.float64), tf.float32)
    # What differs between rows and columns is gathered at once; all of it is exact in float32.
    sides = tf.stack([tf.cast(extent - 1, tf.float32), tf.cast(window[:2], tf.float32), scale])
    last, first, scales = tf.unstack(tf.gather(sides, axes, axis=1), num=3)
    source = tf.where(tf.gather(turned, axes), looks[1], looks[0]) * scales - 0.5
    floor = tf.floor(source)
    neighbours = tf.stack([tf.maximum(floor, 0.0), tf.minimum(floor + 1.0, last)]) + first
    limits = tf.gather(tf.cast(size - 1, tf.float32), axes)
    taps = tf.clip_by_value(neighbours, 0.0, limits)
    return _Plan(tf.cast(taps, tf.int32), tf.equal(taps, neighbours), source - floor)


def _show_plane(
    plane: Tensor, members: Tensor, plan: _Plan, turned: Tensor, layout: Layout
) -> tuple[Tensor, Tensor]:
    looked, at = [], 0
    for height, width in (layout.mask_grid, layout.class_grid):
        middle, end = at + 2 * height, at + 2 * (height + width)
        columns, rows = (tf.reshape(plan.taps[:, a:b], [-1]) for a, b in ((middle, end), (at, middle)))
        # Columns are gathered as rows of the transpose: whole rows are copied, single bytes are slow.
        lines = tf.transpose(tf.gather(plane, rows))
        looked.append(tf.ensure_shape(tf.gather(lines, columns), [4 * width, 4 * height]))
        at = end
    show = _compile(layout) if _compiles() else functools.partial(_show, layout)
    # A zero that the compiler does not know, see `_threshold`.
    nil = tf.cast(members[0], tf.float32) * 0.0
    shown: tuple[Tensor, Tensor] = show(looked, members, plan.inside, plan.weights, turned, nil)
    return shown


@functools.cache
def _compile(layout: Layout) -> Tensor:
    return tf.function(functools.partial(_show, layout), autograph=False, jit_compile=True)


def _show(
    layout: Layout,
    looked: Sequence[Tensor],
    members: Tensor,
    inside: Tensor,
    weights: Tensor,
    turned: Tensor,
    nil: Tensor,
) -> tuple[Tensor, Tensor]:
    """Do the arithmetic of a plane; every shape is static, and all is transposed."""
    shown, at = [], 0
    for grid, found in zip((layout.mask_grid, layout.class_grid), looked, strict=True):
        height, width = grid
        middle, end = at + 2 * height, at + 2 * (height + width)
        seen = inside[:, middle:end, tf.newaxis, tf.newaxis] & inside[:, at:middle]
        corners = tf.reshape(found, [2, 2 * width, 2, 2 * height]) * tf.cast(seen, tf.uint8)
        pixels = _blend(corners, weights[at:middle], weights[middle:end], False, nil)
        down, right = (
            tf.where(turned[axis], weight[::-1], weight)
            for axis, weight in enumerate(
                _interpolate(layout.input_size[axis], grid[axis])[2] for axis in (0, 1)
            )
        )
        shown.append(_blend(tf.reshape(pixels, [2, width, 2, height]), down, right, True, nil))
        at = end
    cells, wide = (tf.transpose(each) for each in shown)
    return cells, tf.not_equal(wide[..., tf.newaxis] & members, 0)


def _blend(corners: Tensor, down: Tensor, right: Tensor, strict: bool, nil: Tensor) -> Tensor:
    """Interpolate the bits of four bytes and compare with a half: [2, V, 2, H] to [V, H]."""
    (upper_left, lower_left), (upper_right, lower_right) = (
        (corners[side, :, 0], corners[side, :, 1]) for side in (0, 1)
    )
    right = right[:, tf.newaxis]
    mixed = [tf.zeros_like(right), right, 1.0 - right, tf.ones_like(right)]
    rows = [
        _choose(lower_left, lower_right, [_threshold(upper, lower, down, strict, nil) for lower in mixed])
        for upper in mixed
    ]
    return _choose(upper_left, upper_right, rows)


def _threshold(near: Tensor, far: Tensor, weight: Tensor, strict: bool, nil: Tensor) -> Tensor:
    """Tell where near + (far - near) weight reaches a half: bytes of all ones or zeros."""
    # XLA contracts a product and a sum into one operation that rounds once. Given this zero, which it
    # cannot know, it does so with that and rounds the product as everyone else does.
    value = near + ((far - near) * weight + nil)
    return tf.where(value > 0.5 if strict else value >= 0.5, _ALL, np.uint8(0))


def _choose(first: Tensor, second: Tensor, values: Sequence[Tensor]) -> Tensor:
    """Take, bit by bit, the value whose number is 2 first + second."""
    low = (second & values[1]) | (~second & values[0])
    high = (second & values[3]) | (~second & values[2])
    return (first & high) | (~first & low)


@functools.cache
def _compiles() -> bool:
    """Tell whether this TensorFlow can compile for the processor."""
    try:
        with tf.init_scope(), tf.device("CPU:0"):
            tf.function(lambda value: value + 1, jit_compile=True, autograph=False)(tf.constant(1))
    except tf.errors.OpError:
        return False
    return True
