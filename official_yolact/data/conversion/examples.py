"""One image and its annotations into a record of Model Garden's schema."""

from __future__ import annotations

import collections
import dataclasses
import os
from typing import Any

import cv2
import numpy as np

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import box_forms
from official_yolact.coco import other_formats
from official_yolact.coco import segmentations
from official_yolact.coco import spellings
from official_yolact.coco import twins
from official_yolact.data.conversion import convert_options
from official_yolact.data.conversion import tally as tally_lib
from official_yolact.images import image_files
from official_yolact.records import mask_planes
from official_yolact.records import record_file
from official_yolact_runtime import run_lengths
from official_yolact_runtime import values


@dataclasses.dataclass(frozen=True)
class Instance:
    """An annotation as it is written.

    Attributes:
      annotation: the source.
      category_id: of the class that is written.
      is_crowd: whether it is written as a region of many objects.
      box: (x, y, width, height) in pixels, inside the image.
      area: in square pixels.
      segmentation: checked.
      mask: PNG of the full image size, one channel, 0 and 1.
    """

    annotation: coco_annotations.Annotation
    category_id: int
    is_crowd: bool
    box: coco_annotations.Box
    area: float
    segmentation: segmentations.Polygons | run_lengths.Rle
    mask: bytes


class InstanceMaker:
    """Checks and rasterizes annotations, as the options of a conversion say."""

    def __init__(self, path: str, options: convert_options.ConvertOptions, id_map: dict[int, int]) -> None:
        """Keep the annotation file's name for messages, the options, and their map of category ids."""
        self._path, self._options, self._id_map = path, options, id_map

    def make(
        self,
        annotations: list[coco_annotations.Annotation],
        height: int,
        width: int,
        tally: tally_lib.Tally,
        planes: mask_planes.Planes,
    ) -> list[Instance]:
        """Check and rasterize the annotations of an image.

        Args:
          annotations: of one image.
          height: of the image in pixels.
          width: of the image in pixels.
          tally: counts what is left out or changed.
          planes: of the image; the mask of each instance is added.

        Returns:
          Those that have a box and a mask of more than no area.

        Raises:
          ValueError: a segmentation is missing or cannot be drawn, and the options do not skip it.
        """
        instances = []
        for annotation in annotations:
            reason: str | Instance | None
            try:
                reason = self._refuse(annotation) or self._make_one(annotation, height, width, tally, planes)
            except ValueError:
                if self._options.bad_annotations == "error":
                    raise
                reason = "bad_annotation"
            if isinstance(reason, Instance):
                instances.append(reason)
            else:
                tally.skip_annotation(reason, annotation.id)
        return instances

    def _refuse(self, annotation: coco_annotations.Annotation) -> str | None:
        if annotation.category_id not in self._id_map:
            return "class_not_wanted"
        if annotation.is_crowd and self._options.crowd == "drop":
            return "crowd"
        if not segmentations.has_mask(annotation.segmentation) and self._options.missing_masks == "skip":
            return "no_segmentation"
        return None

    def _make_one(
        self,
        annotation: coco_annotations.Annotation,
        height: int,
        width: int,
        tally: tally_lib.Tally,
        planes: mask_planes.Planes,
    ) -> Instance | str:
        where = f"{self._path}: annotation {annotation.id}"
        changes: collections.Counter[str] = collections.Counter()
        given = self._segmentation_of(annotation, height, width, changes, where)
        segmentation, dropped = segmentations.clean_segmentation(given, height, width, where)
        changes["polygon_parts_dropped"] += dropped
        changes["polygons_written_as_coco_does"] += (
            isinstance(given, list) and spellings.as_coco(given) != given
        )
        mask = segmentations.rasterize(segmentation, height, width)
        mask_area = int(mask.sum())
        if not mask_area:
            tally.changed["polygon_parts_dropped"] += dropped
            return "mask_without_area"
        box = annotation.box or segmentations.tight_box(mask)
        if annotation.box is not None and given is annotation.segmentation:
            box = self._choose_box(annotation.box, segmentation, height, width, tally)
        clipped = clip_box(box, height, width)
        # Stored as float32 fractions: a sliver can lose its area there.
        if min(clipped[2:]) <= 0 or not _has_area_as_stored(clipped, height, width):
            return "box_without_area"
        changes["boxes_clipped"] += clipped != box
        changes["boxes_from_masks"] += annotation.box is None
        area = annotation.area
        if self._options.recompute_area or area is None or not 0 < area <= height * width:
            changes["areas_from_masks"] += area != mask_area
            area = float(mask_area)
        is_crowd = annotation.is_crowd and self._options.crowd != "as-instance"
        changes["crowds_as_instances"] += annotation.is_crowd and not is_crowd
        tally.changed.update(changes)
        planes.add(mask)
        _, png = cv2.imencode(".png", mask)
        category_id = self._id_map[annotation.category_id]
        return Instance(annotation, category_id, is_crowd, clipped, area, segmentation, png.tobytes())

    def _choose_box(
        self,
        box: coco_annotations.Box,
        segmentation: segmentations.Polygons | run_lengths.Rle,
        height: int,
        width: int,
        tally: tally_lib.Tally,
    ) -> coco_annotations.Box:
        """Choose the box of the file or, where the two disagree and the options say so, that of the mask."""
        of_mask = box_forms.find_box_of_mask(box, segmentation, height, width)
        if of_mask is None:
            return box
        tally.seen.add_wrong_box(box, of_mask, height, width)
        if self._options.boxes == "file":
            return box
        tally.changed["wrong_boxes_replaced"] += 1
        return of_mask

    def _segmentation_of(
        self,
        annotation: coco_annotations.Annotation,
        height: int,
        width: int,
        changes: collections.Counter[str],
        where: str,
    ) -> Any:
        if segmentations.has_mask(annotation.segmentation):
            return annotation.segmentation
        if self._options.missing_masks == "error":
            other_formats.refuse(self._path)
            raise ValueError(
                f"{where}: segmentation is {values.shorten(annotation.segmentation)}: instance"
                " segmentation needs polygons or a run-length code: draw the mask, or choose --missing-masks"
                " skip or box"
            )
        if annotation.box is None:
            raise ValueError(f"{where}: segmentation and bbox are missing: nothing says where it is")
        changes["masks_from_boxes"] += 1
        x, y, box_width, box_height = clip_box(annotation.box, height, width)
        if min(box_width, box_height) <= 0:
            return [[0.0] * 6]
        right, bottom = x + box_width, y + box_height
        return [[x, y, right, y, right, bottom, x, bottom]]


