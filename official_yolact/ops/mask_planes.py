"""Show the masks of an image, eight at a time.

A plane is a uint8 image whose eight bits are eight masks. Bilinear interpolation of four pixels of a mask,
compared with a half, is a logical function of their four bits, and the same function for every mask. So one
operation on bytes computes it for eight masks. The result is, bit for bit, that of `windows.sample_masks`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from official_yolact.ops import compilers
from official_yolact.schema import Tensor

MASKS = 8  # In a plane.

_ALL = np.uint8(255)


class Layout(NamedTuple):
    """Sizes that all images share.

    Attributes:
      input_size: (height, width) of the network input in pixels.
      mask_grid: (height, width) of the instances' masks in cells; None: they are not shown.
      class_grid: likewise of the classes' masks.
      num_channels: of the classes' masks.
    """

    input_size: tuple[int, int]
    mask_grid: tuple[int, int] | None
    class_grid: tuple[int, int]
    num_channels: int

    @property
    def grids(self) -> list[tuple[int, int]]:
        """(height, width) of each grid; the classes' is the last one."""
        return [grid for grid in (self.mask_grid, self.class_grid) if grid is not None]

    @property
    def axes(self) -> list[tuple[int, int]]:
        """(0 for rows or 1 for columns, cells) of each axis of all grids."""
        return [(axis, grid[axis]) for grid in self.grids for axis in (0, 1)]


class _Plan(NamedTuple):
    """The pixels that the cells of all grids are interpolated from.

    A cell lies between two pixels of the network input, low and high. Each of these lies between two
    pixels of the image, lower and upper. L counts the network input's pixels: the rows and columns of the
    first grid, then those of the second; of each axis first the low pixels of all cells, then the high.

    Attributes:
      taps: int32 [2, L], indices of the lower and the upper pixel, moved into the image.
      inside: bool [2, L], whether that pixel was in the image before.
      weights: float32 [L], of the upper pixel.
    """

    taps: Tensor
    inside: Tensor
    weights: Tensor


