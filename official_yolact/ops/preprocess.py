"""Image bytes to network input: the one path that training, prediction and export share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from official_yolact.schema import Tensor
from official_yolact_runtime.images import formats

_CHROMA_REACH = 2


def _read_number(encoded: Tensor, position: int, count: int, step: int = 1) -> Tensor:
    """Read an unsigned number of some bytes, int64; with `step` -1 the largest digit comes first."""
    digits = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, position, count), tf.uint8), tf.int64)
    return tf.reduce_sum(digits * tf.constant([256**i for i in range(count)][::step], tf.int64))


def read_image_size(encoded: Tensor) -> Tensor:
    """Read the size an image file claims, without decoding it.

    Args:
      encoded: string scalar, bytes of a JPEG, PNG, GIF or BMP file.

    Returns:
      int64 [2], (height, width) in pixels; (0, 0) for any other format.
    """
    # Longer than any field read below, however short the file: a substring beyond the end is an
    # error, whose message TensorFlow cannot make from bytes.
    header = tf.strings.join([tf.strings.substr(encoded, 0, 32), tf.constant(b"\0" * 32)])

    def starts(magic: bytes) -> Tensor:
        return tf.equal(tf.strings.substr(header, 0, len(magic)), magic)

    def jpeg() -> Tensor:
        return tf.cast(tf.image.extract_jpeg_shape(encoded)[:2], tf.int64)

    def png() -> Tensor:
        return tf.stack([_read_number(header, 20, 4, -1), _read_number(header, 16, 4, -1)])

    def gif() -> Tensor:
        return tf.stack([_read_number(header, 8, 2), _read_number(header, 6, 2)])

    def bmp() -> Tensor:
        # The height of a BMP is signed: negative means that the top row comes first.
        height = _read_number(header, 22, 4)
        return tf.stack([tf.minimum(height, 2**32 - height), _read_number(header, 18, 4)])

    size = tf.cond(
        starts(b"\xff\xd8\xff"),
        jpeg,
        lambda: tf.case(
            [(starts(b"\x89PNG"), png), (starts(b"GIF8"), gif), (starts(b"BM"), bmp)],
            default=lambda: tf.zeros([2], tf.int64),
        ),
    )
    return tf.ensure_shape(size, [2])


def check(condition: Tensor, message: str, value: Tensor) -> Tensor | None:
    """Raise an error unless a condition holds; returns the operation that does so, None outside of graphs.

    `tf.debugging.Assert` branches around the error, which costs an input pipeline more than the check.

    Args:
      condition: bool scalar.
      message: of the error.
      value: is shown after the message.

    Raises:
      tf.errors.InvalidArgumentError: the condition does not hold.
    """
    return tf.raw_ops.Assert(condition=condition, data=[tf.constant(message), value])


def check_image(encoded: Tensor, max_pixels: int = formats.MAX_PIXELS) -> tuple[Tensor, Tensor]:
    """Look at the header of an image file.

    Args:
      encoded: string scalar, bytes of a JPEG, PNG, GIF or BMP file.
      max_pixels: largest height x width that may be decoded.

    Returns:
      the file, string scalar; and (height, width) in pixels, int32 [2].

    Raises:
      tf.errors.InvalidArgumentError: not such a file, or too large.
    """
    size = read_image_size(encoded)
    pixels = tf.reduce_prod(size)
    # Other formats are refused: their size is not known before they are decoded.
    checks = [
        check(pixels > 0, "not a JPEG, PNG, GIF or BMP file", size),
        check(pixels <= max_pixels, f"image of more than {max_pixels} pixels: scale it down", size),
    ]
    with tf.control_dependencies([each for each in checks if each is not None]):
        return tf.identity(encoded), tf.cast(size, tf.int32)


def decode_image(encoded: Tensor, max_pixels: int = formats.MAX_PIXELS) -> Tensor:
    """Decode an image file to RGB.

    JPEGs are decoded with the accurate inverse transform, as every other decoder has it; TensorFlow's
    default is the fast one. Orientation in EXIF is not read: turn files upright before.

    Args:
      encoded: string scalar, bytes of a JPEG, PNG, GIF (first frame) or BMP file.
      max_pixels: largest height x width that is decoded.

    Returns:
      uint8 [height, width, 3].

    Raises:
      tf.errors.InvalidArgumentError: not such a file, damaged, or too large.
    """
    return decode_checked(check_image(encoded, max_pixels)[0])


def decode_checked(encoded: Tensor) -> Tensor:
    """Decode a file that `check_image` has passed, as `decode_image` does."""
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )
    return tf.ensure_shape(image, [None, None, 3])


def decode_part(encoded: Tensor, size: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Decode some rows and columns of a file that `check_image` has passed.

    The pixels are those of the whole image. Of a JPEG the rows below the part are not read, and no pixels are
    made of the rows above it and the columns beside it. A JPEG that does not end with the end-of-image marker
    was cut short: it is decoded as a whole, so that the damage is found.

    Args:
      encoded: string scalar.
      size: int32 [2], (height, width) of the image.
      first: int32 [2], first row and column.
      last: int32 [2], one past the last ones, at least `first`, at most `size`.

    Returns:
      uint8 [last[0] - first[0], last[1] - first[1], 3].

    Raises:
      tf.errors.InvalidArgumentError: damaged.
    """
    # Where colours are stored at a lower resolution than brightness, a pixel depends on its neighbours' ones.
    start = tf.minimum(tf.maximum(first - _CHROMA_REACH, 0), size - 1)
    stop = tf.minimum(tf.maximum(last, start + 1) + _CHROMA_REACH, size)

    def part() -> tuple[Tensor, Tensor]:
        window = tf.concat([start, stop - start], axis=0)
        decoded = tf.image.decode_and_crop_jpeg(encoded, window, channels=3, dct_method="INTEGER_ACCURATE")
        return decoded, start

    def whole() -> tuple[Tensor, Tensor]:
        return decode_checked(encoded), tf.zeros([2], tf.int32)

    is_complete = tf.io.is_jpeg(encoded) & tf.equal(
        tf.strings.substr(encoded, tf.maximum(tf.strings.length(encoded) - 2, 0), 2), b"\xff\xd9"
    )
    is_part = is_complete & tf.reduce_any(stop - start < size)
    image, corner = tf.cond(is_part, part, whole)
    (top, left), (bottom, right) = tf.unstack(first - corner, num=2), tf.unstack(last - corner, num=2)
    return tf.ensure_shape(image[top:bottom, left:right], [None, None, 3])


