"""Random windows: which part of a (possibly enlarged) image becomes the training example.

A window is int32 [4] (top, left, bottom, right) in pixels of the original image; it may reach
beyond the image, where the fill colour is seen. Expanding and cropping only move the window, so
no enlarged canvas is ever made.
"""

from __future__ import annotations

import tensorflow as tf

from official_yolact.schema import Tensor

_ROUNDS = 3
_TRIES = 50
_MODES = 6


def whole_window(size: Tensor) -> Tensor:
    """Return the window that is the image itself, int32 [4], from its int32 (height, width)."""
    return tf.concat([tf.zeros([2], tf.int32), tf.cast(size, tf.int32)], axis=0)


def draw_canvas(seed: Tensor, size: Tensor, probability: float, max_ratio: float) -> Tensor:
    """Draw a canvas around an image: a window at least as large, at a random place.

    Args:
      seed: int32 [2].
      size: int32 [2], (height, width) of the image in pixels.
      probability: of a canvas; otherwise the window is the image.
      max_ratio: largest side of the canvas over the image's; drawn uniformly from 1.

    Returns:
      int32 [4] window.

    Source: the original's expansion; both sides have the same ratio.
    """
    if probability <= 0.0 or max_ratio <= 1.0:
        return whole_window(size)
    draws = tf.random.stateless_uniform([4], seed)
    extent = tf.cast(size, tf.float32)
    ratio = tf.where(draws[0] < probability, 1.0 + (max_ratio - 1.0) * draws[1], 1.0)
    corner = tf.cast(draws[2:] * extent * (ratio - 1.0), tf.int32)
    return tf.concat([-corner, tf.cast(extent * ratio, tf.int32) - corner], axis=0)


def centers_inside(boxes_px: Tensor, window: Tensor) -> Tensor:
    """Tell which boxes have their centre strictly inside a window.

    Args:
      boxes_px: float [..., M, 4] yxyx in pixels of the image.
      window: [..., 4], broadcast against the boxes' leading dimensions.

    Returns:
      bool [..., M].
    """
    center = (boxes_px[..., :2] + boxes_px[..., 2:]) / 2.0
    window = tf.cast(window, boxes_px.dtype)[..., tf.newaxis, :]  # [..., 1, 4] against [..., M, 2]
    return tf.reduce_all((center > window[..., :2]) & (center < window[..., 2:]), axis=-1)


def _candidates(seed: Tensor, canvas: Tensor, min_side: float, origin: float) -> tuple[Tensor, Tensor]:
    """Draw windows, int32 [rounds, tries, 4]; and whether their shape is allowed, bool [rounds, tries]."""
    draws = tf.random.stateless_uniform([_ROUNDS, _TRIES, 4], seed)
    extent = tf.cast(canvas[2:] - canvas[:2], tf.float32)
    side = extent * (min_side + (1.0 - min_side) * draws[..., :2])
    corner = origin + (extent - side - origin) * draws[..., 2:]
    first = tf.cast(corner, tf.int32)
    last = tf.minimum(tf.cast(corner + side, tf.int32), canvas[2:] - canvas[:2])
    aspect = side[..., 0] / side[..., 1]
    allowed = (aspect >= 0.5) & (aspect <= 2.0) & tf.reduce_all(last > first, axis=-1)
    offset = canvas[:2]
    return tf.concat([first + offset, last + offset], axis=-1), allowed


