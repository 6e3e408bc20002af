"""Show a window of an image, of its boxes and of its masks at another size.

A window is int32 [4] (top, left, bottom, right) in pixels of the image and may reach beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from official_yolact.ops import preprocess
from official_yolact.schema import Tensor


def visible_part(image: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Cut the part of an image that lies in a window.

    Args:
      image: [height, width, channels].
      window: int32 [4].

    Returns:
      the part, [h, w, channels], without rows or columns if nothing is visible; and its top left
      corner in the image, int32 [2].
    """
    size = tf.shape(image)[:2]
    first = tf.clip_by_value(window[:2], 0, size)
    last = tf.clip_by_value(window[2:], first, size)
    return image[first[0] : last[0], first[1] : last[1]], first


def _place(part: Tensor, corner: Tensor, window: Tensor, size: Sequence[int]) -> Tensor:
    """Resize a part onto zeros: only the output rows and columns that it reaches are computed."""
    output = tf.constant(list(size), tf.int32)
    last = corner + tf.shape(part)[:2]
    # One pixel of fill where the window goes on, so that the border is blended as in a real canvas.
    before, after = tf.cast(window[:2] < corner, tf.int32), tf.cast(window[2:] > last, tf.int32)
    # Nothing visible: the window lies on one side, and the fill there is all there is.
    paddings = tf.concat([tf.stack([before, after], axis=1), [[0, 0]]], axis=0)
    part = tf.pad(part, paddings)
    scale = tf.cast(output, tf.float32) / tf.cast(window[2:] - window[:2], tf.float32)
    start = tf.cast(corner - before - window[:2], tf.float32) * scale
    stop = tf.cast(last + after - window[:2], tf.float32) * scale
    low = tf.clip_by_value(tf.cast(tf.floor(start), tf.int32) - 1, 0, output - 1)
    high = tf.clip_by_value(tf.cast(tf.math.ceil(stop), tf.int32) + 1, low + 1, output)
    shown = tf.raw_ops.ScaleAndTranslate(
        images=part[tf.newaxis],
        size=high - low,
        scale=scale,
        translation=start - tf.cast(low, tf.float32),
        kernel_type="triangle",
        antialias=False,
    )[0]
    return tf.pad(shown, tf.concat([tf.stack([low, output - high], axis=1), [[0, 0]]], axis=0))


def _place_on_fill(
    part: Tensor, corner: Tensor, window: Tensor, size: Sequence[int], fill: Sequence[float]
) -> Tensor:
    part = preprocess.combine_channels(tf.subtract, part, fill)
    return preprocess.combine_channels(tf.add, _place(part, corner, window, size), fill)


def resize_part(
    part: Tensor, corner: Tensor, window: Tensor, size: Sequence[int], fill: Sequence[float]
) -> Tensor:
    """Resize a window of an image, given its visible part.

    The result is that of filling the window's canvas, placing the part on it and resizing:
    bilinear, half-pixel centres, no antialias.

    Args:
      part: float32 [h, w, channels], what is visible of the image.
      corner: int32 [2], its top left corner in the image.
      window: int32 [4].
      size: (height, width) of the result.
      fill: value of each channel where the window shows no image.

    Returns:
      float32 [size[0], size[1], channels].
    """
    inside = tf.reduce_all(window[:2] >= corner) & tf.reduce_all(window[2:] <= corner + tf.shape(part)[:2])
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
      mirror: bool scalar, left and right change places.
      flip: bool scalar, top and bottom change places.

    Returns:
      float32 [M, 4] yxyx_norm of the window.
    """
    window = tf.cast(window, tf.float32)
    extent = tf.tile(window[2:] - window[:2], [2])
    boxes = tf.clip_by_value((boxes_px - tf.tile(window[:2], [2])) / extent, 0.0, 1.0)
    top, left, bottom, right = tf.unstack(boxes, axis=-1)
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


def frame_masks(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Put zeros around masks: what `cut_mask` gives, but of several and uncut.

    Args:
      masks: uint8 [M, height, width], 0 or anything else.

    Returns:
      uint8 [M, height + 2, width + 2] of 0 and 1, and int32 [2]: (-1, -1).
    """
    return tf.pad(tf.minimum(masks, 1), [[0, 0], [1, 1], [1, 1]]), tf.constant([-1, -1])


