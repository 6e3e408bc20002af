"""Compute which share of each cell of a grid a mask covers.

Whether the first pixel of a cell belongs to the mask says what the cell would have if nothing changed in it.
Then there are changes. Along the cell's first row of pixels the mask may begin or end: from there on, all
columns begin with the other state. And in each column it may begin or end further down: from there on, the
rest of the column has the other state. An outline has few changes, so that large masks cost little more than
small ones.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import tensorflow as tf

from official_yolact.ops import compilers
from official_yolact.ops import mask_planes
from official_yolact.ops import windows
from official_yolact.schema import Tensor

DTYPE = tf.float16
"""Of a share: it has 0 and 1, and its relative error is at most 2^-11, so that of a sum of shares is too."""

_WORD = 8  # Bytes that are looked at together.


class _Axis(NamedTuple):
    """How the cells of one axis of a grid lie on the V visible pixels.

    Attributes:
      firsts: int32 [cells], the pixel in which each cell begins; V where none is visible there.
      cells: int32 [V + 1], the cell in which each pixel begins, and then the one in which the last ends.
      rests: float32 [V + 1], the share of that cell that lies behind that place; 0 where cells meet there.
      under: int32 [V, J], the cells on which each pixel lies.
      shares: float32 [V, J], which share of each of these cells is the pixel; 0 where it lies on fewer.
    """

    firsts: Tensor
    cells: Tensor
    rests: Tensor
    under: Tensor
    shares: Tensor


class _Changes(NamedTuple):
    """E places where a mask begins or ends.

    Attributes:
      lines: int32 [E], the line of bytes.
      bytes: int32 [E], the byte in it.
      bits: int32 [E], the mask in the byte.
      signs: float32 [E], 1 where it begins and -1 where it ends.
    """

    lines: Tensor
    bytes: Tensor
    bits: Tensor
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
    # Of many planes, those that hold no mask to show need neither time nor memory; one stays in any case.
    used, places = tf.unique(tf.concat([[0], rows // mask_planes.MASKS], axis=0))
    rows = places[1:] * mask_planes.MASKS + rows % mask_planes.MASKS
    planes = tf.cond(tf.shape(planes)[0] > 1, lambda: tf.gather(planes, used), lambda: planes)
    first, last = windows.visible_bounds(tf.shape(planes)[1:], window)
    planes = planes[:, first[0] : last[0], first[1] : last[1]]
    count, height, width = tf.unstack(tf.shape(planes), num=3)
    down, across = (
        _lay_axis(window[axis], window[axis + 2], first[axis], last[axis], grid[axis], turned[axis])
        for axis in (0, 1)
    )
    # Zeros behind each row, and a row of zeros above each plane, which is also the row below the one before.
    planes = tf.concat([planes, tf.zeros([count, height, 1], tf.uint8)], axis=2)
    planes = tf.concat([tf.zeros([count, 1, width + 1], tf.uint8), planes], axis=1)
    tops = tf.gather(planes, (down.firsts + 1) % (height + 1), axis=1)  # [P, h, width + 1]
    changes = _find_changes(planes, tops, width + 1)
    corners = tf.gather(tops, across.firsts, axis=2)  # [P, h, w]
    finish = _compile() if compilers.has_xla() else _finish
    shares = finish(_add_changes(changes, down, across, count, grid), corners)  # [P, 8, h, w]
    return tf.gather(tf.reshape(shares, [count * mask_planes.MASKS, *grid]), rows)


def _lay_axis(
    window_first: Tensor, window_last: Tensor, first: Tensor, last: Tensor, cells: int, turned: Tensor
) -> _Axis:
    """Lay the cells of a window on the visible pixels, first to last, of an axis."""
    length = window_last - window_first
    order = tf.range(cells)
    order = tf.where(turned, order[::-1], order)
    edges = order * length // cells + window_first
    # In float64 whole numbers of cells come out whole, and nothing else does.
    places = tf.cast((tf.range(first, last + 1) - window_first) * cells, tf.float64)
    places /= tf.cast(length, tf.float64)  # [V + 1], in cells.
    floor = tf.floor(places)
    reached = floor[:-1, tf.newaxis] + tf.range(tf.cast((cells - 1) // length + 3, tf.float64))
    reached = tf.clip_by_value(reached, places[:-1, tf.newaxis], places[1:, tf.newaxis])  # [V, J + 1]
    numbers = tf.minimum(tf.cast(floor, tf.int32), cells - 1)
    under = tf.minimum(numbers[:-1, tf.newaxis] + tf.range((cells - 1) // length + 2), cells - 1)
    turn = tf.where(turned, cells - 1, 0)
    return _Axis(
        firsts=tf.where((edges >= first) & (edges < last), edges, last) - first,
        cells=tf.abs(numbers - turn),
        rests=tf.cast(tf.math.ceil(places) - places, tf.float32),
        under=tf.abs(under - turn),
        shares=tf.cast(reached[:, 1:] - reached[:, :-1], tf.float32),
    )


def _find_changes(planes: Tensor, tops: Tensor, length: Tensor) -> _Changes:
    """Find changes from line to line of the planes, then from byte to byte along the first rows of the cells.

    Args:
      planes: uint8 [P, height + 1, length], zeros above and behind.
      tops: uint8 [P, h, length], zeros behind.
      length: int32 scalar, of a line.

    Returns:
      The changes: P (height + 1) lines of the planes are followed by P h lines of the tops.
    """
    planes, tops = tf.reshape(planes, [-1]), tf.reshape(tops, [-1])
    end = tf.zeros([-(tf.size(planes) + tf.size(tops)) % _WORD], tf.uint8)
    nothing = tf.zeros([length], tf.uint8)
    before, after = (
        tf.bitcast(tf.reshape(tf.concat(parts, axis=0), [-1, _WORD]), tf.int64)
        for parts in ([planes, nothing[:1], tops[:-1], end], [planes[length:], nothing, tops, end])
    )
    changed = tf.bitwise.bitwise_xor(before, after)
    words = tf.where(tf.not_equal(changed, 0))[:, 0]
    changed, after = (tf.bitcast(tf.gather(each, words), tf.uint8) for each in (changed, after))  # [W, 8]
    at = tf.where(tf.not_equal(changed, 0))  # [bytes that change, (word, byte)]
    places = tf.cast(tf.gather(words, at[:, 0]) * _WORD + at[:, 1], tf.int32)
    bits = tf.constant([1 << bit for bit in range(mask_planes.MASKS)], tf.uint8)
    changed, after = (tf.gather_nd(each, at)[:, tf.newaxis] & bits for each in (changed, after))
    at = tf.where(tf.not_equal(changed, 0))  # [E, (byte that changes, bit)]
    places = tf.gather(places, at[:, 0])
    lines = places // length
    signs = tf.where(tf.not_equal(tf.gather_nd(after, at), 0), 1.0, -1.0)
    return _Changes(lines, places - lines * length, tf.cast(at[:, 1], tf.int32), signs)


def _add_changes(
    changes: _Changes, down: _Axis, across: _Axis, count: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Add what the changes add to each cell: float32 [P, 8, h, w]."""
    height, width = grid
    planes = tf.range(count)[:, tf.newaxis] * (mask_planes.MASKS * height)
    # [P (height + 1) + P h]: the first cell of the line, and the share of its height that changes.
    cells = [planes + numbers for numbers in (down.cells, tf.range(height))]
    heights = [tf.tile(down.rests, [count]), tf.ones([count * height])]
    starts = tf.concat([tf.reshape(each, [-1]) for each in cells], axis=0) * width
    # [2 width + 1, J]: of a change in a column, then of one along a row, the cells and the share of each.
    more = [[0, 0], [0, tf.shape(across.under)[1] - 1]]
    under, shares = (
        tf.concat([below, tf.pad(along[:, tf.newaxis], more)], axis=0)
        for below, along in ((across.under, across.cells), (across.shares, across.rests))
    )

    along = changes.lines >= tf.size(heights[0])
    places = changes.bytes + tf.where(along, tf.shape(across.under)[0], 0)
    amounts = changes.signs * tf.gather(tf.concat(heights, axis=0), changes.lines)
    firsts = tf.gather(starts, changes.lines) + changes.bits * (height * width)
    sums = tf.math.unsorted_segment_sum(
        amounts[:, tf.newaxis] * tf.gather(shares, places),
        firsts[:, tf.newaxis] + tf.gather(under, places),
        count * (mask_planes.MASKS * height * width),
    )
    return tf.reshape(sums, [count, mask_planes.MASKS, height, width])


def _finish(sums: Tensor, corners: Tensor) -> Tensor:
    """Add what the first pixel of each cell says, uint8 [P, h, w], to the changes [P, 8, h, w]."""
    bits = tf.constant([1 << bit for bit in range(mask_planes.MASKS)], tf.uint8)[:, tf.newaxis, tf.newaxis]
    full = tf.not_equal(corners[:, tf.newaxis] & bits, 0)
    return tf.cast(tf.cast(full, tf.float32) + sums, DTYPE)


@functools.cache
def _compile() -> Tensor:
    return tf.function(_finish, autograph=False, jit_compile=True)
