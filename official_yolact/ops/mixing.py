"""Photos joined in one: pixels and planes of masks shown on a canvas, and what remains visible of the masks.

A plane is a uint8 image whose eight bits are eight masks, as in `mask_planes`: P planes hold 8 P masks.
"""

from __future__ import annotations

import tensorflow as tf

from official_yolact.ops import mask_planes
from official_yolact.schema import Tensor

_BITS = tuple(2**bit for bit in range(mask_planes.MASKS))


def show_pixels(image: Tensor, window: Tensor, size: Tensor, turned: Tensor) -> Tensor:
    """Show a window of an image on a canvas.

    Args:
      image: uint8 [h, w, 3].
      window: int32 [4] in pixels of the image; may reach beyond it.
      size: int32 [2], (height, width) of the canvas.
      turned: bool [2], whether the canvas shows the window upside down, and mirrored.

    Returns:
      uint8 [*size, 3]: bilinear, half-pixel centres, no antialias; 0 where there is no image. The pixels
      themselves where nothing is resized.
    """
    # One pixel more on each side repeats the border, where half a pixel is asked for beyond it.
    padded = tf.pad(image, [[1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    extent, outputs = tf.cast(window[2:] - window[:2], tf.float32), tf.cast(size, tf.float32)
    first = tf.cast(window[:2], tf.float32) + 0.5  # of the padded image: one more, less half a pixel
    near, far = first + extent * (0.5 / outputs), first + extent * (1.0 - 0.5 / outputs)
    ends = tf.stack([tf.where(turned, far, near), tf.where(turned, near, far)])  # [2, 2]
    box = tf.reshape(ends / tf.cast(tf.shape(padded)[:2] - 1, tf.float32), [1, 4])
    shown = tf.image.crop_and_resize(padded[tf.newaxis], box, [0], size)[0]
    return tf.cast(tf.round(shown), tf.uint8)


def show_planes(planes: Tensor, window: Tensor, size: Tensor, turned: Tensor) -> Tensor:
    """Show a window of masks on a canvas.

    Args:
      planes: uint8 [P, h, w].
      window: int32 [4] in pixels of the image; may reach beyond it.
      size: int32 [2], (height, width) of the canvas.
      turned: bool [2], whether the canvas shows the window upside down, and mirrored.

    Returns:
      uint8 [P, *size]: the pixel that the centre of each pixel of the canvas lies in; 0 beyond the image.
    """
    shape = tf.shape(planes)
    for axis in (0, 1):
        count, first, extent = size[axis], window[axis], window[2 + axis] - window[axis]
        index = tf.range(count)
        index = tf.where(turned[axis], count - 1 - index, index)
        # In whole numbers: (2 i + 1) extent / (2 count), rounded down.
        at = tf.cast(2 * index + 1, tf.int64) * tf.cast(extent, tf.int64) // tf.cast(2 * count, tf.int64)
        at = tf.cast(at, tf.int32) + first
        last = shape[1 + axis] - 1
        inside = tf.cast((at >= 0) & (at <= last), tf.uint8)
        planes = tf.gather(planes, tf.clip_by_value(at, 0, last), axis=1) * inside[:, tf.newaxis]
        # The columns become rows, since whole rows are copied and single bytes are slow; and rows again.
        planes = tf.transpose(planes, [0, 2, 1])
    return planes


def choose_masks(planes: Tensor, chosen: Tensor) -> Tensor:
    """Clear all masks but those that are chosen, bool [8 P], in uint8 [P, h, w]."""
    bits = tf.reshape(tf.cast(chosen, tf.int32), [-1, mask_planes.MASKS]) * _BITS
    members = tf.cast(tf.reduce_sum(bits, axis=1), tf.uint8)  # [P]
    return planes & members[:, tf.newaxis, tf.newaxis]


def find_extents(planes: Tensor) -> Tensor:
    """Find the smallest box around each mask.

    Args:
      planes: uint8 [P, h, w].

    Returns:
      float32 [8 P, 4] yxyx in pixels; zeros for a mask without pixels.
    """
    ends = []
    for axis in (1, 2):
        used = _unite(planes, 3 - axis)  # [P, h] or [P, w]
        bits = used[:, tf.newaxis] & tf.constant(_BITS, tf.uint8)[:, tf.newaxis]  # [P, 8, h] or [P, 8, w]
        seen = tf.reshape(tf.cast(bits > 0, tf.uint8), [-1, tf.shape(used)[1]])  # [8 P, h] or [8 P, w]
        first = tf.argmax(seen, axis=1, output_type=tf.int32)
        last = tf.shape(seen)[1] - tf.argmax(seen[:, ::-1], axis=1, output_type=tf.int32)
        some = tf.cast(tf.reduce_max(seen, axis=1), tf.int32)  # [8 P]
        ends.append((first * some, last * some))
    (top, bottom), (left, right) = ends
    return tf.cast(tf.stack([top, left, bottom, right], axis=1), tf.float32)


def _unite(planes: Tensor, axis: int) -> Tensor:
    """Unite uint8 [P, h, w] along an axis, bit by bit: half of it is laid on the other half, and so on."""

    def halve(united: Tensor) -> tuple[Tensor]:
        shape = tf.unstack(tf.shape(united), num=3)
        half = (shape[axis] + 1) // 2
        begin, sides = [0, 0, 0], list(shape)
        begin[axis], sides[axis] = shape[axis] - half, half
        return (tf.slice(united, [0, 0, 0], sides) | tf.slice(united, begin, sides),)

    united = tf.while_loop(
        lambda united: tf.shape(united)[axis] > 1,
        halve,
        (planes,),
        shape_invariants=(tf.TensorShape([None, None, None]),),
    )[0]
    return tf.squeeze(united, axis=axis)


def count_pixels(planes: Tensor) -> Tensor:
    """Count the pixels of each mask of uint8 [P, h, w]: int32 [8 P]."""
    flat = tf.reshape(planes, [tf.shape(planes)[0], -1])
    # [P, 256]: how often each byte occurs, and of that each bit.
    counts = tf.math.bincount(tf.cast(flat, tf.int32), minlength=256, maxlength=256, axis=-1)
    has_bit = [[value >> bit & 1 for bit in range(mask_planes.MASKS)] for value in range(256)]
    return tf.reshape(tf.matmul(counts, tf.constant(has_bit, tf.int32)), [-1])