def resize_image(image: Tensor, size: Sequence[int]) -> Tensor:
    """Squash an image to a size: bilinear, half-pixel centres, no antialias; aspect is not kept.

    Args:
      image: uint8 or float [..., height, width, channels].
      size: (height, width) in pixels.

    Returns:
      float32 [..., size[0], size[1], channels].
    """
    return tf.image.resize(tf.cast(image, tf.float32), list(size), method="bilinear", antialias=False)


def resize_canvas(image: Tensor, canvas: Tensor, size: Sequence[int], fill: Sequence[float]) -> Tensor:
    """Resize a canvas with images on it, in the arithmetic of `resize_image`.

    Args:
      image: uint8 or float [..., height, width, channels].
      canvas: int32 [4] (top, left, bottom, right) in pixels of the image; may reach beyond it.
      size: (height, width) in pixels.
      fill: value of each channel where the canvas shows no image.

    Returns:
      float32 [..., size[0], size[1], channels].
    """
    rows, columns = (
        _look(canvas[axis], canvas[axis + 2], size[axis], tf.shape(image)[axis - 3]) for axis in (0, 1)
    )
    # Whole rows are copied first. [..., 2 size[0], 2 size[1], channels], lower before upper pixels.
    values = tf.gather(tf.gather(image, rows.taps, axis=-3), columns.taps, axis=-2)
    inside = rows.inside[:, tf.newaxis] & columns.inside
    values = tf.where(inside[..., tf.newaxis], tf.cast(values, tf.float32), tf.constant(fill, tf.float32))
    left, right = tf.split(values, 2, axis=-2)
    upper, lower = tf.split(left + (right - left) * columns.weight[:, tf.newaxis], 2, axis=-3)
    return upper + (lower - upper) * rows.weight[:, tf.newaxis, tf.newaxis]


class _Looked(NamedTuple):
    """What the pixels of one axis of a resized canvas are interpolated from.

    Attributes:
      taps: int32 [2 pixels] in the image: of all pixels the one before it, then the one after it.
      inside: bool [2 pixels], whether that is in the image, and not only the nearest that is.
      weight: float32 [pixels], of the one after it.
    """

    taps: Tensor
    inside: Tensor
    weight: Tensor


def _look(first: Tensor, last: Tensor, pixels: int, available: Tensor) -> _Looked:
    scale = tf.cast(last - first, tf.float32) / np.float32(pixels)
    at = np.arange(pixels, dtype=np.float32) + np.float32(0.5)
    at = at * scale - 0.5
    before = tf.floor(at)
    lower = tf.maximum(tf.cast(before, tf.int32), 0)
    upper = tf.minimum(tf.cast(tf.math.ceil(at), tf.int32), last - first - 1)
    wanted = tf.concat([lower, upper], axis=0) + first
    taps = tf.clip_by_value(wanted, 0, available - 1)
    return _Looked(taps, tf.equal(taps, wanted), at - before)


def combine_channels(
    combine: Callable[[Tensor, Tensor], Tensor], image: Tensor, values: Sequence[float]
) -> Tensor:
    """Combine each channel of an image with a value of its own.

    The values are broadcast over whole rows of pixels: over an axis of three numbers TensorFlow is four times
    slower.

    Args:
      combine: an elementwise function of two tensors.
      image: float32 [..., width, channels].
      values: one for each channel.

    Returns:
      float32, of the image's shape.
    """
    width = image.shape[-2]
    if width is None:
        row = tf.tile(tf.constant(list(values), tf.float32), [tf.shape(image)[-2]])
    else:
        row = tf.constant(list(values) * width, tf.float32)
    shape = tf.shape(image)
    rows = tf.reshape(image, tf.concat([shape[:-2], tf.shape(row)], axis=0))  # [..., width channels]
    return tf.ensure_shape(tf.reshape(combine(rows, row), shape), image.shape)


def normalize_image(image: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Compute (pixel - mean) / std for each channel, pixels 0..255 RGB, float32 [..., 3]."""
    centered = combine_channels(tf.subtract, tf.cast(image, tf.float32), mean)
    return combine_channels(tf.divide, centered, std)


def preprocess_image(
    image: Tensor, output_size: Sequence[int], mean: Sequence[float], std: Sequence[float]
) -> Tensor:
    """Make the network input of an image.

    Args:
      image: uint8 or float [..., height, width, 3] RGB, 0..255.
      output_size: (height, width) of the network input in pixels.
      mean: of each channel, RGB, 0..255.
      std: of each channel, RGB, 0..255.

    Returns:
      float32 [..., output height, output width, 3].
    """
    return normalize_image(resize_image(image, output_size), mean, std)
