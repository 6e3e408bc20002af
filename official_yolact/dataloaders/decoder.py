"""From a serialized record to its tensors; anything wrong with it is an error of the record."""

from __future__ import annotations

from typing import TypedDict

import tensorflow as tf

from official_yolact.ops import preprocess
from official_yolact.schema import Tensor


class Record(TypedDict):
    """One decoded record of M instances."""

    image: Tensor  # uint8 [height, width, 3] RGB
    image_id: Tensor  # int64 []
    boxes: Tensor  # float32 [M, 4] yxyx_norm, as stored: may pass the border
    classes: Tensor  # int32 [M] 1..C-1
    is_crowd: Tensor  # bool [M]
    masks: Tensor  # string [M] PNG files of the image's size, 0 where the instance is not
    cuts: Tensor  # string [M] PNG files of what the masks hold; empty where the record has none
    corners: Tensor  # int32 [M, 2] row and column of the cuts in the image


def _several(dtype: Tensor) -> Tensor:
    empty = "" if dtype == tf.string else 0
    return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True, default_value=empty)


_BOX_KEYS = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))
_CUT_KEY = "image/object/mask_cut"
_CORNER_KEYS = tuple(f"{_CUT_KEY}/{side}" for side in ("top", "left"))
_FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/source_id": tf.io.FixedLenFeature([], tf.string),
    "image/object/class/label": _several(tf.int64),
    "image/object/is_crowd": _several(tf.int64),
    "image/object/mask": _several(tf.string),
    _CUT_KEY: _several(tf.string),
    **{key: _several(tf.int64) for key in _CORNER_KEYS},
    **{key: _several(tf.float32) for key in _BOX_KEYS},
}

_OPTIONAL: dict[str, int | str] = {"image/object/is_crowd": 0, _CUT_KEY: "", **dict.fromkeys(_CORNER_KEYS, 0)}
"""What stands for each instance where a whole list is missing."""


def decode_record(serialized: Tensor, num_classes: int) -> Record:
    """Decode a record in Model Garden's schema.

    Args:
      serialized: string scalar, a `tf.train.Example`.
      num_classes: C, with the background.

    Returns:
      The tensors; a record without `image/object/is_crowd` has no crowds, and Model Garden's own
      records have no cut masks.

    Raises:
      tf.errors.OpError: not an example, a field missing, lists of unequal length, a class out of
        1..C-1, a box that is not finite, or an unreadable image.
    """
    fields = tf.io.parse_single_example(serialized, _FEATURES)
    classes = fields["image/object/class/label"]
    count = tf.shape(classes)
    lists = {key: fields[key] for key in (*_BOX_KEYS, "image/object/mask")}
    lists.update({key: _fill_missing(fields[key], count, value) for key, value in _OPTIONAL.items()})
    checks = [
        tf.debugging.assert_equal(tf.shape(values), count, message=f"{key}: not one for each instance")
        for key, values in lists.items()
    ]
    boxes = tf.stack([lists[key] for key in _BOX_KEYS], axis=-1)
    checks.append(tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(boxes)), ["box not finite", boxes]))
    in_range = tf.reduce_all((classes >= 1) & (classes < num_classes))
    checks.append(tf.debugging.Assert(in_range, [f"class not in 1..{num_classes - 1}", classes]))
    with tf.control_dependencies([check for check in checks if check is not None]):
        encoded = tf.identity(fields["image/encoded"])
    return Record(
        image=preprocess.decode_image(encoded),
        image_id=tf.strings.to_number(fields["image/source_id"], tf.int64),
        boxes=boxes,
        classes=tf.cast(classes, tf.int32),
        is_crowd=lists["image/object/is_crowd"] > 0,
        masks=fields["image/object/mask"],
        cuts=lists[_CUT_KEY],
        corners=tf.cast(tf.stack([lists[key] for key in _CORNER_KEYS], axis=-1), tf.int32),
    )


def _fill_missing(values: Tensor, count: Tensor, value: int | str) -> Tensor:
    missing = tf.equal(tf.size(values), 0)
    return tf.cond(missing, lambda: tf.fill(count, tf.constant(value, values.dtype)), lambda: values)


def decode_mask(encoded: Tensor, size: Tensor) -> Tensor:
    """Decode the mask of an instance.

    Args:
      encoded: string scalar, a PNG file.
      size: int32 [2], (height, width) that it must have.

    Returns:
      uint8 [height, width], 0 where the instance is not.

    Raises:
      tf.errors.InvalidArgumentError: no PNG, or of another size.
    """
    check = tf.debugging.assert_equal(_claimed_size(encoded), size, message="mask and image differ in size")
    with tf.control_dependencies([] if check is None else [check]):
        encoded = tf.identity(encoded)
    return tf.io.decode_png(encoded, channels=1)[:, :, 0]


def decode_cut(encoded: Tensor, corner: Tensor, size: Tensor) -> Tensor:
    """Decode the part of a mask that holds anything.

    Args:
      encoded: string scalar, a PNG file.
      corner: int32 [2], row and column of the part in the image.
      size: int32 [2], (height, width) of the image, in which the part must lie.

    Returns:
      uint8 [h, w], 0 where the instance is not.

    Raises:
      tf.errors.InvalidArgumentError: no PNG, or it reaches beyond the image.
    """
    inside = tf.reduce_all((corner >= 0) & (_claimed_size(encoded) <= size - corner))
    check = tf.debugging.Assert(inside, ["cut mask reaches beyond the image"])
    with tf.control_dependencies([] if check is None else [check]):
        encoded = tf.identity(encoded)
    return tf.io.decode_png(encoded, channels=1)[:, :, 0]


def _claimed_size(encoded: Tensor) -> Tensor:
    """Read (height, width), int32 [2], in the header of a PNG: nothing larger is ever decoded."""
    claimed = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)
    return tf.ensure_shape(claimed, [2])[::-1]
