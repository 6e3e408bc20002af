"""The window of a training image that the settings of the augmentation draw."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from official_yolact.dataloaders import augment_settings
from official_yolact.ops import augment
from official_yolact.ops import frames
from official_yolact.schema import Tensor


def draw_window(
    settings: augment_settings.AugmentSettings,
    input_size: tuple[int, int],
    seeds: Sequence[Tensor],
    size: Tensor,
    transpose: Tensor,
    boxes_px: Tensor,
    is_crowd: Tensor,
) -> Tensor:
    """Draw which window of an image becomes the training example.

    With `settings.keep_aspect` it is then widened to the proportions of the input, so that nothing in it is
    distorted; what the image has there is seen.

    Args:
      settings: of the augmentation.
      input_size: (height, width) of the network input.
      seeds: int32 [2] each: of a canvas, and of a crop or a scaled window.
      size: int32 [2], (height, width) of the image in pixels.
      transpose: bool scalar: whether rows and columns have changed places.
      boxes_px: float32 [M, 4] yxyx in pixels of the image.
      is_crowd: bool [M].

    Returns:
      int32 [4] window.
    """
    drawn = _draw(settings, input_size, seeds, size, transpose, boxes_px, is_crowd)
    return frames.widen_window(drawn, input_size) if settings.keep_aspect else drawn


def _draw(
    settings: augment_settings.AugmentSettings,
    input_size: tuple[int, int],
    seeds: Sequence[Tensor],
    size: Tensor,
    transpose: Tensor,
    boxes_px: Tensor,
    is_crowd: Tensor,
) -> Tensor:
    if settings.scales:
        extent = _natural_extent(input_size, size, transpose)
        if settings.keep_aspect:
            canvas = frames.find_canvas(size, input_size)
            extent = tf.cast(canvas[2:] - canvas[:2], tf.float32)
        scales = settings.min_scale, settings.max_scale
        return augment.draw_scaled(seeds[1], size, extent, boxes_px, is_crowd, *scales)
    window = augment.draw_canvas(seeds[0], size, settings.expand, settings.max_expand_ratio)
    if not settings.sample_crop:
        return window
    least = settings.min_crop_side, settings.crop_origin
    return augment.draw_crop(seeds[1], window, boxes_px, is_crowd, *least)


def _natural_extent(input_size: tuple[int, int], size: Tensor, transpose: Tensor) -> Tensor:
    """Compute the (height, width) of a window, float32 [2], that shows objects as large as in evaluation.

    It is the image's size. For a transposed image it has the input's aspect ratio: resizing its exchanged
    sides to the input would stretch objects as evaluation never does.
    """
    extent = tf.cast(size, tf.float32)
    network = tf.constant(input_size, tf.float32)
    scale = tf.sqrt(tf.reduce_prod(extent) / tf.reduce_prod(network))
    return tf.where(transpose, network * scale, extent)
