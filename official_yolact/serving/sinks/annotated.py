"""What was found as annotations, to correct by hand and to train with: labelme's files, and a COCO file."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from official_yolact.serving import shots
from official_yolact.serving.sinks import drawn
from official_yolact.serving.sinks import sink
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime.files import json_text

LABELME_FOLDER = "labelme"
PHOTOS_FOLDER = "photos"
ANNOTATIONS_FILE = "annotations.json"

_LABELME_VERSION = "5.5.0"
_QUALITY = 95
_TOLERANCE = 1.0
"""Pixels by which outlines are simplified, so that people can correct them."""


class Photos:
    """The pictures that annotations belong to: files of photos, and frames as `photos/NAME/000012.jpg`."""

    def __init__(self, place: sink.Place) -> None:
        self._place = place
        self._last: tuple[int, str] | None = None

    def find(self, shot: shots.Shot) -> str:
        """Give the path of a picture's file, which is written where there is none."""
        if shot.frame is None and shot.source.data is None:
            return shot.source.name
        if self._last is None or self._last[0] != shot.image_id:
            content = _encode_jpeg(shot.image)
            self._last = (
                shot.image_id,
                self._place.write(content, PHOTOS_FOLDER, *drawn.name_parts(shot, ".jpg")),
            )
        return self._last[1]


class Labelme(sink.Sink):
    """`labelme/NAME.json` of each picture: a polygon for each part of an instance."""

    def __init__(self, place: sink.Place, photos: Photos) -> None:
        self._place, self._photos = place, photos

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Write the file of a picture, also of one without instances."""
        height, width = shot.image.shape[:2]
        parts = (LABELME_FOLDER, *drawn.name_parts(shot, ".json"))
        folder = os.path.dirname(os.path.join(self._place.folder, *parts))
        picture = os.path.relpath(self._photos.find(shot), folder)
        content = {
            "version": _LABELME_VERSION,
            "flags": {},
            "shapes": _draw_shapes(found),
            "imagePath": picture.replace(os.sep, "/"),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        self._place.write(json_text.dump(content, indent=1).encode(), *parts)


def _draw_shapes(found: detections_lib.Detections) -> list[dict[str, Any]]:
    """Describe each part of each instance; parts of one instance share their group."""
    shapes: list[dict[str, Any]] = []
    outlines = zip(found.names, found.polygons(_TOLERANCE), strict=True)
    for number, (name, polygons) in enumerate(outlines, start=1):
        group = number if len(polygons) > 1 else None
        for polygon in polygons:
            points = np.reshape(polygon, (-1, 2)).tolist()
            shapes.append(
                {"label": name, "points": points, "group_id": group, "shape_type": "polygon", "flags": {}}
            )
    return shapes


class CocoFile(sink.Sink):
    """`annotations.json`: a COCO instances file whose masks are polygons; each annotation has its score.

    File names are relative to the folder that holds all pictures, which a note names.
    """

    def __init__(self, place: sink.Place, photos: Photos, categories: categories_lib.Categories) -> None:
        self._place, self._photos = place, photos
        named = zip(categories.ids, categories.names, strict=True)
        self._categories = [{"id": number, "name": name} for number, name in named]
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        place.claim(ANNOTATIONS_FILE)

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Remember what was found."""
        height, width = shot.image.shape[:2]
        path = os.path.abspath(self._photos.find(shot))
        self._images.append({"id": shot.image_id, "file_name": path, "height": height, "width": width})
        described = zip(found.to_coco(shot.image_id), found.polygons(_TOLERANCE), found.windows, strict=True)
        for entry, polygons, window in described:
            if polygons:
                number, area = len(self._annotations) + 1, int(window.mask.sum())
                more = {"id": number, "segmentation": polygons, "area": area, "iscrowd": 0}
                self._annotations.append({**entry, **more})

    def finish(self) -> None:
        """Write the file."""
        if not self._images:
            return
        folder = os.path.commonpath([os.path.dirname(image["file_name"]) for image in self._images])
        for image in self._images:
            image["file_name"] = os.path.relpath(image["file_name"], folder).replace(os.sep, "/")
        content = {"images": self._images, "annotations": self._annotations, "categories": self._categories}
        path = self._place.write(json_text.dump_finite(content, ANNOTATIONS_FILE).encode(), ANNOTATIONS_FILE)
        self.notes = [
            f"{path}: its pictures lie in {folder}: yolact data convert {path} --images {folder} ..."
        ]


def _encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY, subsampling="4:4:4")
    return buffer.getvalue()
