"""Ground truth of an evaluation: a COCO annotation file, checked and normalised."""

from __future__ import annotations

import dataclasses
import functools
import logging
import reprlib
from typing import Any

from pycocotools import mask as coco_mask

from official_yolact import categories as categories_lib
from official_yolact import json_text
from official_yolact.evaluation import segmentation

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

    @property
    def has_masks(self) -> bool:
        """Whether any annotation has a segmentation; True when there are no annotations."""
        return not self.annotations or any(a.get("segmentation") for a in self.annotations)

    @functools.cached_property
    def mask_annotations(self) -> list[dict[str, Any]]:
        """The annotations with checked and run-length encoded segmentations.

        Raises:
          ValueError: a segmentation is missing or malformed.
        """
        return [{**a, "segmentation": self._rle(a)} for a in self.annotations]

    def size(self, image_id: int) -> tuple[int, int]:
        """Give the (height, width) of an image in pixels.

        Raises:
          ValueError: the file states none.
        """
        image = self.images[image_id]
        height, width = image.get("height"), image.get("width")
        if not isinstance(height, int) or not isinstance(width, int):
            raise ValueError(
                f"{self.path}: image {image_id} has height {reprlib.repr(height)} and "
                f"width {reprlib.repr(width)}: masks need both, in pixels"
            )
        return height, width

    def measure_area(self, annotation: dict[str, Any]) -> float:
        """Compute an area that the file leaves out, in pixels: of the mask, or else of the box."""
        if annotation.get("segmentation"):
            return float(coco_mask.area(self._rle(annotation)))
        return float(annotation["bbox"][2] * annotation["bbox"][3])

    def _rle(self, annotation: dict[str, Any]) -> segmentation.Rle:
        where = f"{self.path}: annotation {annotation['source_id']}"
        if not annotation.get("segmentation"):
            raise ValueError(f"{where}: no segmentation, while others of the file have one")
        height, width = self.size(annotation["image_id"])
        return segmentation.to_rle(annotation["segmentation"], height, width, where)


def load_json(path: str) -> Any:
    """Read a JSON file of images, annotations or results, whose numbers are checked one by one.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is not JSON.
    """
    return json_text.load(path, finite=False)


def to_id(value: Any, where: str) -> int:
    """Give an id as an int; some exporters write "42" or 42.0.

    Raises:
      ValueError: the value is no integer.
    """
    if isinstance(value, int | str | float) and not isinstance(value, bool):
        try:
            number = int(value)
            if isinstance(value, str) or number == value:
                return number
        except (ValueError, OverflowError):
            pass
    raise ValueError(f"{where} is {reprlib.repr(value)}: expected an integer, or a string that holds one")


def load_groundtruth(path: str) -> GroundTruth:
    """Read an annotation file in COCO's instance form.

    Annotations of images that the file does not list are left out and counted in the log.

    Args:
      path: the JSON file; ids may be strings.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is no such file; the message names the record and the field.
    """
    content = load_json(path)
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ValueError(f"{path}: no list {key!r}: expected a COCO instance annotation file")
    images = index_images(content["images"], path)
    try:
        categories = categories_lib.Categories.from_coco(content["categories"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: categories: expected id and name in each: {error}") from None
    checked = [_check_annotation(a, i, path, categories) for i, a in enumerate(content["annotations"])]
    listed = [annotation for annotation in checked if annotation["image_id"] in images]
    if len(listed) < len(checked):
        orphans = len(checked) - len(listed)
        _logger.warning("%s: %d annotations belong to images that it does not list", path, orphans)
    annotations = [{**annotation, "id": i} for i, annotation in enumerate(listed, start=1)]
    groundtruth = GroundTruth(path, images, categories, annotations)
    for annotation in annotations:
        if annotation["area"] is None:
            annotation["area"] = groundtruth.measure_area(annotation)
    return groundtruth


def index_images(listed: list[Any], path: str) -> dict[int, dict[str, Any]]:
    """Map image id to entry.

    Raises:
      ValueError: an entry without an id, an id that occurs twice, or no entries.
    """
    if not listed:
        raise ValueError(f"{path}: images is empty: there is nothing to evaluate")
    images: dict[int, dict[str, Any]] = {}
    for index, image in enumerate(listed):
        if not isinstance(image, dict):
            raise ValueError(f"{path}: images[{index}] is {reprlib.repr(image)}: expected an object")
        image_id = to_id(image.get("id"), f"{path}: images[{index}].id")
        if image_id in images:
            raise ValueError(f"{path}: images[{index}].id is {image_id}, as of an image before it")
        images[image_id] = image
    return images


def _check_annotation(
    annotation: Any, index: int, path: str, categories: categories_lib.Categories
) -> dict[str, Any]:
    if not isinstance(annotation, dict):
        raise ValueError(f"{path}: annotations[{index}] is {reprlib.repr(annotation)}: expected an object")
    source_id = annotation.get("id", f"at index {index}")
    where = f"{path}: annotation {source_id}"
    category_id = to_id(annotation.get("category_id"), f"{where}: category_id")
    if category_id not in categories.ids:
        raise ValueError(f"{where}: category_id is {category_id}: categories has {list(categories.ids)}")
    checked = {
        "source_id": source_id,
        "image_id": to_id(annotation.get("image_id"), f"{where}: image_id"),
        "category_id": category_id,
        "iscrowd": int(bool(annotation.get("iscrowd", 0))),
        "bbox": segmentation.check_box(annotation.get("bbox"), where),
    }
    area = annotation.get("area")
    if area is not None and not segmentation.is_number(area):
        raise ValueError(f"{where}: area is {reprlib.repr(area)}: expected a number of pixels")
    if annotation.get("segmentation"):
        checked["segmentation"] = annotation["segmentation"]
    return {**checked, "area": area}
