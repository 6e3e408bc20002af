"""Collects images and instances of another format and writes them as COCO JSON."""

from __future__ import annotations

import collections
import os
from typing import Any

import numpy.typing as npt

from official_yolact.coco import segmentations
from official_yolact.data.formats import summary as summary_lib
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs


class CocoBuilder:
    """A COCO instances file in the making; annotations are numbered from 1 as they come.

    Attributes:
      skipped: what was left out, by reason.
      read: files that were read, beside the images.
    """

    def __init__(self) -> None:
        self.skipped: collections.Counter[str] = collections.Counter()
        self.read: list[str | None] = []
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add_image(self, file_name: str, height: int, width: int, image_id: int | None = None) -> None:
        """Add an image; the instances that follow belong to it. Without an id its number, from 1, is the id.

        Raises:
          ValueError: the name of the file has what no list of files can show.
        """
        json_text.refuse_control(file_name, "the name of an image file")
        number = len(self._images) + 1 if image_id is None else image_id
        self._images.append({"id": number, "file_name": file_name, "height": height, "width": width})

    def add_polygons(self, category_id: int, polygons: segmentations.Polygons) -> None:
        """Add an instance that is the union of checked polygons in pixels of the image."""
        image = self._images[-1]
        mask = segmentations.rasterize(polygons, image["height"], image["width"])
        self._add(category_id, mask, 0, polygons)

    def add_mask(self, category_id: int, mask: npt.NDArray[Any], is_crowd: bool = False) -> None:
        """Add an instance that is where a mask [height, width] of the image's size is not 0."""
        self._add(category_id, mask != 0, int(is_crowd))

    def note(self, reason: str, count: int) -> None:
        """Count what was left out, where there is any."""
        if count:
            self.skipped[reason] += count

    def renumber(self, ids: dict[int, int]) -> None:
        """Give the categories other ids: old id to new id."""
        for annotation in self._annotations:
            annotation["category_id"] = ids[annotation["category_id"]]

    def write(
        self, output: str, names: dict[int, str], images_dir: str, force: bool = False, source: str = ""
    ) -> summary_lib.Summary:
        """Write the file.

        Args:
          output: JSON file; appears when it is complete. Its folder is made.
          names: of the classes, by category id.
          images_dir: folder that the file names are relative to.
          force: replace a file that this program did not write.
          source: what names the images, for the message that none has an object; empty: `images_dir`.

        Returns:
          What was written.

        Raises:
          OSError: the file cannot be written.
          ValueError: there is no instance, or something would be lost at `output`.
        """
        if not self._annotations:
            left_out = f"; left out: {dict(self.skipped)}" if self.skipped else ""
            raise ValueError(
                f"{source or images_dir}: none of its {len(self._images)} images has an object with a mask"
                f"{left_out}"
            )
        categories = [
            {"id": number, "name": names[number], "supercategory": "object"} for number in sorted(names)
        ]
        content = {"info": {}, "images": self._images, "annotations": self._annotations}
        photos = (os.path.join(images_dir, image["file_name"]) for image in self._images)
        outputs.write_json(
            output, {**content, "categories": categories}, inputs=[*self.read, *photos], force=force
        )
        return summary_lib.Summary(
            len(self._images), len(self._annotations), len(names), images_dir, dict(self.skipped)
        )

    def _add(self, category_id: int, mask: npt.NDArray[Any], is_crowd: int, polygons: Any = None) -> None:
        if not mask.any():
            self.skipped["mask_without_area"] += 1
            return
        ids = {
            "id": len(self._annotations) + 1,
            "image_id": self._images[-1]["id"],
            "category_id": category_id,
        }
        self._annotations.append(ids | segmentations.describe_mask(mask, polygons) | {"iscrowd": is_crowd})
