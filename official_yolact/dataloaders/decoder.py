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


def _several(dtype: Tensor) -> Tensor:
    empty = "" if dtype == tf.string else 0
    return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True, default_value=empty)


_BOX_KEYS = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))
_FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/source_id": tf.io.FixedLenFeature([], tf.string),
    "image/object/class/label": _several(tf.int64),
    "image/object/is_crowd": _several(tf.int64),
    "image/object/mask": _several(tf.string),
    **{key: _several(tf.float32) for key in _BOX_KEYS},
}


def decode_record(serialized: Tensor, num_classes: int) -> Record:
    """Decode a record in Model Garden's schema.

    Args:
      serialized: string scalar, a `tf.train.Example`.
      num_classes: C, with the background.

    Returns:
      The tensors; a record without `image/object/is_crowd` has no crowds.

    Raises:
      tf.errors.OpError: not an example, a field missing, lists of unequal length, a class out of
        1..C-1, a box that is not finite, or an unreadable image.
    """
    fields = tf.io.parse_single_example(serialized, _FEATURES)
    classes = fields["image/object/class/label"]
    count = tf.shape(classes)
    crowd = fields["image/object/is_crowd"]
    crowd = tf.cond(tf.equal(tf.size(crowd), 0), lambda: tf.zeros(count, tf.int64), lambda: crowd)
    lists = {key: fields[key] for key in (*_BOX_KEYS, "image/object/mask")}
    lists["image/object/is_crowd"] = crowd
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
        is_crowd=crowd > 0,
        masks=fields["image/object/mask"],
    )


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
    # Width and height in the header of a PNG: nothing larger than the image is ever decoded.
    claimed = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)
    check = tf.debugging.assert_equal(claimed, size[::-1], message="mask and image differ in size")
    with tf.control_dependencies([] if check is None else [check]):
        encoded = tf.identity(encoded)
    return tf.io.decode_png(encoded, channels=1)[:, :, 0]