def show_planes(
    planes: Tensor, rows: Tensor, channels: Tensor, window: Tensor, turned: Tensor, layout: Layout
) -> tuple[Tensor | None, Tensor]:
    """Show a window of masks on two grids, by way of the network input.

    Args:
      planes: uint8 [P, height, width] of the image, P at least 1: mask 8 p + b is bit b of plane p.
      rows: int32 [M], indices of the masks to show.
      channels: int32 [M], the class channel of each of these masks; -1 for none.
      window: int32 [4] in pixels of the image; where it reaches beyond the image, masks are empty.
      turned: bool [2]: turn the result upside down; mirror it left-right.
      layout: sizes.

    Returns:
      bool [M, h, w], the masks on the first grid, or None without one; and bool [h2, w2, num_channels], on
      the second grid the union of each channel's masks.

    Source: as `windows.sample_masks`.
    """
    plan = _make_plan(window, tf.shape(planes)[1:], turned, layout)
    bit = tf.bitwise.left_shift(tf.ones_like(rows), rows % MASKS)  # [M], of each mask in its plane
    members = tf.one_hot(channels, layout.num_channels, dtype=tf.int32) * bit[:, tf.newaxis]  # [M, channels]
    count = tf.shape(planes)[0]
    # [P, channels]: in each plane, the bits of a channel's masks.
    members = tf.cast(tf.math.unsorted_segment_sum(members, rows // MASKS, count), tf.uint8)

    def show(one: tuple[Tensor, Tensor]) -> list[Tensor]:
        return _show_plane(*one, plan, turned, layout)

    def show_only() -> list[Tensor]:
        *cells, classes = show((planes[0], members[0]))
        return [*(each[tf.newaxis] for each in cells), classes]

    def show_each() -> list[Tensor]:
        signature = [tf.TensorSpec(grid, tf.uint8) for grid in layout.grids[:-1]]
        signature.append(tf.TensorSpec((*layout.class_grid, layout.num_channels), tf.bool))
        *cells, classes = tf.map_fn(show, (planes, members), fn_output_signature=signature)
        return [*cells, tf.reduce_any(classes, axis=0)]

    *cells, classes = tf.cond(tf.equal(count, 1), show_only, show_each)  # [P, h, w], [h2, w2, channels]
    if not cells:
        return None, classes
    bits = tf.gather(cells[0], rows // MASKS) & tf.cast(bit, tf.uint8)[:, tf.newaxis, tf.newaxis]
    return tf.cast(bits, tf.bool), classes  # [M, h, w]


def _interpolate(pixels: int, cells: int) -> tuple[npt.NDArray[np.float32], ...]:
    """Compute the lower and upper pixel of each cell, and the weight of the upper, float32 [cells] each.

    They are those of `tf.image.resize`, bilinear.
    """
    scale = np.float32(pixels) / np.float32(cells)
    source = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    floor = np.floor(source)
    return np.maximum(floor, 0), np.minimum(floor + 1, pixels - 1), source - floor


@functools.cache
def _look(layout: Layout) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """List the network input's pixels of a `_Plan`.

    Returns:
      float32 [2, L], the coordinate of each one's centre, first in order, then with every axis reversed;
      int32 [L], its axis.
    """
    pixels: list[npt.NDArray[np.float32]] = []
    for axis, cells in layout.axes:
        low, high, _ = _interpolate(layout.input_size[axis], cells)
        pixels.append(np.stack([np.concatenate([low, high]), np.concatenate([low[::-1], high[::-1]])]))
    axes = [np.full(2 * cells, axis, np.int32) for axis, cells in layout.axes]
    return np.concatenate(pixels, axis=1).astype(np.float32) + np.float32(0.5), np.concatenate(axes)


def _make_plan(window: Tensor, size: Tensor, turned: Tensor, layout: Layout) -> _Plan:
    looks, axes = _look(layout)
    extent = window[2:] - window[:2]
    # In float64: TensorFlow's optimizer multiplies by the reciprocal, which rounds differently in float32.
    scale = tf.cast(tf.cast(extent, tf.float64) / np.asarray(layout.input_size, np.float64), tf.float32)
    # One gather of three numbers for each axis; all are exact in float32.
    sides = tf.stack([tf.cast(extent - 1, tf.float32), tf.cast(window[:2], tf.float32), scale])  # [3, 2]
    last, first, scales = tf.unstack(tf.gather(sides, axes, axis=1), num=3)  # [L] each
    source = tf.where(tf.gather(turned, axes), looks[1], looks[0]) * scales - 0.5
    floor = tf.floor(source)
    neighbours = tf.stack([tf.maximum(floor, 0.0), tf.minimum(floor + 1.0, last)]) + first  # [2, L]
    limits = tf.gather(tf.cast(size - 1, tf.float32), axes)
    taps = tf.clip_by_value(neighbours, 0.0, limits)
    return _Plan(tf.cast(taps, tf.int32), tf.equal(taps, neighbours), source - floor)


def _show_plane(plane: Tensor, members: Tensor, plan: _Plan, turned: Tensor, layout: Layout) -> list[Tensor]:
    looked, at = [], 0
    for height, width in layout.grids:
        middle, end = at + 2 * height, at + 2 * (height + width)
        columns, rows = (tf.reshape(plan.taps[:, a:b], [-1]) for a, b in ((middle, end), (at, middle)))
        # Columns are gathered as rows of the transpose: whole rows are copied, single bytes are slow.
        lines = tf.transpose(tf.gather(plane, rows))  # [image width, 4 height]
        looked.append(tf.ensure_shape(tf.gather(lines, columns), [4 * width, 4 * height]))
        at = end
    show = _compile(layout) if compilers.has_xla() else functools.partial(_show, layout)
    # A zero of which the compiler does not know that it is one, see `_threshold`.
    nil = tf.cast(members[0], tf.float32) * 0.0
    shown: list[Tensor] = show(looked, members, plan.inside, plan.weights, turned, nil)
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
) -> list[Tensor]:
    """Interpolate a plane from its gathered pixels. Every shape is static; columns come before rows."""
    shown, at = [], 0
    for grid, found in zip(layout.grids, looked, strict=True):
        height, width = grid
        middle, end = at + 2 * height, at + 2 * (height + width)
        seen = inside[:, middle:end, tf.newaxis, tf.newaxis] & inside[:, at:middle]  # as `corners`
        corners = tf.reshape(found, [2, 2 * width, 2, 2 * height]) * tf.cast(seen, tf.uint8)
        # [2 width, 2 height], of the network input.
        pixels = _blend(corners, weights[at:middle], weights[middle:end], False, nil)
        down, right = (
            tf.where(turned[axis], weight[::-1], weight)
            for axis, weight in enumerate(
                _interpolate(layout.input_size[axis], grid[axis])[2] for axis in (0, 1)
            )
        )
        shown.append(_blend(tf.reshape(pixels, [2, width, 2, height]), down, right, True, nil))
        at = end
    *cells, wide = (tf.transpose(each) for each in shown)  # uint8 [h, w], [h2, w2]
    return [*cells, tf.not_equal(wide[..., tf.newaxis] & members, 0)]  # [h2, w2, channels]


def _blend(corners: Tensor, down: Tensor, right: Tensor, strict: bool, nil: Tensor) -> Tensor:
    """Interpolate the bits of four bytes and compare with a half: uint8 [2, V, 2, H] to [V, H]."""
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
    """Compare near + (far - near) weight with a half: a byte of ones where it is reached, else of zeros."""
    # XLA turns a product and a sum after it into one operation, which rounds once; `tf.image.resize` rounds
    # twice. So an unknown zero is added to the product first: XLA joins these two, and the rounded product
    # is what is added to `near`.
    value = near + ((far - near) * weight + nil)
    return tf.where(value > 0.5 if strict else value >= 0.5, _ALL, np.uint8(0))


def _choose(first: Tensor, second: Tensor, values: Sequence[Tensor]) -> Tensor:
    """Select, bit by bit, values[2 first + second]."""
    low = (second & values[1]) | (~second & values[0])
    high = (second & values[3]) | (~second & values[2])
    return (first & high) | (~first & low)
