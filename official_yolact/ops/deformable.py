"""Modulated deformable convolution (DCNv2) from gathers and matrix products."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from official_yolact.schema import Tensor

SIDE = 3
TAPS = SIDE * SIDE


class _Samples(NamedTuple):
    """The pixels and weights of every tap's samples; P counts the outputs of the whole batch, row by row.

    Attributes:
      indices: int32 [9, 4, P], rows of `_flatten`'s result: the four pixels around a sample, left before
        right and top before bottom.
      rows: float [9, 4, P], share of each of the four by its distance in y.
      columns: float [9, 4, P], likewise in x.
      gains: float [9, P], the modulation; 0 where the sample does not count.
      valid: float [9, P], 1 where the sample counts.
    """

    indices: Tensor
    rows: Tensor
    columns: Tensor
    gains: Tensor
    valid: Tensor


def deform_conv2d(
    images: Tensor,
    offsets: Tensor,
    modulation: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,
    strides: int = 1,
) -> Tensor:
    """Convolve 3x3 samples, each of which is moved off its grid point and weighted.

    Padding and dilation are 1. Samples are bilinear with zeros outside. The taps are computed one after
    another, so that memory holds the four pixels of one tap and not those of nine; the gradient samples
    anew instead of keeping the samples. Positions are in float32 (float64 for float64 offsets), sums over
    taps and pixels in at least float32.

    Args:
      images: float [B, H, W, I]; H, W and I static, any of them may be 1.
      offsets: float [B, Ho, Wo, 18]: y and x of tap 0, of tap 1, ..., in pixels of `images`, any
        value. Taps are in row-major order. Ho = ceil(H / strides), Wo = ceil(W / strides).
      modulation: float [B, Ho, Wo, 9], the weight of each sample.
      kernel: float [3, 3, I, O], of the dtype of `images`.
      bias: float [O], or None.
      strides: stride in both directions.

    Returns:
      float [B, Ho, Wo, O], of the dtype of `images`. A sample counts only where its position is > -1
      and < size in y and x; at -1 and at size, and for NaN, its value and all its gradients are 0.

    Raises:
      ValueError: if the shapes do not belong together or are not static.

    Source: DCNv2 (arXiv 1811.11168) as the original YOLACT++ has it, with one deformable group.
    """
    _check(images, offsets, modulation, kernel, strides)

    @tf.custom_gradient
    def convolve(images: Tensor, offsets: Tensor, modulation: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        inputs = images, offsets, modulation, kernel
        return _convolve(*inputs, strides), lambda upstream: _differentiate(*inputs, strides, upstream)

    outputs = convolve(*map(tf.convert_to_tensor, (images, offsets, modulation, kernel)))
    return outputs if bias is None else tf.nn.bias_add(outputs, bias)


def _convolve(images: Tensor, offsets: Tensor, modulation: Tensor, kernel: Tensor, strides: int) -> Tensor:
    samples = _locate(images, offsets, modulation, strides)
    weights = tf.cast(samples.rows * samples.columns * samples.gains[:, tf.newaxis], images.dtype)
    flat, taps = _flatten(images), tf.reshape(kernel, [TAPS, *kernel.shape[2:]])
    total: Tensor = 0.0
    for tap in range(TAPS):
        corners = tf.gather(flat, samples.indices[tap])  # [4, P, I]
        total += tf.cast(_blend(corners, weights[tap]) @ taps[tap], _sum_dtype(images))
    return tf.cast(tf.reshape(total, [-1, *offsets.shape[1:3], kernel.shape[3]]), images.dtype)


def _differentiate(
    images: Tensor, offsets: Tensor, modulation: Tensor, kernel: Tensor, strides: int, upstream: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the gradients of the first four arguments from that of the outputs, [B, Ho, Wo, O]."""
    samples = _locate(images, offsets, modulation, strides)
    weights = tf.cast(samples.rows * samples.columns * samples.gains[:, tf.newaxis], images.dtype)
    flat, taps = _flatten(images), tf.reshape(kernel, [TAPS, *kernel.shape[2:]])
    upstream = tf.reshape(upstream, [-1, kernel.shape[3]])
    to_images: Tensor = 0.0
    to_kernel, to_corners = [], []
    for tap in range(TAPS):
        corners = tf.gather(flat, samples.indices[tap])  # [4, P, I]
        to_sample = tf.matmul(upstream, taps[tap], transpose_b=True)
        to_kernel.append(tf.matmul(_blend(corners, weights[tap]), upstream, transpose_a=True))
        to_corners.append(tf.reduce_sum(tf.cast(corners * to_sample, _sum_dtype(images)), axis=-1))
        spread = tf.cast(to_sample * weights[tap][..., tf.newaxis], _sum_dtype(images))
        to_images += tf.math.unsorted_segment_sum(spread, samples.indices[tap], tf.shape(flat)[0])
    to_offsets, to_modulation = _differentiate_shares(samples, tf.stack(to_corners))
    height, width, channels = images.shape[1:]
    to_images = tf.reshape(to_images, [-1, height + 2, width + 2, channels])[:, 1:-1, 1:-1]
    return (
        tf.cast(to_images, images.dtype),
        tf.cast(tf.reshape(to_offsets, [-1, *offsets.shape[1:]]), offsets.dtype),
        tf.cast(tf.reshape(to_modulation, [-1, *modulation.shape[1:]]), modulation.dtype),
        tf.reshape(tf.stack(to_kernel), kernel.shape),
    )