def _has_area_as_stored(box: coco_annotations.Box, height: int, width: int) -> bool:
    x, y, box_width, box_height = box
    edges = np.array([x / width, (x + box_width) / width, y / height, (y + box_height) / height], np.float32)
    return bool(edges[0] < edges[1] and edges[2] < edges[3])


def clip_box(box: coco_annotations.Box, height: int, width: int) -> coco_annotations.Box:
    """Cut a box (x, y, width, height) in pixels to the image; a box that fits comes back unchanged."""
    x, y, box_width, box_height = box
    if x >= 0 and y >= 0 and x + box_width <= width and y + box_height <= height:
        return box
    left, top = max(x, 0.0), max(y, 0.0)
    return left, top, min(x + box_width, width) - left, min(y + box_height, height) - top


def note_objects(instances: list[Instance], height: int, width: int, tally: tally_lib.Tally) -> None:
    """Note the objects of an image of some size, and which of them are the same object."""
    boxes = box_forms.to_corners([instance.box for instance in instances])
    boxes[[instance.is_crowd for instance in instances]] = np.nan
    objects = twins.Objects(
        np.zeros(len(instances), np.int64),
        boxes,
        [instance.segmentation for instance in instances],
        np.tile([float(height), float(width)], (len(instances), 1)),
    )
    ids = [instance.annotation.id for instance in instances]
    tally.seen.add_objects(ids, [instance.category_id for instance in instances], objects)


def make_record(
    image: coco_annotations.Image,
    encoded: image_files.EncodedImage,
    digest: str,
    instances: list[Instance],
    planes: bytes,
    class_of: dict[int, int],
    name_of: dict[int, str],
) -> bytes:
    """Serialize a `tf.train.Example` with Model Garden's keys.

    Args:
      image: its id and file name.
      encoded: its bytes, format and size.
      digest: sha256 of the bytes, in hexadecimal digits.
      instances: of this image, perhaps none.
      planes: of their masks; empty for none.
      class_of: category id to class, from 1.
      name_of: category id to name.

    Returns:
      The serialized example: boxes as fractions of the image, `label` the contiguous class.
    """
    height, width = encoded.height, encoded.width
    boxes = [instance.box for instance in instances]
    category_ids = [instance.category_id for instance in instances]
    ints = {
        "image/height": [height],
        "image/width": [width],
        "image/object/class/label": [class_of[category_id] for category_id in category_ids],
        "image/object/is_crowd": [int(instance.is_crowd) for instance in instances],
    }
    floats = {
        "image/object/bbox/xmin": [x / width for x, _, _, _ in boxes],
        "image/object/bbox/xmax": [min(1.0, (x + w) / width) for x, _, w, _ in boxes],
        "image/object/bbox/ymin": [y / height for _, y, _, _ in boxes],
        "image/object/bbox/ymax": [min(1.0, (y + h) / height) for _, y, _, h in boxes],
        "image/object/area": [instance.area for instance in instances],
    }
    strings = {
        "image/filename": [os.fsencode(image.file_name)],
        "image/source_id": [str(image.id).encode()],
        "image/key/sha256": [digest.encode()],
        "image/encoded": [encoded.data],
        "image/format": [encoded.format.encode()],
        "image/object/class/text": [name_of[category_id].encode() for category_id in category_ids],
        "image/object/mask": [instance.mask for instance in instances],
    }
    if planes:
        strings["image/object/mask_planes"] = [planes]
    return record_file.serialize_example(ints, floats, strings)
