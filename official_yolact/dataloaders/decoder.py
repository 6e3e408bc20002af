"""From a serialized record to its tensors; anything wrong with it is an error of the record."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import tensorflow as tf

from official_yolact.ops import mask_planes
from official_yolact.ops import preprocess
from official_yolact.schema import Tensor


class Record(TypedDict):
    """One decoded record of M instances."""

    encoded: Tensor  # string [] image file, whose header has been looked at
    size: Tensor  # int32 [2] (height, width) of the image
    image_id: Tensor  # int64 []
    boxes: Tensor  # float32 [M, 4] yxyx_norm, as stored: may pass the border
    classes: Tensor  # int32 [M] 1..C-1
    is_crowd: Tensor  # bool [M]
    masks: Tensor  # string [M] PNG files of the image's size, 0 where the instance is not
    planes: Tensor  # string [] PNG file of the masks' planes; empty where the record has none
    pixels: NotRequired[Tensor]  # uint8 [height, width, 3], in place of the image file unless it is empty
    bits: NotRequired[Tensor]  # uint8 [P, height, width], likewise of the planes


def _several(dtype: Tensor) -> Tensor:
    empty = "" if dtype == tf.string else 0
    return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True, default_value=empty)


_BOX_KEYS = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))
_MASK_KEY = "image/object/mask"
_CROWD_KEY = "image/object/is_crowd"
_PLANES_KEY = "image/object/mask_planes"
_FEATURES = {
    "image/encoded": tf.io.FixedLenFeature([], tf.string),
    "image/source_id": tf.io.FixedLenFeature([], tf.string),
    "image/object/class/label": _several(tf.int64),
    _CROWD_KEY: _several(tf.int64),
    _MASK_KEY: _several(tf.string),
    _PLANES_KEY: tf.io.FixedLenFeature([], tf.string, default_value=""),
    **{key: _several(tf.float32) for key in _BOX_KEYS},
}


def decode_record(serialized: Tensor, num_classes: int) -> Record:
    """Decode a record in Model Garden's schema.

    Args:
      serialized: string scalar, a `tf.train.Example`.
      num_classes: C, with the background.

    Returns:
      The tensors, image and masks still encoded; a record without `image/object/is_crowd` has no
      crowds, and Model Garden's own records have no planes.

    Raises:
      tf.errors.OpError: not an example, a field missing, lists of unequal length, a class out of
        1..C-1, a box that is not finite, or no image of a size that is decoded.
    """
    fields = tf.io.parse_single_example(serialized, _FEATURES)
    classes = fields["image/object/class/label"]
    missing = tf.where(tf.equal(tf.size(fields[_CROWD_KEY]), 0), tf.size(classes), 0)
    is_crowd = tf.concat([fields[_CROWD_KEY], tf.zeros([missing], tf.int64)], axis=0)
    checks = [
        _check_lengths(
            {key: fields[key] for key in (*_BOX_KEYS, _MASK_KEY)} | {_CROWD_KEY: is_crowd}, classes
        ),
        preprocess.check(
            tf.reduce_all((classes >= 1) & (classes < num_classes)),
            f"class not in 1..{num_classes - 1}",
            classes,
        ),
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        boxes = tf.stack([fields[key] for key in _BOX_KEYS], axis=-1)
    finite = preprocess.check(tf.reduce_all(tf.math.is_finite(boxes)), "box not finite", boxes)
    with tf.control_dependencies([] if finite is None else [finite]):
        encoded, size = preprocess.check_image(fields["image/encoded"])
    return Record(
        encoded=encoded,
        size=size,
        image_id=tf.strings.to_number(fields["image/source_id"], tf.int64),
        boxes=boxes,
        classes=tf.cast(classes, tf.int32),
        is_crowd=is_crowd > 0,
        masks=fields[_MASK_KEY],
        planes=fields[_PLANES_KEY],
    )


def _check_lengths(lists: dict[str, Tensor], classes: Tensor) -> Tensor:
    lengths = tf.stack([tf.size(values) for values in lists.values()])
    equal = tf.reduce_all(tf.equal(lengths, tf.size(classes)))
    return preprocess.check(equal, f"not one for each instance: one of {', '.join(lists)}", lengths)


def decode_part(record: Record, first: Tensor, last: Tensor) -> Tensor:
    """Decode some rows and columns of the image, as `preprocess.decode_part` does, or cut a mixed one."""

    def decode() -> Tensor:
        return preprocess.decode_part(record["encoded"], record["size"], first, last)

    if "pixels" not in record:
        return decode()
    pixels = record["pixels"]
    part = tf.cond(tf.size(pixels) > 0, lambda: pixels[first[0] : last[0], first[1] : last[1]], decode)
    return tf.ensure_shape(part, [None, None, 3])


def has_planes(record: Record) -> Tensor:
    """Tell whether a record with instances has planes of their masks: a bool scalar."""
    found = tf.strings.length(record["planes"]) > 0
    if "bits" in record:
        found |= tf.size(record["bits"]) > 0
    return found & (tf.size(record["classes"]) > 0)


def read_planes(record: Record) -> Tensor:
    """Decode the planes of a record that has them, or of a mixed one: uint8 [P, height, width]."""

    def decode() -> Tensor:
        return decode_planes(record["planes"], tf.size(record["classes"]), record["size"])

    if "bits" not in record:
        return decode()
    bits = record["bits"]
    return tf.cond(tf.size(bits) > 0, lambda: bits, decode)


def decode_all_masks(record: Record) -> Tensor:
    """Decode the masks of a record as planes, however they are stored.

    Args:
      record: of M instances.

    Returns:
      uint8 [P, height, width], P the least number with 8 P >= M.

    Raises:
      tf.errors.InvalidArgumentError: a mask or the planes are no PNG, or of another size.
    """
    size, count = record["size"], tf.size(record["classes"])

    def stack_files() -> Tensor:
        missing = -count % mask_planes.MASKS
        groups = tf.reshape(tf.pad(record["masks"], [[0, missing]]), [-1, mask_planes.MASKS])

        def add(plane_and_bit: tuple[Tensor, Tensor], file: Tensor) -> tuple[Tensor, Tensor]:
            plane, bit = plane_and_bit
            # Behind the last mask the names of the files are empty.
            mask = tf.cond(
                tf.strings.length(file) > 0, lambda: decode_mask(file, size), lambda: tf.zeros(size, tf.uint8)
            )
            return plane | tf.where(mask > 0, bit, tf.constant(0, tf.uint8)), bit * 2

        def stack(files: Tensor) -> Tensor:
            return tf.foldl(add, files, (tf.zeros(size, tf.uint8), tf.constant(1, tf.uint8)))[0]

        return tf.map_fn(stack, groups, fn_output_signature=tf.TensorSpec([None, None], tf.uint8))

    # Without instances there are no groups, and of none the size is not known.
    def stack_some() -> Tensor:
        return tf.cond(count > 0, stack_files, lambda: tf.zeros([0, size[0], size[1]], tf.uint8))

    planes = tf.cond(has_planes(record), lambda: read_planes(record), stack_some)
    return tf.ensure_shape(planes, [None, None, None])


def decode_planes(encoded: Tensor, count: Tensor, size: Tensor) -> Tensor:
    """Decode the planes of all masks, eight masks a plane.

    Args:
      encoded: string scalar, a PNG file of the planes one below the other.
      count: int32 scalar, of the masks, at least 1.
      size: int32 [2], (height, width) of the image.

    Returns:
      uint8 [P, height, width]: bit b of plane p is mask 8 p + b.

    Raises:
      tf.errors.InvalidArgumentError: no PNG, or of another size.
    """
    planes = -(-count // mask_planes.MASKS)
    fits = tf.reduce_all(tf.equal(_claimed_size(encoded), size * tf.stack([planes, 1])))
    check = preprocess.check(fits, "planes of masks and image differ in size", size)
    with tf.control_dependencies([] if check is None else [check]):
        encoded = tf.identity(encoded)
    decoded = tf.io.decode_png(encoded, channels=1)
    return tf.ensure_shape(tf.reshape(decoded, tf.concat([[planes], size], axis=0)), [None, None, None])


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
    fits = tf.reduce_all(tf.equal(_claimed_size(encoded), size))
    check = preprocess.check(fits, "mask and image differ in size", size)
    with tf.control_dependencies([] if check is None else [check]):
        encoded = tf.identity(encoded)
    return tf.io.decode_png(encoded, channels=1)[:, :, 0]


def _claimed_size(encoded: Tensor) -> Tensor:
    """Read (height, width), int32 [2], in the header of a PNG: nothing larger is ever decoded."""
    claimed = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.int32, little_endian=False)
    return tf.ensure_shape(claimed, [2])[::-1]
