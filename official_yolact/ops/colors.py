"""Random changes of brightness, contrast, saturation and hue."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.schema import Tensor

_BRIGHTNESS = 32.0
_FACTOR = (0.5, 1.5)
_HUE_DEGREES = 18.0


def scale_saturation(image: Tensor, factor: Tensor) -> Tensor:
    """Multiply the HSV saturation, keeping hue and value.

    With V the largest channel, every channel is V - S times something that depends on the hue
    alone, so the conversion to HSV and back is V - factor (V - channel).

    Args:
      image: float [height, width, 3] RGB.
      factor: float scalar, not negative.

    Returns:
      float [height, width, 3], not clipped.
    """
    red, green, blue = tf.unstack(image, axis=-1)
    value = tf.maximum(tf.maximum(red, green), blue)[..., tf.newaxis]
    return value + factor * (image - value)


def rotate_hue(image: Tensor, degrees: Tensor) -> Tensor:
    """Turn the HSV hue by an angle, keeping saturation and value; float [height, width, 3] RGB."""
    return tf.image.adjust_hue(image, degrees / 360.0)


def distort_colors(image: Tensor, seed: Tensor, probability: float, clip: bool) -> Tensor:
    """Change brightness, contrast, saturation and hue, each with a probability of its own.

    The original draws whether contrast comes before or after saturation and hue. Both of these
    are homogeneous of degree one, so the order makes no difference and is not drawn.

    Args:
      image: float32 [height, width, 3] RGB, 0..255.
      seed: int32 [2], of the draws.
      probability: of each of the four parts.
      clip: bring the result back to 0..255; the original does not.

    Returns:
      float32 [height, width, 3].

    Source: the original's photometric distortion: brightness +-32, contrast and saturation times
      0.5..1.5, hue +-18 degrees. It always goes through OpenCV's HSV, which garbles pixels whose
      largest channel the brightness took below zero (-10, -20, -15 becomes -10, 0, -5); here they
      keep their colour.
    """
    if probability <= 0.0:
        return image
    draws = tf.random.stateless_uniform([4, 2], seed)
    chosen, amount = draws[:, 0] < probability, draws[:, 1]
    low, high = _FACTOR
    brightness = tf.where(chosen[0], _BRIGHTNESS * (2.0 * amount[0] - 1.0), 0.0)
    contrast = tf.where(chosen[1], low + (high - low) * amount[1], 1.0)
    saturation = low + (high - low) * amount[2]
    hue = _HUE_DEGREES * (2.0 * amount[3] - 1.0)
    image = tf.cond(chosen[0] | chosen[1], lambda: (image + brightness) * contrast, lambda: image)
    image = tf.cond(chosen[2], lambda: scale_saturation(image, saturation), lambda: image)
    image = tf.cond(chosen[3], lambda: rotate_hue(image, hue), lambda: image)
    return tf.clip_by_value(image, 0.0, 255.0) if clip else image