def draw_crop(
    seed: Tensor,
    canvas: Tensor,
    boxes_px: Tensor,
    is_crowd: Tensor,
    min_side: float = 0.3,
    origin: float = 0.0,
) -> Tensor:
    """Draw a part of the canvas that shows the centre of at least one object.

    With a probability of one in six the result is the whole canvas. A window that shows no object is
    drawn anew, up to 50 times, then the mode is drawn anew; after three such rounds the result is the
    whole canvas. Of an image without boxes it is the first window; of one whose boxes are all crowds, the
    whole canvas.

    Args:
      seed: int32 [2].
      canvas: int32 [4] window.
      boxes_px: float32 [M, 4] yxyx in pixels of the image.
      is_crowd: bool [M].
      min_side: smallest side of the part over the canvas's, each drawn uniformly up to 1.
      origin: the corner is drawn between this pixel and the last that fits; 1 in the original.

    Returns:
      int32 [4] window.

    Source: the original's random sample crop. Its IoU modes never reject anything, so all but
      one of the six are the same; it redraws modes without end, here three times.
    """
    windows, allowed = _candidates(seed, canvas, min_side, origin)
    usable = allowed & _show_object(windows, boxes_px, is_crowd)
    mode_seed = tf.random.experimental.stateless_fold_in(seed, 1)
    whole = tf.random.stateless_uniform([_ROUNDS, 1], mode_seed) < 1.0 / _MODES
    canvas_row = tf.broadcast_to(canvas, [_ROUNDS, 1, 4])
    # [rounds (1 + tries), 4]: each round begins with the whole canvas.
    choices = tf.reshape(tf.concat([canvas_row, windows], axis=1), [-1, 4])
    return _first_usable(choices, tf.reshape(tf.concat([whole, usable], axis=1), [-1]))


def draw_scaled(
    seed: Tensor,
    size: Tensor,
    extent: Tensor,
    boxes_px: Tensor,
    is_crowd: Tensor,
    min_scale: float,
    max_scale: float,
) -> Tensor:
    """Draw a window in which objects appear larger or smaller, and are not distorted.

    Along each axis a window smaller than the image lies in the image, and a larger one contains it. A
    window that shows no object is drawn anew, up to 50 times; then the window is the image.

    Args:
      seed: int32 [2].
      size: int32 [2], (height, width) of the image in pixels.
      extent: float32 [2], (height, width) of the window at scale 1.
      boxes_px: float32 [M, 4] yxyx in pixels of the image.
      is_crowd: bool [M].
      min_scale: smallest scale, by which objects appear larger; its logarithm is uniform.
      max_scale: largest.

    Returns:
      int32 [4] window.

    Source: large-scale jitter as in Model Garden's parsers; not of the original.
    """
    draws = tf.random.stateless_uniform([_TRIES, 3], seed)  # scale, then two for the corner
    scale = min_scale * (max_scale / min_scale) ** draws[:, :1]
    side = tf.maximum(tf.round(extent / scale), 1.0)
    corner = tf.round(draws[:, 1:] * (tf.cast(size, tf.float32) - side))
    windows = tf.cast(tf.concat([corner, corner + side], axis=-1), tf.int32)
    usable = _show_object(windows, boxes_px, is_crowd)
    return _first_usable(
        tf.concat([whole_window(size)[tf.newaxis], windows], axis=0), tf.concat([[False], usable], axis=0)
    )


def _show_object(windows: Tensor, boxes_px: Tensor, is_crowd: Tensor) -> Tensor:
    """Tell which windows [..., 4] show the centre of an object; all do if there are no boxes."""
    objects = centers_inside(boxes_px, windows) & ~is_crowd
    return tf.reduce_any(objects, axis=-1) | tf.equal(tf.shape(boxes_px)[0], 0)


def _first_usable(windows: Tensor, usable: Tensor) -> Tensor:
    """Select the first usable row of windows [M, 4]; without any, argmax is 0."""
    return windows[tf.argmax(tf.cast(usable, tf.int32))]


def draw_transpose(seed: Tensor, probability: float) -> Tensor:
    """Draw whether to exchange rows and columns: a bool scalar."""
    if probability <= 0.0:
        return tf.constant(False)
    draw = tf.random.stateless_uniform([], tf.random.experimental.stateless_fold_in(seed, 2))
    return draw < probability


def draw_flips(seed: Tensor, mirror: float, flip: float) -> tuple[Tensor, Tensor]:
    """Draw whether to mirror left-right and to flip upside down: two bool scalars."""
    draws = tf.random.stateless_uniform([2], seed)
    return draws[0] < mirror, draws[1] < flip