def _interpolation(index: Tensor, in_size: Tensor, out_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbours and weight of `tf.image.resize`, bilinear, for output indices."""
    source = (tf.cast(index, tf.float32) + 0.5) * (tf.cast(in_size, tf.float32) / out_size) - 0.5
    floor = tf.floor(source)
    low = tf.cast(floor, tf.int32)
    return tf.maximum(low, 0), tf.minimum(low + 1, in_size - 1), source - floor


def _axis(
    content: tuple[Tensor, Tensor], window: tuple[Tensor, Tensor], input_size: int, grid_size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Plan the sampling of one axis.

    Only the cells that the content can reach are sampled. Gives the first cell, the weights
    between the two input pixels of each cell, and for those input pixels (all lower, then all
    upper ones) the two mask indices, relative to the cut mask, and the weights between these.
    """
    corner, count = content
    first, last = window
    extent = last - first
    per_pixel = tf.cast(grid_size, tf.float32) / tf.cast(extent, tf.float32)
    start = tf.cast(tf.floor(tf.cast(corner - first - 1, tf.float32) * per_pixel), tf.int32) - 2
    stop = tf.cast(tf.math.ceil(tf.cast(corner + count - first + 1, tf.float32) * per_pixel), tf.int32) + 2
    start = tf.clip_by_value(start, 0, grid_size)
    stop = tf.clip_by_value(stop, start, grid_size)
    low, high, cell_weight = _interpolation(tf.range(start, stop), tf.constant(input_size), grid_size)
    lower, upper, weight = _interpolation(tf.concat([low, high], axis=0), extent, input_size)
    offset = first - corner
    lower = tf.clip_by_value(lower + offset, 0, count - 1)
    upper = tf.clip_by_value(upper + offset, 0, count - 1)
    return start, cell_weight, lower, upper, weight


def sample_masks(
    contents: Tensor, corner: Tensor, window: Tensor, input_size: Sequence[int], grid_size: Sequence[int]
) -> Tensor:
    """Show a window of masks on a grid, by way of the network input.

    The same, bit for bit, as resizing the window to the input size, rounding to 0 and 1, resizing
    to the grid and comparing with 0.5; but only the input pixels that the grid looks at are made.

    Args:
      contents: uint8 [M, h, w] of 0 and 1 with zeros around, as `cut_mask` or `frame_masks` gives.
      corner: int32 [2], row and column of the contents' corner in the image.
      window: int32 [4] in pixels of the image.
      input_size: (height, width) of the network input.
      grid_size: (height, width) of the result.

    Returns:
      bool [M, grid height, grid width].

    Source: the original resizes masks with the image (halves round up) and again in its loss
      (strictly above 0.5).
    """
    count = tf.shape(contents)[1:]
    row, row_weight, top, bottom, y_weight = _axis(
        (corner[0], count[0]), (window[0], window[2]), input_size[0], grid_size[0]
    )
    column, column_weight, left, right, x_weight = _axis(
        (corner[1], count[1]), (window[1], window[3]), input_size[1], grid_size[1]
    )
    # Columns are gathered as rows of the transpose: whole rows are copied, single bytes are slow.
    rows = tf.gather(contents, tf.concat([top, bottom], axis=0), axis=1)
    lines = tf.transpose(rows, [0, 2, 1])
    near = tf.cast(tf.gather(lines, left, axis=1), tf.float32)
    far = tf.cast(tf.gather(lines, right, axis=1), tf.float32)
    near, far = tf.split(near + (far - near) * x_weight[:, tf.newaxis], 2, axis=2)
    pixels = tf.cast(near + (far - near) * y_weight >= 0.5, tf.float32)
    near, far = tf.split(pixels, 2, axis=1)
    near, far = tf.split(near + (far - near) * column_weight[:, tf.newaxis], 2, axis=2)
    cells = tf.transpose(near + (far - near) * row_weight > 0.5, [0, 2, 1])
    shape = tf.shape(cells)
    below, beyond = grid_size[0] - row - shape[1], grid_size[1] - column - shape[2]
    cells = tf.pad(cells, [[0, 0], [row, below], [column, beyond]])
    return tf.ensure_shape(cells, [None, *grid_size])
