"""Random changes of brightness, contrast, saturation and hue."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from official_yolact.ops import compilers
from official_yolact.ops import preprocess
from official_yolact.schema import Tensor

_BRIGHTNESS = 32.0
_FACTOR = (0.5, 1.5)
_HUE_DEGREES = 18.0
_SHORTEST = 3 * 16384


def scale_saturation(image: Tensor, factor: Tensor) -> Tensor:
    """Multiply the HSV saturation, keeping hue and value.

    With V the largest channel and S the saturation, every channel is V - S x, where x depends on the hue
    alone. So the conversion to HSV and back is V - factor (V - channel).

    Args:
      image: float [height, width, 3] RGB.
      factor: float scalar, not negative.

    Returns:
      float [height, width, 3], not clipped.
    """
    red, green, blue = tf.unstack(image, axis=-1)
    value = tf.maximum(tf.maximum(red, green), blue)[..., tf.newaxis]  # [height, width, 1]
    return value + factor * (image - value)


def rotate_hue(image: Tensor, degrees: Tensor) -> Tensor:
    """Turn the HSV hue by an angle, keeping saturation and value; float [height, width, 3] RGB."""
    return tf.image.adjust_hue(image, degrees / 360.0)


def distort_colors(
    image: Tensor,
    seed: Tensor,
    probability: float,
    clip: bool,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Change brightness, contrast, saturation and hue, each with a probability of its own; normalise.

    The original draws whether contrast comes before or after saturation and hue. Both of these
    are homogeneous of degree one, so the order makes no difference and is not drawn.

    Args:
      image: uint8 or float32 [height, width, 3] RGB, 0..255.
      seed: int32 [2], of the draws.
      probability: of each of the four parts.
      clip: bring the result back to 0..255; the original does not.
      mean: of each channel, is subtracted from the result.
      std: of each channel, divides it.

    Returns:
      float32 [height, width, 3].

    Source: the original's photometric distortion: brightness +-32, contrast and saturation times
      0.5..1.5, hue +-18 degrees. It always goes through OpenCV's HSV, which garbles pixels whose
      largest channel the brightness took below zero (-10, -20, -15 becomes -10, 0, -5); here they
      keep their colour.
    """
    if probability <= 0.0:
        return preprocess.normalize_image(image, mean, std)
    draws = tf.random.stateless_uniform([4, 2], seed)  # a row each: brightness, contrast, saturation, hue
    chosen, amount = draws[:, 0] < probability, draws[:, 1]
    low, high = _FACTOR
    values = tf.stack(
        [
            tf.where(chosen[0], _BRIGHTNESS * (2.0 * amount[0] - 1.0), 0.0),
            tf.where(chosen[1], low + (high - low) * amount[1], 1.0),
            low + (high - low) * amount[2],
            _HUE_DEGREES * (2.0 * amount[3] - 1.0),
        ]
    )
    change = _change_compiled if compilers.has_xla() else _change_one_by_one
    return change(image, values, chosen[2:], tf.constant(clip), tf.constant([list(mean), list(std)]))


def _change_one_by_one(
    image: Tensor, values: Tensor, chosen: Tensor, clip: Tensor, statistics: Tensor
) -> Tensor:
    brightness, contrast, saturation, hue = tf.unstack(values, num=4)
    image = (tf.cast(image, tf.float32) + brightness) * contrast
    image = tf.cond(chosen[0], lambda: scale_saturation(image, saturation), lambda: image)
    image = tf.cond(chosen[1], lambda: rotate_hue(image, hue), lambda: image)
    image = tf.cond(clip, lambda: tf.clip_by_value(image, 0.0, 255.0), lambda: image)
    return (image - statistics[0]) / statistics[1]


def _change_compiled(
    image: Tensor, values: Tensor, chosen: Tensor, clip: Tensor, statistics: Tensor
) -> Tensor:
    """Compute `_change_one_by_one` in one pass over the pixels, in a fifth of the time.

    XLA compiles anew for each length. So the flat image is padded to one of few lengths.
    """
    shape = tf.shape(image)
    flat = tf.reshape(image, [-1])
    count = tf.size(flat)
    flat = tf.pad(flat, [[0, _round_up(count) - count]])
    inputs = (flat, values, chosen[0], clip, statistics)
    # Most of the work is for the hue, which half of the images keep.
    changed = tf.cond(
        chosen[1],
        lambda: _change_flat(*inputs, turns_hue=True),
        lambda: _change_flat(*inputs, turns_hue=False),
    )
    return tf.ensure_shape(tf.reshape(tf.reshape(changed, [-1])[:count], shape), image.shape)


def _round_up(count: Tensor) -> Tensor:
    """Round a length up, to one of four in each octave, at least `_SHORTEST`; all are multiples of 3."""
    octaves = tf.math.log(tf.cast(tf.maximum(count, _SHORTEST), tf.float32) / _SHORTEST) / math.log(2.0)
    # Rounding in the logarithm may give the step below.
    step = tf.cast(tf.pow(2.0, tf.floor(octaves)) * (_SHORTEST / 12), tf.int32) * 3
    return -(-tf.maximum(count, _SHORTEST) // step) * step


@tf.function(autograph=False, jit_compile=True, reduce_retracing=True)
def _change_flat(
    flat: Tensor, values: Tensor, is_saturated: Tensor, clip: Tensor, statistics: Tensor, turns_hue: bool
) -> Tensor:
    """Change the colours of flat RGB pixels: [3 P] to float32 [P, 3].

    Each channel is a tensor [P], and joining the channels is the last operation: XLA would compute any later
    one number by number, in twice the time of everything before.
    """
    brightness, contrast, saturation, hue = tf.unstack(values, num=4)
    channels = [(tf.cast(flat[index::3], tf.float32) + brightness) * contrast for index in range(3)]
    value = tf.maximum(tf.maximum(channels[0], channels[1]), channels[2])
    channels = [tf.where(is_saturated, value + saturation * (c - value), c) for c in channels]
    if turns_hue:
        channels = _turn_hue(channels, value, hue / 60.0)
    channels = [tf.where(clip, tf.clip_by_value(c, 0.0, 255.0), c) for c in channels]
    mean, std = tf.unstack(statistics, num=2)
    scale = 1.0 / std
    return tf.stack([(c - mean[index]) * scale[index] for index, c in enumerate(channels)], axis=-1)


def _turn_hue(channels: list[Tensor], value: Tensor, sixths: Tensor) -> list[Tensor]:
    """Turn the hue of red, green and blue [P], whose maximum is `value` [P], by sixths of a circle."""
    red, green, blue = channels
    chroma = value - tf.minimum(tf.minimum(red, green), blue)
    scale = tf.where(chroma > 0.0, 1.0 / tf.where(chroma > 0.0, chroma, 1.0), 0.0)
    hue = tf.where(tf.equal(value, green), 2.0 + (blue - red) * scale, 4.0 + (red - green) * scale)
    hue = tf.where(tf.equal(value, red), (green - blue) * scale, hue) + sixths
    turned = []
    for offset in (5.0, 3.0, 1.0):
        angle = hue + offset
        angle -= 6.0 * tf.floor(angle / 6.0)
        turned.append(value - chroma * tf.clip_by_value(tf.minimum(angle, 4.0 - angle), 0.0, 1.0))
    return turned