def _differentiate_shares(samples: _Samples, to_corners: Tensor) -> tuple[Tensor, Tensor]:
    """Turn gradients of the weights, [9, 4, P], into those of offsets, [P, 18], and modulation, [P, 9]."""
    to_corners = tf.cast(to_corners, samples.valid.dtype) * samples.valid[:, tf.newaxis]  # [9, 4, P]
    down = tf.constant([[-1], [-1], [1], [1]], to_corners.dtype)
    right = tf.constant([[-1], [1], [-1], [1]], to_corners.dtype)
    to_y = samples.gains * tf.reduce_sum(down * samples.columns * to_corners, axis=1)
    to_x = samples.gains * tf.reduce_sum(right * samples.rows * to_corners, axis=1)
    to_gains = tf.reduce_sum(samples.rows * samples.columns * to_corners, axis=1)
    to_offsets = tf.reshape(tf.transpose(tf.stack([to_y, to_x], axis=1), [2, 0, 1]), [-1, 2 * TAPS])
    return to_offsets, tf.transpose(to_gains)


def _locate(images: Tensor, offsets: Tensor, modulation: Tensor, strides: int) -> _Samples:
    dtype = tf.float64 if offsets.dtype == tf.float64 else tf.float32
    (height, width), size = images.shape[1:3], offsets.shape[1:3]
    shifts = tf.reshape(tf.cast(offsets, dtype), [-1, *size, TAPS, 2])
    tap_rows, tap_columns = np.divmod(np.arange(TAPS), SIDE)
    y = shifts[..., 0] + (np.arange(size[0])[:, np.newaxis, np.newaxis] * strides - 1 + tap_rows)
    x = shifts[..., 1] + (np.arange(size[1])[:, np.newaxis] * strides - 1 + tap_columns)
    # [B, Ho, Wo, 9], like `y` and `x`; comparisons with NaN are false, so that it is not valid.
    valid = (y > -1) & (y < height) & (x > -1) & (x < width)
    y, x = tf.where(valid, y, -1), tf.where(valid, x, -1)
    top, left = tf.floor(y), tf.floor(x)
    # Of each image, its first row of `_flatten`'s result: [B, 1, 1, 1].
    starts = tf.range(tf.shape(images)[0])[:, tf.newaxis, tf.newaxis, tf.newaxis] * (height + 2) * (width + 2)
    corner = starts + (tf.cast(top, tf.int32) + 1) * (width + 2) + tf.cast(left, tf.int32) + 1
    neighbours = np.array([[0], [1], [width + 2], [width + 3]], np.int32)
    below, beyond, valid = _by_tap(y - top), _by_tap(x - left), _by_tap(tf.cast(valid, dtype))
    return _Samples(
        indices=_by_tap(corner)[:, tf.newaxis] + neighbours,
        rows=tf.stack([1 - below, 1 - below, below, below], axis=1),
        columns=tf.stack([1 - beyond, beyond, 1 - beyond, beyond], axis=1),
        gains=_by_tap(tf.cast(modulation, dtype)) * valid,
        valid=valid,
    )


def _by_tap(values: Tensor) -> Tensor:
    """Turn [B, Ho, Wo, 9] into [9, P]."""
    return tf.transpose(tf.reshape(values, [-1, TAPS]))


def _flatten(images: Tensor) -> Tensor:
    """Put a ring of zeros around [B, H, W, I] and list the pixels, [B * (H + 2) * (W + 2), I]."""
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return tf.reshape(padded, [-1, images.shape[3]])


def _blend(corners: Tensor, weights: Tensor) -> Tensor:
    """Add up four pixels [4, P, I] with their weights [4, P]."""
    return tf.reduce_sum(corners * weights[..., tf.newaxis], axis=0)


def _sum_dtype(images: Tensor) -> tf.DType:
    return images.dtype if images.dtype.size >= 4 else tf.float32


def _check(images: Tensor, offsets: Tensor, modulation: Tensor, kernel: Tensor, strides: int) -> None:
    height, width, channels = images.shape[1:]
    if None in (height, width, channels):
        raise ValueError(f"images are {images.shape}: give them a static height, width and channels")
    if kernel.shape[:3] != (SIDE, SIDE, channels):
        raise ValueError(f"kernel is {kernel.shape}: images {images.shape} need [3, 3, {channels}, O]")
    size = (-(-height // strides), -(-width // strides))
    for name, value, last in (("offsets", offsets, 2 * TAPS), ("modulation", modulation, TAPS)):
        if value.shape[1:] != (*size, last):
            needed = f"[B, {size[0]}, {size[1]}, {last}]"
            raise ValueError(f"{name} are {value.shape}: stride {strides} on {images.shape} needs {needed}")
