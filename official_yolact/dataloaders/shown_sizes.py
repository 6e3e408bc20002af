"""What the augmentation does to the sizes of objects, in numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import augment_settings
from official_yolact.dataloaders import drawn_windows
from official_yolact.ops import augment
from official_yolact.ops import windows
from official_yolact.schema import Tensor
from official_yolact_runtime import frames as runtime_frames

MAX_PHOTOS = 64
"""Of more, so many are measured, spread over the set."""

_DRAWS = 8


@dataclasses.dataclass(frozen=True)
class ShownSizes:
    """Objects in the input without augmentation, and in windows that it draws.

    Attributes:
      photos: that were measured.
      draws: windows that were drawn.
      before: median side in pixels of the input, the root of the box's area, without augmentation.
      after: the same in the windows, of the objects that are kept.
      dropped: share of the objects in drawn windows that are not trained on: their centre is outside, or
        they are too small.
      too_small: share that is too small, with its centre inside.
      shrunk: share of the windows that reach beyond the photo, so that fill is seen.
    """

    photos: int
    draws: int
    before: float
    after: float
    dropped: float
    too_small: float
    shrunk: float

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"objects: median {self.before:.0f} px in the input; after augmentation {self.after:.0f} px,"
            f" {self.dropped:.0%} dropped ({self.too_small:.0%} too small, the others outside of the window);"
            f" {self.shrunk:.0%} of the windows show the photo shrunk on grey"
        )


def measure(
    photos: Sequence[tuple[tuple[int, int], NDArray[np.float64]]],
    config: configs.Augment,
    input_size: Sequence[int],
    seed: int = 0,
    keep_aspect: bool = False,
) -> ShownSizes | None:
    """Draw windows of photos as a training does, and measure the objects in them.

    Args:
      photos: (height, width), and the boxes of the objects, [M, 4] yxyx in pixels of the photo.
      config: of the augmentation.
      input_size: (height, width) of the network input.
      seed: of the draws.
      keep_aspect: as the model's section has it.

    Returns:
      What it does to the objects; None where there are none.
    """
    filled = [(size, boxes) for size, boxes in photos if len(boxes)]
    if not filled:
        return None
    chosen = filled[:: -(-len(filled) // MAX_PHOTOS)]
    settings = augment_settings.resolve_augment(config, keep_aspect=keep_aspect)
    network = int(input_size[0]), int(input_size[1])
    show = tf.function(
        lambda size, boxes, draw: _show(settings, network, size, boxes, draw),
        input_signature=[
            tf.TensorSpec([2], tf.int32),
            tf.TensorSpec([None, 4], tf.float32),
            tf.TensorSpec([2], tf.int32),
        ],
    )
    before, after, kept, small, shrunk = [], [], [], [], []
    for number, (size, boxes) in enumerate(chosen):
        scale = runtime_frames.fit(size, network, keep_aspect)[2].astype(np.float64)
        before.append(np.sqrt(((boxes[:, 2:] - boxes[:, :2]) * scale).prod(axis=1)))
        for draw in range(_DRAWS):
            seeds = tf.constant([seed, number * _DRAWS + draw], tf.int32)
            sides, inside, large, is_shrunk = (
                part.numpy() for part in show(tf.constant(size), tf.constant(boxes, tf.float32), seeds)
            )
            after.append(sides[inside & large])
            kept.append(inside & large)
            small.append(inside & ~large)
            shrunk.append(bool(is_shrunk))
    sides_after = np.concatenate(after)
    return ShownSizes(
        photos=len(chosen),
        draws=len(shrunk),
        before=round(float(np.median(np.concatenate(before))), 1),
        after=round(float(np.median(sides_after)), 1) if len(sides_after) else 0.0,
        dropped=round(1 - float(np.mean(np.concatenate(kept))), 4),
        too_small=round(float(np.mean(np.concatenate(small))), 4),
        shrunk=round(float(np.mean(shrunk)), 4),
    )


def _show(
    settings: augment_settings.AugmentSettings,
    input_size: tuple[int, int],
    size: Tensor,
    boxes_px: Tensor,
    draw: Tensor,
) -> tuple[Tensor, ...]:
    """Draw a window: sides in the input [M], centres inside [M], large enough [M], whether fill is seen."""
    seeds = tf.unstack(tf.random.experimental.stateless_split(draw, 4), num=4)
    transpose = augment.draw_transpose(draw, settings.transpose)
    size = tf.where(transpose, size[::-1], size)
    boxes_px = tf.where(transpose, tf.gather(boxes_px, [1, 0, 3, 2], axis=-1), boxes_px)
    crowd = tf.zeros([tf.shape(boxes_px)[0]], tf.bool)
    window = drawn_windows.draw_window(settings, input_size, seeds, size, transpose, boxes_px, crowd)
    no = tf.constant(False)
    boxes = windows.transform_boxes(boxes_px, window, no, no)
    pixels = (boxes[:, 2:] - boxes[:, :2]) * tf.constant(input_size, tf.float32)
    large = tf.reduce_all(pixels > settings.min_box_side, axis=-1)
    has_fill = tf.reduce_any(window[:2] < 0) | tf.reduce_any(window[2:] > size)
    return tf.sqrt(tf.reduce_prod(pixels, axis=-1)), augment.centers_inside(boxes_px, window), large, has_fill
