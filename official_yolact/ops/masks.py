"""Masks: assembled from prototypes, cropped, resampled."""

from __future__ import annotations

import tensorflow as tf

from official_yolact.schema import Tensor


def assemble_masks(prototypes: Tensor, coefficients: Tensor) -> Tensor:
    """Combine the prototypes of an image linearly, once for each detection.

    Args:
      prototypes: float [B, h, w, K] after ReLU.
      coefficients: float [B, D, K] after tanh.

    Returns:
      float [B, D, h, w] logits.
    """
    height, width, num_prototypes = prototypes.shape[1:]
    flat = tf.reshape(prototypes, [-1, height * width, num_prototypes])
    logits = tf.matmul(coefficients, flat, transpose_b=True)
    return tf.reshape(logits, [-1, coefficients.shape[1], height, width])


def crop_windows(boxes_norm: Tensor, height: int, width: int, padding: float = 1.0) -> Tensor:
    """Mark the grid cells that a box keeps.

    Column c is kept where x1·width - padding <= c < x2·width + padding, and rows alike.

    Args:
      boxes_norm: float [..., 4] yxyx_norm; swapped corners are put in order.
      height: rows of the grid.
      width: columns of the grid.
      padding: cells added on every side.

    Returns:
      bool [..., height, width].

    Source: the original; whole cells are compared with the box's corners in float.
    """
    y1, x1, y2, x2 = (side[..., tf.newaxis] for side in tf.unstack(boxes_norm, axis=-1))
    rows = _kept_cells(y1, y2, height, padding)
    columns = _kept_cells(x1, x2, width, padding)
    return tf.logical_and(rows[..., :, tf.newaxis], columns[..., tf.newaxis, :])


def upsample_masks(masks: Tensor, height: Tensor, width: Tensor, threshold: float = 0.5) -> Tensor:
    """Resample soft masks to an image and binarise them, one mask at a time.

    Args:
      masks: float [D, h, w] probabilities.
      height: rows of the image.
      width: columns of the image.
      threshold: a pixel belongs to the object when its probability is above it.

    Returns:
      bool [D, height, width]; D may be 0.
    """

    def upsample(mask: Tensor) -> Tensor:
        # A float mask of the whole image exists once, not D times.
        return tf.image.resize(mask[..., tf.newaxis], [height, width])[..., 0] > threshold

    upsampled = tf.map_fn(upsample, masks, fn_output_signature=tf.bool, parallel_iterations=2)
    return tf.reshape(upsampled, [tf.shape(masks)[0], height, width])  # Of no masks map_fn gives [0].


def downsample_masks(masks: Tensor, height: int, width: int) -> Tensor:
    """Resample binary masks to a grid: bilinear without antialiasing, then above one half.

    Args:
      masks: bool or number [..., H, W]; leading dimensions may be 0.
      height: rows of the grid.
      width: columns of the grid.

    Returns:
      bool [..., height, width].
    """
    shape = tf.shape(masks)
    flat = tf.reshape(masks, tf.concat([[-1], shape[-2:], [1]], axis=0))
    resized = tf.image.resize(tf.cast(flat, tf.float32), [height, width])
    small = tf.reshape(resized > 0.5, tf.concat([shape[:-2], [height, width]], axis=0))
    small.set_shape([*masks.shape[:-2], height, width])
    return small


def _kept_cells(start: Tensor, end: Tensor, size: int, padding: float) -> Tensor:
    cells = tf.range(size, dtype=tf.float32)
    low = tf.maximum(tf.minimum(start, end) * size - padding, 0.0)
    high = tf.minimum(tf.maximum(start, end) * size + padding, float(size))
    return tf.logical_and(cells >= low, cells < high)
