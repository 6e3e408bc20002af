"""Compute which share of each cell of a grid a mask covers.

A mask is the sum of its changes: going down a column of pixels, it begins or ends at some rows. Where it
begins, all that lies below is added; where it ends, all that lies below is taken away. An outline has few
changes, so that large masks cost little more than small ones. All sums are whole numbers: the result is
exact, and the order of the changes does not matter.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from official_yolact.ops import mask_planes
from official_yolact.ops import windows
from official_yolact.schema import Tensor

DTYPE = tf.float16
"""Of a share: it has 0 and 1, and its relative error is at most 2^-11, so that of a sum of shares is too."""

_WORD = 8  # Bytes that are looked at together.


class _Changes(NamedTuple):
    """Where masks begin and end in columns of pixels, E of them; int64 [E] each.

    Attributes:
      masks: index of the mask among all of the planes.
      rows: the first row of pixels after the change.
      columns: the column of pixels.
      signs: 1 where the mask begins, -1 where it ends.
    """

    masks: Tensor
    rows: Tensor
    columns: Tensor
    signs: Tensor


def cover_planes(
    planes: Tensor, rows: Tensor, window: Tensor, turned: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Show a window of masks as the share of each cell of a grid that they cover.

    Args:
      planes: uint8 [P, height, width] of the image, P at least 1: mask 8 p + b is bit b of plane p.
      rows: int32 [M], indices of the masks to show.
      window: int32 [4] in pixels of the image; where it reaches beyond the image, masks are empty.
      turned: bool [2]: turn the result upside down; mirror it left-right.
      grid: (height, width) in cells.

    Returns:
      float16 [M, h, w], 0 to 1.
    """
    first, last = windows.visible_bounds(tf.shape(planes)[1:], window)
    changes = _find_changes(planes[:, first[0] : last[0]])
    sums = _add_changes(changes, first[0], tf.cast(rows, tf.int64), tf.cast(window, tf.int64), turned, grid)
    cell = tf.reduce_prod(tf.cast(window[2:] - window[:2], tf.float64))
    return tf.cast(tf.cumsum(sums, axis=1) / cell, DTYPE)


def _find_changes(planes: Tensor) -> _Changes:
    """Find where the masks of planes uint8 [P, height, width] change; above and below there are none."""
    count, height, width = tf.unstack(tf.shape(planes), num=3)
    words = -(-(height + 1) * width // _WORD)  # Of a plane, all rows in one line.
    above = tf.zeros([count, width], tf.uint8)
    below = tf.zeros([count, width + _WORD], tf.uint8)
    line = tf.concat([above, tf.reshape(planes, [count, height * width]), below], axis=1)
    before, after = (
        tf.bitcast(tf.reshape(line[:, start : start + _WORD * words], [-1, _WORD]), tf.int64)
        for start in (0, width)
    )
    changed = tf.bitwise.bitwise_xor(before, after)  # [P words]
    found = tf.where(tf.not_equal(changed, 0))[:, 0]
    changed, after = (tf.bitcast(tf.gather(words_, found), tf.uint8) for words_ in (changed, after))
    at = tf.where(tf.not_equal(changed, 0))  # [bytes that change, (word, byte)]
    places = tf.gather(found, at[:, 0]) * _WORD + at[:, 1]
    bits = tf.constant([1 << bit for bit in range(mask_planes.MASKS)], tf.uint8)
    changed, after = (tf.gather_nd(bytes_, at)[:, tf.newaxis] & bits for bytes_ in (changed, after))
    at = tf.where(tf.not_equal(changed, 0))  # [E, (byte, bit)]
    places = tf.gather(places, at[:, 0])
    begins = tf.not_equal(tf.gather_nd(after, at), 0)
    length, width = tf.cast(words * _WORD, tf.int64), tf.cast(width, tf.int64)
    inside = places % length
    return _Changes(
        masks=places // length * mask_planes.MASKS + at[:, 1],
        rows=inside // width,
        columns=inside % width,
        signs=tf.where(begins, tf.constant(1, tf.int64), tf.constant(-1, tf.int64)),
    )


def _add_changes(
    changes: _Changes, first_row: Tensor, rows: Tensor, window: Tensor, turned: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Add what each change means for its cell and for all below it: float64 [M, h, w], whole numbers.

    A pixel is as many units high as the grid has rows, and as many wide as it has columns; a cell is as many
    units high and wide as the window has pixels. So every edge lies at a whole number of units.
    """
    height, width = grid
    tall, wide = tf.unstack(window[2:] - window[:2], num=2)  # Of a cell, in units.
    tops = (changes.rows + tf.cast(first_row, tf.int64) - window[0]) * height  # [E]
    tops = tf.where(turned[0], tall * height - tops, tops)
    signs = tf.where(turned[0], -changes.signs, changes.signs)
    lefts = (changes.columns - window[1]) * width
    lefts = tf.where(turned[1], wide * width - width - lefts, lefts)

    down = tops // tall
    covered = (down + 1) * tall - tops  # Of the cell's height; the next cell gets the rest.
    heights = signs[:, tf.newaxis] * tf.stack([covered, tall - covered], axis=1)  # [E, 2]
    down = down[:, tf.newaxis] + tf.constant([0, 1], tf.int64)
    across = lefts[:, tf.newaxis] // wide + tf.range((width - 1) // wide + 2)  # [E, cells under a pixel]
    starts = across * wide
    lefts = lefts[:, tf.newaxis]
    widths = tf.minimum(lefts + width, starts + wide) - tf.maximum(lefts, starts)

    masks = _find_rows(changes.masks, rows)
    kept = (masks >= 0)[:, tf.newaxis, tf.newaxis] & (down < height)[:, :, tf.newaxis]
    kept &= ((across >= 0) & (across < width) & (widths > 0))[:, tf.newaxis]  # [E, 2, cells]
    cells = (masks[:, tf.newaxis] * height + down)[:, :, tf.newaxis] * width + across[:, tf.newaxis]
    amounts = tf.cast(heights[:, :, tf.newaxis] * widths[:, tf.newaxis], tf.float64)
    count = tf.size(rows, out_type=tf.int64)
    # What has a negative index is left out.
    sums = tf.math.unsorted_segment_sum(
        amounts, tf.where(kept, cells, tf.constant(-1, tf.int64)), count * (height * width)
    )
    return tf.reshape(sums, tf.stack([count, height, width]))


def _find_rows(masks: Tensor, rows: Tensor) -> Tensor:
    """Find the place of masks [E] among the masks to show, int64 [M]; -1 where it is none of them."""
    most = tf.reduce_max(tf.concat([masks, rows, [0]], axis=0)) + 1
    places = tf.scatter_nd(rows[:, tf.newaxis], tf.range(1, tf.size(rows, tf.int64) + 1), [most])
    return tf.gather(places, masks) - 1
