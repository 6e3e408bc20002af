"""Ground truth of an evaluation: a COCO annotation file, checked and normalised."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from typing import Any

from pycocotools import mask as coco_mask

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import box_forms
from official_yolact.coco import inspection
from official_yolact.coco import other_formats
from official_yolact.coco import segmentations
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import run_lengths
from official_yolact_runtime.files import json_text

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class GroundTruth:
    """What detections are measured against.

    Attributes:
      path: where it comes from, for messages.
      images: image id -> its entry of the file.
      categories: the categories of the file.
      annotations: those of the images, with `id`, `image_id`, `category_id`, `bbox`, `area`,
        `iscrowd` and, where the file has one, `segmentation` as it is there. Ids count from 1:
        pycocotools takes an annotation with id 0 for none, and one of two equal ids for both.
    """

    path: str
    images: dict[int, dict[str, Any]]
    categories: categories_lib.Categories
    annotations: list[dict[str, Any]]

    @functools.cached_property
    def has_masks(self) -> bool:
        """Whether any annotation has a segmentation; True when there are no annotations."""
        return not self.annotations or any("segmentation" in a for a in self.annotations)

    @functools.cached_property
    def mask_annotations(self) -> list[dict[str, Any]]:
        """The annotations with checked and run-length encoded segmentations.

        Raises:
          ValueError: a segmentation is missing or malformed.
        """
        encoded = [self._encode(annotation) for annotation in self.annotations]
        _warn(self.path, sum(dropped for _, dropped in encoded), "polygon parts have fewer than 3 points")
        return [{**a, "segmentation": rle} for a, (rle, _) in zip(self.annotations, encoded, strict=True)]

    def describe(self) -> list[str]:
        """Say what is unusual about it, a sentence each."""
        images = [coco_annotations.Image(**image) for image in self.images.values()]
        held: dict[int, list[coco_annotations.Annotation]] = {image.id: [] for image in images}
        for one in self.annotations:
            held[one["image_id"]].append(
                coco_annotations.Annotation(
                    id=one["source_id"],
                    image_id=one["image_id"],
                    category_id=one["category_id"],
                    box=tuple(one["bbox"]),
                    segmentation=one.get("segmentation"),
                    is_crowd=bool(one["iscrowd"]),
                    area=one["area"],
                )
            )
        source = coco_annotations.CocoJson(self.path, "", images, held, self.categories, 0)
        _, notes = inspection.inspect(source, inspection.FILE_MEASURED, empty_classes=False)
        return notes if self.has_masks else ["no annotation has a mask: mask AP is not measured", *notes]

    def size(self, image_id: int) -> tuple[int, int]:
        """Look up the (height, width) of an image in pixels.

        Raises:
          ValueError: the file states none.
        """
        image = self.images[image_id]
        height, width = image["height"], image["width"]
        if height is None or width is None:
            raise ValueError(
                f"{self.path}: image {image_id} has height {height} and width {width}: "
                "masks need both, in pixels"
            )
        return height, width

    def check_size(self, image_id: int, height: int, width: int) -> None:
        """Refuse a picture of another size than the file states, where masks are measured.

        Raises:
          ValueError: the sizes differ.
        """
        if self.has_masks and self.size(image_id) != (height, width):
            stated = self.size(image_id)
            raise ValueError(
                f"{self.path}: image {image_id} has height {stated[0]} and width {stated[1]}, "
                f"but the picture has {height} and {width}: correct the file, or turn the picture upright"
            )

    def fill(self, annotation: coco_annotations.Annotation) -> dict[str, Any]:
        """Write an annotation as pycocotools reads it, with a box and an area.

        Raises:
          ValueError: it has neither box nor mask, or one that is needed cannot be used.
        """
        entry = {
            "source_id": annotation.id,
            "image_id": annotation.image_id,
            "category_id": annotation.category_id,
            "iscrowd": int(annotation.is_crowd),
            "bbox": None if annotation.box is None else list(annotation.box),
            "area": annotation.area,
        }
        if segmentations.has_mask(annotation.segmentation):
            entry["segmentation"] = annotation.segmentation
        if entry["bbox"] is None:
            if "segmentation" not in entry:
                raise ValueError(
                    f"{self.path}: annotation {annotation.id}: bbox is None and there is no segmentation: "
                    "nothing says where it is"
                )
            entry["bbox"] = [float(side) for side in coco_mask.toBbox(self._encode(entry)[0])]
        elif "segmentation" in entry and self._is_without_area(entry):
            entry["bbox"] = self._find_box_of_mask(entry) or entry["bbox"]
        if not self._is_possible_area(entry):
            entry["area"] = self._measure_area(entry)
        return entry

    def _is_without_area(self, entry: dict[str, Any]) -> bool:
        image = self.images[entry["image_id"]]
        height, width = image["height"], image["width"]
        return bool(height and width and not box_forms.has_area(entry["bbox"], height, width))

    def _find_box_of_mask(self, entry: dict[str, Any]) -> list[float] | None:
        """Find the box of a mask, by the rule of the conversion for boxes that disagree with it."""
        height, width = self.size(entry["image_id"])
        where = f"{self.path}: annotation {entry['source_id']}"
        cleaned, _ = segmentations.clean_segmentation(entry["segmentation"], height, width, where)
        found = box_forms.find_box_of_mask(entry["bbox"], cleaned, height, width) if cleaned else None
        return None if found is None else list(found)

    def _is_possible_area(self, entry: dict[str, Any]) -> bool:
        area, image = entry["area"], self.images[entry["image_id"]]
        if area is None or area <= 0:
            return False
        has_size = image["height"] is not None and image["width"] is not None
        return not has_size or area <= math.prod(self.size(entry["image_id"]))

    def _measure_area(self, entry: dict[str, Any]) -> float:
        if "segmentation" in entry:
            return float(coco_mask.area(self._encode(entry)[0]))
        return float(entry["bbox"][2] * entry["bbox"][3])

    def _encode(self, entry: dict[str, Any]) -> tuple[run_lengths.Rle, int]:
        where = f"{self.path}: annotation {entry['source_id']}"
        if not self.has_masks:
            raise ValueError(
                f"{self.path}: no annotation has a segmentation: masks cannot be measured against it"
            )
        if "segmentation" not in entry:
            raise ValueError(f"{where}: no segmentation, while others of the file have one")
        return segmentations.to_rle(entry["segmentation"], *self.size(entry["image_id"]), where)


def load_groundtruth(path: str) -> GroundTruth:
    """Read an annotation file in COCO's instance form, by the rules of the conversion.

    Left out, and counted in the log: annotations of images that the file does not list, those whose box
    has no area, and polygon parts of fewer than three points. A missing box is that of the mask, and so is
    one without area in the image that disagrees with its mask; an area that is missing or impossible is that
    of the mask, or else of the box. Boxes that reach beyond the image stay as they are, as pycocotools
    measures them; so do objects whose mask covers no pixel.

    Args:
      path: the JSON file; ids may be strings.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is no such file; the message names the record and the field.
    """
    with other_formats.named(path):
        return _load_groundtruth(path)


def _load_groundtruth(path: str) -> GroundTruth:
    content = json_text.load(path, finite=False)  # its numbers are checked one by one
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(f"{path}: no list {key!r}: expected a COCO instance annotation file")
    images = _index_images(content["images"], path)
    categories = coco_annotations.parse_categories(path, content["categories"])
    known = set(categories.ids)
    parsed = [
        coco_annotations.parse_annotation(path, at, entry, known)
        for at, entry in enumerate(content["annotations"])
    ]
    coco_annotations.refuse_twice(path, "annotations", [annotation.id for annotation in parsed])
    listed = [annotation for annotation in parsed if annotation.image_id in images]
    _warn(path, len(parsed) - len(listed), "annotations belong to images that it does not list")
    groundtruth = GroundTruth(path, images, categories, [])
    filled = [groundtruth.fill(annotation) for annotation in listed]
    kept = [entry for entry in filled if min(entry["bbox"][2:]) > 0]
    _warn(path, len(filled) - len(kept), "annotations have a box without area")
    groundtruth.annotations.extend({**entry, "id": at} for at, entry in enumerate(kept, start=1))
    return groundtruth


def _warn(path: str, count: int, what: str) -> None:
    if count:
        _logger.warning("%s: %d %s: left out", path, count, what)


def load_images(path: str) -> dict[int, dict[str, Any]]:
    """Read the `images` of a COCO JSON file that need not have annotations (test-dev).

    Raises:
      OSError: the file cannot be read.
      ValueError: it has no list of images.
    """
    with other_formats.named(path):
        content = json_text.load(path, finite=False)
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            raise ValueError(f"{path}: no list 'images': expected a COCO file that lists images")
        return _index_images(content["images"], path)


def _index_images(listed: list[Any], path: str) -> dict[int, dict[str, Any]]:
    """Map image id to `id`, `file_name`, and `height` and `width`, which are None where they are not stated.

    Raises:
      ValueError: an entry without an id or a file name, an id that occurs twice, or no entries.
    """
    if not listed:
        raise ValueError(f"{path}: images is empty: there is nothing to evaluate")
    images: dict[int, dict[str, Any]] = {}
    for index, entry in enumerate(listed):
        image = coco_annotations.parse_image(path, index, entry)
        if image.id in images:
            raise ValueError(f"{path}: images[{index}]: id is {image.id}, as of an image before it")
        images[image.id] = dataclasses.asdict(image)
    return images
