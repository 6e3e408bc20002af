"""One image and its annotations into a record of Model Garden's schema."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import os
from typing import Any

import cv2

from official_yolact.data import coco_json
from official_yolact.data import image_files
from official_yolact.data import rasterize


@dataclasses.dataclass(frozen=True)
class Instance:
    """An annotation as it is written.

    Attributes:
      annotation: the source.
      box: (x, y, width, height) in pixels, inside the image.
      area: in square pixels.
      segmentation: checked.
      mask: PNG of the full image size, one channel, 0 and 1.
    """

    annotation: coco_json.Annotation
    box: coco_json.Box
    area: float
    segmentation: rasterize.Polygons | rasterize.Rle
    mask: bytes


def make_instances(
    annotations: list[coco_json.Annotation],
    height: int,
    width: int,
    path: str,
    *,
    skipped: collections.Counter[str],
    changed: collections.Counter[str],
) -> list[Instance]:
    """Check and rasterize the annotations of an image.

    Args:
      annotations: of one image.
      height: of the image in pixels.
      width: of the image in pixels.
      path: of the annotation file, for messages.
      skipped: counts, by reason, annotations that are left out.
      changed: counts, by kind, what is written otherwise than it is given.

    Returns:
      Those that have a box and a mask of more than no area.

    Raises:
      ValueError: a segmentation cannot be drawn.
    """
    instances = []
    for annotation in annotations:
        where = f"{path}: annotation {annotation.id}"
        segmentation, dropped = rasterize.clean_segmentation(annotation.segmentation, height, width, where)
        changed["polygon_parts_dropped"] += dropped
        mask = rasterize.rasterize(segmentation, height, width)
        mask_area = int(mask.sum())
        if not mask_area:
            skipped["mask_without_area"] += 1
            continue
        box = annotation.box or rasterize.tight_box(mask)
        clipped = clip_box(box, height, width)
        if min(clipped[2:]) <= 0:
            skipped["box_without_area"] += 1
            continue
        changed["boxes_clipped"] += clipped != box
        changed["boxes_from_masks"] += annotation.box is None
        has_area = annotation.area is not None and annotation.area > 0
        changed["areas_from_masks"] += not has_area
        area = annotation.area if annotation.area is not None and has_area else float(mask_area)
        _, png = cv2.imencode(".png", mask)
        instances.append(Instance(annotation, clipped, area, segmentation, png.tobytes()))
    return instances


def clip_box(box: coco_json.Box, height: int, width: int) -> coco_json.Box:
    """Cut a box (x, y, width, height) in pixels to the image; a box that fits comes back unchanged."""
    x, y, box_width, box_height = box
    if x >= 0 and y >= 0 and x + box_width <= width and y + box_height <= height:
        return box
    left, top = max(x, 0.0), max(y, 0.0)
    return left, top, min(x + box_width, width) - left, min(y + box_height, height) - top


def make_record(
    image: coco_json.Image,
    encoded: image_files.EncodedImage,
    instances: list[Instance],
    class_of: dict[int, int],
    name_of: dict[int, str],
) -> bytes:
    """Serialize a `tf.train.Example` with Model Garden's keys.

    Args:
      image: gives id and file name.
      encoded: gives bytes, format and size.
      instances: of this image, perhaps none.
      class_of: category id to class, from 1.
      name_of: category id to name.

    Returns:
      The serialized example: boxes as fractions of the image, `label` the contiguous class.
    """
    height, width = encoded.height, encoded.width
    boxes = [instance.box for instance in instances]
    category_ids = [instance.annotation.category_id for instance in instances]
    features = {
        "image/height": _ints([height]),
        "image/width": _ints([width]),
        "image/filename": _bytes([os.fsencode(image.file_name)]),
        "image/source_id": _bytes([str(image.id).encode()]),
        "image/key/sha256": _bytes([hashlib.sha256(encoded.data).hexdigest().encode()]),
        "image/encoded": _bytes([encoded.data]),
        "image/format": _bytes([encoded.format.encode()]),
        "image/object/bbox/xmin": _floats([x / width for x, _, _, _ in boxes]),
        "image/object/bbox/xmax": _floats([(x + w) / width for x, _, w, _ in boxes]),
        "image/object/bbox/ymin": _floats([y / height for _, y, _, _ in boxes]),
        "image/object/bbox/ymax": _floats([(y + h) / height for _, y, _, h in boxes]),
        "image/object/class/text": _bytes([name_of[category_id].encode() for category_id in category_ids]),
        "image/object/class/label": _ints([class_of[category_id] for category_id in category_ids]),
        "image/object/is_crowd": _ints([int(instance.annotation.is_crowd) for instance in instances]),
        "image/object/area": _floats([instance.area for instance in instances]),
        "image/object/mask": _bytes([instance.mask for instance in instances]),
    }
    import tensorflow as tf  # noqa: PLC0415  reading annotations and the command line need no TensorFlow

    example = tf.train.Example(features=tf.train.Features(feature=features))
    # Maps have no order of their own: equal content must give equal bytes.
    data: bytes = example.SerializeToString(deterministic=True)
    return data


def _ints(values: list[int]) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: list[float]) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(values: list[bytes]) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
