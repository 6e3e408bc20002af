"""Show a window of an image, of its boxes and of its masks at another size.

A window is int32 [4] (top, left, bottom, right) in pixels of the image and may reach beyond it. The part of
the image that lies in the window is visible; the rest of the window is filled with a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from official_yolact.ops import preprocess
from official_yolact.schema import Tensor


def visible_bounds(size: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the bounds of the visible part of an image.

    Args:
      size: int32 [2], (height, width).
      window: int32 [4].

    Returns:
      int32 [2] each: first row and column, and one past the last; equal if nothing is visible.
    """
    first = tf.clip_by_value(window[:2], 0, size)
    return first, tf.clip_by_value(window[2:], first, size)


def copy_borders(part: Tensor, corner: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat the border pixels of the visible part on the sides where part and window end together.

    Only a window that shows fill on another side needs it.

    Args:
      part: [h, w, channels], the visible part.
      corner: int32 [2], its top left corner in the image.
      window: int32 [4].

    Returns:
      the part with its borders, and its new corner; both unchanged if nothing is visible or no fill is.
    """
    sides = tf.shape(part)[:2]
    ends = corner + sides
    before, after = tf.equal(corner, window[:2]), tf.equal(ends, window[2:])
    needed = tf.reduce_all(sides > 0) & ~tf.reduce_all(before & after)

    def copy() -> tuple[Tensor, Tensor]:
        low, high = tf.cast(before, tf.int32), sides - tf.cast(after, tf.int32)
        rows = tf.concat([part[: low[0]], part, part[high[0] :]], axis=0)
        return tf.concat([rows[:, : low[1]], rows, rows[:, high[1] :]], axis=1), corner - low

    shown: tuple[Tensor, Tensor] = tf.cond(needed, copy, lambda: (part, corner))
    return shown


def turn_part(
    part: Tensor, corner: Tensor, window: Tensor, mirror: Tensor, flip: Tensor
) -> tuple[Tensor, ...]:
    """Mirror left-right and flip upside down the visible part and the window, as two bool scalars say.

    Returns:
      the turned part; its corner and its window in an image that consists of the turned part alone.
    """
    sides = tf.shape(part)[:2]
    first, last = window[:2] - corner, window[2:] - corner
    turned = tf.stack([flip, mirror])  # bool [2], of (row, column)
    first, last = tf.where(turned, sides - last, first), tf.where(turned, sides - first, last)
    return flip_grid(part, mirror, flip), tf.zeros([2], tf.int32), tf.concat([first, last], axis=0)


def _place(part: Tensor, corner: Tensor, window: Tensor, size: Sequence[int]) -> Tensor:
    """Resize a window whose fill is zeros: float32 [size[0], size[1], channels]."""
    shape = tf.shape(part)[:2]
    nothing = tf.equal(shape, 0)
    # A pixel of fill where the window goes on, so that the border is blended as in a real canvas.
    before = tf.cast((window[:2] < corner) | nothing, tf.int32)
    after = tf.cast((window[2:] > corner + shape) | nothing, tf.int32)
    part = tf.pad(part, tf.concat([tf.stack([before, after], axis=1), [[0, 0]]], axis=0))  # paddings [3, 2]
    extent = tf.cast(window[2:] - window[:2], tf.float32)
    outputs = tf.constant(list(size), tf.float32)
    # `crop_and_resize` counts from the centre of the first pixel: half a pixel less than coordinates do.
    first = tf.cast(window[:2] - corner + before, tf.float32) - 0.5
    # [2, 2]: the centres of the first and of the last output, each (row, column).
    ends = tf.stack([first + extent * (0.5 / outputs), first + extent * (1.0 - 0.5 / outputs)])
    box = tf.reshape(ends / tf.cast(tf.shape(part)[:2] - 1, tf.float32), [1, 4])
    return tf.image.crop_and_resize(part[tf.newaxis], box, [0], list(size))[0]


def _place_on_fill(
    part: Tensor, corner: Tensor, window: Tensor, size: Sequence[int], fill: Sequence[float]
) -> Tensor:
    if not any(fill):
        return _place(part, corner, window, size)
    part = preprocess.combine_channels(tf.subtract, part, fill)
    return preprocess.combine_channels(tf.add, _place(part, corner, window, size), fill)


def resize_part(
    part: Tensor, corner: Tensor, window: Tensor, size: Sequence[int], fill: Sequence[float]
) -> Tensor:
    """Resize a window of an image, given its visible part.

    The result equals a canvas of the window's size and the fill colour, with the part pasted on it,
    resized: bilinear, half-pixel centres, no antialias.

    Args:
      part: float32 [h, w, channels], the visible part after `copy_borders`.
      corner: int32 [2], its top left corner in the image.
      window: int32 [4].
      size: (height, width) of the result.
      fill: value of each channel where the window shows no image.

    Returns:
      float32 [size[0], size[1], channels].
    """
    ends = tf.concat([corner, corner + tf.shape(part)[:2]], axis=0)
    inside = tf.reduce_all(tf.equal(window, ends))
    shown = tf.cond(
        inside,
        lambda: tf.image.resize(part, list(size), method="bilinear", antialias=False),
        lambda: _place_on_fill(part, corner, window, size, fill),
    )
    return tf.ensure_shape(shown, [*size, len(fill)])


def transform_boxes(boxes_px: Tensor, window: Tensor, mirror: Tensor, flip: Tensor) -> Tensor:
    """Clip boxes to a window and express them in it.

    Args:
      boxes_px: float32 [M, 4] yxyx in pixels of the image.
      window: int32 [4].
      mirror: bool scalar, exchange left and right.
      flip: bool scalar, exchange top and bottom.

    Returns:
      float32 [M, 4] yxyx_norm of the window.
    """
    window = tf.cast(window, tf.float32)
    extent = tf.tile(window[2:] - window[:2], [2])  # [4]: height, width, height, width
    boxes = tf.clip_by_value((boxes_px - tf.tile(window[:2], [2])) / extent, 0.0, 1.0)
    top, left, bottom, right = tf.unstack(boxes, axis=-1)  # [M] each
    top, bottom = tf.where(flip, 1.0 - bottom, top), tf.where(flip, 1.0 - top, bottom)
    left, right = tf.where(mirror, 1.0 - right, left), tf.where(mirror, 1.0 - left, right)
    return tf.stack([top, left, bottom, right], axis=-1)


def flip_grid(grid: Tensor, mirror: Tensor, flip: Tensor, axis: int = 0) -> Tensor:
    """Mirror left-right and flip upside down, as two bool scalars say; `axis` is that of the rows."""
    grid = tf.cond(mirror, lambda: tf.reverse(grid, [axis + 1]), lambda: grid)
    return tf.cond(flip, lambda: tf.reverse(grid, [axis]), lambda: grid)


def _bounds(mask: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """First and one past the last row (axis 0) or column (axis 1) that holds anything."""
    used = tf.cast(tf.reduce_max(mask, axis=1 - axis) > 0, tf.int32)
    size = tf.shape(used)[0]
    first = tf.argmax(used, output_type=tf.int32)
    last = size - tf.argmax(used[::-1], output_type=tf.int32)
    return first, tf.where(tf.reduce_max(used) > 0, last, first)


def cut_mask(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Cut a mask to its content, with one zero around.

    Args:
      mask: uint8 [height, width], 0 or anything else.

    Returns:
      uint8 [h, w] of 0 and 1, and int32 [2]: row and column of its corner in the mask (-1 at least).
    """
    top, bottom = _bounds(mask, 0)
    band = mask[top:bottom]
    left, right = _bounds(band, 1)
    content = tf.minimum(band[:, left:right], 1)
    return tf.pad(content, [[1, 1], [1, 1]]), tf.stack([top, left]) - 1


def _interpolation(index: Tensor, in_size: Tensor, out_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the lower and upper input index of each output index, and the weight of the upper.

    They are those of `tf.image.resize`, bilinear.
    """
    # In float64: TensorFlow's optimizer multiplies by the reciprocal, which rounds differently in float32.
    scale = tf.cast(tf.cast(in_size, tf.float64) / out_size, tf.float32)
    source = (tf.cast(index, tf.float32) + 0.5) * scale - 0.5
    floor = tf.floor(source)
    low = tf.cast(floor, tf.int32)
    return tf.maximum(low, 0), tf.minimum(low + 1, in_size - 1), source - floor


class _AxisPlan(NamedTuple):
    """What the G cells of one axis of a grid are interpolated from.

    A cell lies between two pixels of the network input, low and high. Each of these lies between two
    pixels of the image, lower and upper.

    Attributes:
      taps: int32 [4, G], indices of image pixels: lower of low, lower of high, upper of low, upper of high.
      weights: float32 [3, G]: of upper in low, of upper in high, of high in the cell.
    """

    taps: Tensor
    weights: Tensor


class GridPlan(NamedTuple):
    """How a window is sampled on a grid; every mask of an image shares it."""

    rows: _AxisPlan
    columns: _AxisPlan
    window: Tensor  # int32 [4]
    grid_size: tuple[int, int]


def _plan_axis(first: Tensor, last: Tensor, input_size: int, grid_size: int) -> _AxisPlan:
    low, high, cell_weight = _interpolation(tf.range(grid_size), tf.constant(input_size), grid_size)
    # [2 G] each: of the low pixels of all cells, then of the high ones.
    lower, upper, weight = _interpolation(tf.concat([low, high], axis=0), last - first, input_size)
    return _AxisPlan(
        tf.reshape(tf.concat([lower, upper], axis=0) + first, [4, grid_size]),
        tf.reshape(tf.concat([weight, cell_weight], axis=0), [3, grid_size]),
    )


def plan_grid(window: Tensor, input_size: Sequence[int], grid_size: Sequence[int]) -> GridPlan:
    """Plan the sampling of a window's masks on a grid, by way of the network input.

    Args:
      window: int32 [4] in pixels of the image.
      input_size: (height, width) of the network input.
      grid_size: (height, width) of the grid.

    Returns:
      The plan for `sample_masks`.
    """
    rows = _plan_axis(window[0], window[2], input_size[0], grid_size[0])
    columns = _plan_axis(window[1], window[3], input_size[1], grid_size[1])
    return GridPlan(rows, columns, window, (grid_size[0], grid_size[1]))


def _reach(plan: GridPlan, corner: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Bound the (row, column) of the cells that a cut mask can touch: first and one past last, int32 [2]."""
    first, grid = plan.window[:2], tf.constant(plan.grid_size)
    per_pixel = tf.cast(grid, tf.float32) / tf.cast(plan.window[2:] - first, tf.float32)
    start = tf.cast(tf.floor(tf.cast(corner - first - 1, tf.float32) * per_pixel), tf.int32) - 2
    stop = tf.cast(tf.math.ceil(tf.cast(corner + count - first + 1, tf.float32) * per_pixel), tf.int32) + 2
    start = tf.clip_by_value(start, 0, grid)
    return start, tf.clip_by_value(stop, start, grid)


def _taps(axis: _AxisPlan, start: Tensor, stop: Tensor, corner: Tensor, count: Tensor) -> Tensor:
    """Compute the taps of the cells from `start` to `stop` in a cut mask, int32 [4 (stop - start)]."""
    return tf.clip_by_value(tf.reshape(axis.taps[:, start:stop], [-1]) - corner, 0, count - 1)


def _mix(values: Tensor, weight: Tensor, axis: int) -> Tensor:
    """Interpolate between the first half of an axis and the second: its length is halved."""
    near, far = tf.split(values, 2, axis=axis)
    return near + (far - near) * weight


def sample_masks(contents: Tensor, corner: Tensor, plan: GridPlan) -> Tensor:
    """Show a window of masks on a grid, by way of the network input.

    The same, bit for bit, as resizing the window to the input size, rounding to 0 and 1, resizing
    to the grid and comparing with 0.5; but of the input pixels only those that the grid needs are made.

    Args:
      contents: uint8 [M, h, w] of 0 and 1 with zeros around, as `cut_mask` returns.
      corner: int32 [2], row and column of the contents' corner in the image.
      plan: of the window and the grid.

    Returns:
      bool [M, grid height, grid width].

    Source: the original resizes masks with the image and again in its loss (strictly above 0.5). Its
      first resize does not round halves up: it sets cells whose exact value is 0.5 to 0.7 to 0 (0.21 %
      of cells, never the other way); ours is exact, and an exact half counts as object.
    """
    count = tf.shape(contents)[1:]
    start, stop = _reach(plan, corner, count)
    (top, left), (bottom, right) = tf.unstack(start, num=2), tf.unstack(stop, num=2)
    row_taps = _taps(plan.rows, top, bottom, corner[0], count[0])
    column_taps = _taps(plan.columns, left, right, corner[1], count[1])
    row_weights, column_weights = plan.rows.weights[:, top:bottom], plan.columns.weights[:, left:right]
    # R rows and C columns of cells are touched. Columns are gathered as rows of the transpose: whole rows
    # are copied, single bytes are slow.
    lines = tf.transpose(tf.gather(contents, row_taps, axis=1), [0, 2, 1])  # [M, w, 4 R]
    values = tf.cast(tf.gather(lines, column_taps, axis=1), tf.float32)  # [M, 4 C, 4 R]
    values = _mix(values, tf.reshape(column_weights[:2], [-1, 1]), axis=1)  # [M, 2 C, 4 R]
    values = _mix(values, tf.reshape(row_weights[:2], [-1]), axis=2)  # [M, 2 C, 2 R], of the network input
    pixels = tf.cast(values >= 0.5, tf.float32)
    cells = _mix(_mix(pixels, column_weights[2][:, tf.newaxis], axis=1), row_weights[2], axis=2)  # [M, C, R]
    cells = tf.transpose(cells > 0.5, [0, 2, 1])
    height, width = plan.grid_size
    cells = tf.pad(cells, [[0, 0], [top, height - bottom], [left, width - right]])
    return tf.ensure_shape(cells, [None, height, width])
