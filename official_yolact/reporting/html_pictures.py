"""Photos of a page: small copies as data URLs, and the outlines of what is drawn on them."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import Any

import PIL.Image

from official_yolact.coco import annotations as coco_annotations
from official_yolact.images import image_files
from official_yolact.images import thumbnails
from official_yolact.reporting import html_outlines
from official_yolact.reporting import report_schema as schema

Picture = dict[str, Any]
"""`width` and `height` in pixels, and `src`: a data URL, None without a photo."""


@dataclasses.dataclass(frozen=True)
class Detail:
    """How much of each photo a page holds.

    Attributes:
      side: longer side of a copy in pixels.
      quality: of its WebP encoding.
      tolerance: pixels by which outlines are simplified.
      has_masks: whether outlines are those of masks; else they are boxes.
    """

    side: int
    quality: int
    tolerance: float
    has_masks: bool = True


DETAILS = (
    Detail(800, 80, 0.75),
    Detail(640, 75, 0.75),
    Detail(480, 70, 1.0),
    Detail(320, 60, 1.5),
    Detail(160, 50, 2.0, has_masks=False),
)
"""From much to little."""


class Pictures:
    """The photos of a report, each read once."""

    def __init__(self, images: str | None) -> None:
        """Take the folder of the photos; None: a page without photos."""
        self._folder = images
        self._read: dict[int, PIL.Image.Image | None] = {}

    def draw(self, image: schema.ShownImage, detail: Detail) -> tuple[Picture, dict[str, Any]]:
        """Encode the photo of an image, and draw its objects and detections.

        Returns:
          The picture, and the image, whose objects and detections have `path` and `box` in pixels of the
          picture (left, top, right, bottom) and no `segmentation`.
        """
        height, width = _find_size(image)
        photo = self._find_photo(image)
        if photo is not None and max(photo.size) > detail.side:
            photo = photo.copy()
            photo.thumbnail((detail.side, detail.side), PIL.Image.Resampling.LANCZOS)
        factor = min(1.0, detail.side / max(height, width))
        size = photo.size if photo else (max(1, round(width * factor)), max(1, round(height * factor)))
        scale = (size[0] / width, size[1] / height)
        source = None if photo is None else _encode(photo, detail.quality)
        drawn: dict[str, Any] = dict(image)
        for name in ("objects", "detections"):
            drawn[name] = [_draw(dict(each), scale, detail) for each in drawn[name]]
        return {"width": size[0], "height": size[1], "src": source}, drawn

    def _find_photo(self, image: schema.ShownImage) -> PIL.Image.Image | None:
        if image["id"] not in self._read:
            self._read[image["id"]] = self._read_photo(image)
        return self._read[image["id"]]

    def _read_photo(self, image: schema.ShownImage) -> PIL.Image.Image | None:
        if self._folder is None:
            return None
        height, width = image["height"], image["width"]
        entry = coco_annotations.Image(image["id"], image["file_name"], height, width)
        try:
            path = image_files.locate(entry, self._folder, image["file_name"])
            stated = (height, width) if height and width else None
            return thumbnails.read(path, DETAILS[0].side, stated)
        except (OSError, ValueError):  # the objects are drawn without it
            return None


def _find_size(image: schema.ShownImage) -> tuple[float, float]:
    """Find height and width: those that are stated, of a mask, or around all boxes."""
    if image["height"] and image["width"]:
        return image["height"], image["width"]
    shown: list[Any] = [*image["objects"], *image["detections"]]
    for each in shown:
        if each["segmentation"]:
            height, width = each["segmentation"]["size"]
            return height, width
    corners = [(y + height, x + width) for x, y, width, height in (each["box"] for each in shown)]
    return tuple(max([1.0, *sides]) for sides in zip(*corners, strict=True)) if corners else (1.0, 1.0)


def _draw(each: dict[str, Any], scale: tuple[float, float], detail: Detail) -> dict[str, Any]:
    mask = each.pop("segmentation")
    path = html_outlines.draw_mask(mask, scale, detail.tolerance) if mask and detail.has_masks else ""
    return {
        **each,
        "path": path or html_outlines.draw_box(each["box"], scale),
        "box": html_outlines.scale_box(each["box"], scale),
    }


def _encode(photo: PIL.Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    photo.save(buffer, "WEBP", quality=quality)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
