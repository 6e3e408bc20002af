"""Annotations of labelme, a JSON file beside each image, into COCO JSON.

Source: the format is that of labelme 3 to 5: https://github.com/wkentaro/labelme.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import io
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from official_yolact.coco import other_formats
from official_yolact.coco import polygons
from official_yolact.coco import segmentations
from official_yolact.data.formats import class_ids
from official_yolact.data.formats import coco_builder
from official_yolact.data.formats import outlines
from official_yolact.data.formats import pairing
from official_yolact.data.formats import summary
from official_yolact.data.formats import value_maps
from official_yolact.images import image_folders
from official_yolact_runtime import values
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs
from official_yolact_runtime.files import written
from official_yolact_runtime.images import reading

OUTLINES = ("polygon", "rectangle", "circle", "mask")
"""Types of shapes that have an inside."""

WITHOUT_INSIDE = ("line", "linestrip", "point", "points")
"""Types of shapes that are left out and counted."""


class _NoImageError(FileNotFoundError):
    """A label names an image that is not there."""


@dataclasses.dataclass(frozen=True)
class _File:
    """One labelme file: its image and its shapes."""

    path: str
    image: str
    height: int
    width: int
    shapes: list[Any]


@dataclasses.dataclass
class _Instance:
    """Shapes of one label and one group."""

    label: str
    polygons: segmentations.Polygons
    masks: list[npt.NDArray[np.bool_]]


def write_coco(
    folder: str,
    output: str,
    *,
    images_dir: str | None = None,
    classes_file: str | None = None,
    allow_most: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> summary.Summary:
    """Write a COCO instances file of a folder of labelme files.

    Images are numbered from 1 by their sorted file names, categories from 1 in the order of the class
    list or, without one, of the alphabet. Shapes with the same label and `group_id` are one instance.

    Args:
      folder: holds the JSON files, also in folders.
      output: JSON file; appears when it is complete.
      images_dir: folder that holds every image; file names are relative to it. None: `folder`.
      classes_file: text or YAML with the class names, so that every split has the same ids.
      allow_most: go on where most files have no image, or most images no file.
      force: replace a file at `output` that this program did not write.
      progress: is called with the files done and their total.

    Returns:
      What was written. Shapes without an inside, JSON files of another kind, labels without an image and
      images without a label are left out and counted.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, the shape, the field, its value and the cure.
    """
    images_dir = images_dir or folder
    outputs.check(output, force=force)
    builder = coco_builder.CocoBuilder()
    builder.read.append(classes_file)
    ids = class_ids.ClassIds(classes_file)
    owner: dict[str, str] = {}
    paths = image_folders.find_files(folder, (".json",))
    gone: list[_NoImageError] = []
    for done, path in enumerate(paths, start=1):
        try:
            file = _read_file(os.path.join(folder, path), images_dir)
        except _NoImageError as error:
            gone.append(error)
            builder.read.append(os.path.join(folder, path))
            continue
        if file:
            _claim(file, owner)
            builder.read.append(os.path.join(folder, path))
            builder.add_image(file.image, file.height, file.width)
            _add_instances(builder, file, ids)
        else:
            builder.skipped["json_of_another_kind"] += 1
            # What an earlier call wrote into the folder may be written again.
            builder.read += [] if written.is_own(os.path.join(folder, path)) else [os.path.join(folder, path)]
        if progress:
            progress(done, len(paths))
    pairing.count_unused(builder, images_dir, owner, [str(error) for error in gone], allow_most)
    if not owner:
        among = f"among {len(paths)} JSON files{_name(folder, paths)}"
        raise ValueError(f"{folder}: no labelme file (JSON with shapes and imagePath) {among}")
    return builder.write(output, ids.finish(builder), images_dir, force)


def _name(folder: str, paths: list[str]) -> str:
    """Name the format of the first JSON file."""
    found = other_formats.describe(os.path.join(folder, paths[0])) if paths else ""
    return f"; {paths[0]} is {found}" if found else ""


def _claim(file: _File, owner: dict[str, str]) -> None:
    if file.image in owner:
        raise ValueError(
            f"{file.path}: imagePath names {file.image}, as {owner[file.image]} does: keep one of the two"
        )
    owner[file.image] = file.path


def _read_file(path: str, images_dir: str) -> _File | None:
    """Read one file; None where it is JSON of another kind."""
    content = json_text.load(path, finite=False)
    if not isinstance(content, dict) or not {"shapes", "imagePath"} <= content.keys():
        return None
    if not isinstance(content["shapes"], list):
        raise ValueError(f"{path}: shapes is {values.shorten(content['shapes'])}: give a list")
    image = _find_image(path, content["imagePath"], images_dir)
    header = reading.read_header(os.path.join(images_dir, image))
    if content.get("imageHeight") is None and content.get("imageWidth") is None:
        return _File(path, image, *header.upright, content["shapes"])
    stated = tuple(
        values.parse_int(path, field, content.get(field)) for field in ("imageHeight", "imageWidth")
    )
    if stated not in (header.stored, header.upright):
        raise ValueError(
            f"{path}: imageHeight and imageWidth are {stated[0]} and {stated[1]}, but {image} has"
            f" {header.upright[0]} and {header.upright[1]}: annotation and image do not belong together"
        )
    return _File(path, image, stated[0], stated[1], content["shapes"])


def _find_image(path: str, name: Any, images_dir: str) -> str:
    """Find the image of a file; gives its path relative to the folder of images."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"{path}: imagePath is {values.shorten(name)}: give the name of the image file")
    parts = name.replace("\\", "/")
    folder = os.path.dirname(path)
    # Files that were moved keep the path of the machine they were made on; the image lies beside them then.
    for stated in (parts, os.path.basename(parts)):
        candidate = os.path.relpath(os.path.join(folder, stated), images_dir)
        match = image_folders.open_folder(images_dir).find(candidate.replace(os.sep, "/"))
        if match.name:
            return os.path.normpath(match.name).replace(os.sep, "/")
        if match.reason:
            raise ValueError(f"{path}: imagePath is {name!r}, which {match.reason}")
    raise _NoImageError(
        f"{path}: imagePath is {name!r}, but there is no such file in {images_dir}: put the image beside"
        " the annotation, or name the folder of the images with --images"
    )


def _add_instances(builder: coco_builder.CocoBuilder, file: _File, ids: class_ids.ClassIds) -> None:
    instances: dict[Any, _Instance] = {}
    for at, shape in enumerate(file.shapes):
        where = f"{file.path}: shapes[{at}]"
        if not isinstance(shape, dict):
            raise ValueError(f"{where} is {values.shorten(shape)}: give an object with label and points")
        kind = shape.get("shape_type") or "polygon"
        if kind in WITHOUT_INSIDE:
            builder.skipped[f"shape_{kind}"] += 1
            continue
        label = shape.get("label")
        if not isinstance(label, str) or not label.strip():
            raise ValueError(f"{where}: label is {values.shorten(label)}: give the name of the class")
        ids.find(label, f"{where}: label")
        instance = instances.setdefault(_group(where, shape, at), _Instance(label, [], []))
        _draw(f"{where} ({values.shorten(label)})", kind, shape, file, instance)
    for instance in instances.values():
        _add(builder, ids.find(instance.label, file.path), instance, file)


def _group(where: str, shape: dict[str, Any], at: int) -> tuple[Any, ...]:
    """Give what shapes of one instance have in common."""
    group = shape.get("group_id")
    if group is None:
        return (at,)
    return shape["label"], values.parse_int(where, "group_id", group)


def _draw(where: str, kind: Any, shape: dict[str, Any], file: _File, instance: _Instance) -> None:
    """Add a shape to its instance."""
    if kind not in OUTLINES:
        known = ", ".join(OUTLINES + WITHOUT_INSIDE)
        raise ValueError(f"{where}: shape_type is {values.shorten(kind)}: known are {known}")
    points = _read_points(where, kind, shape.get("points"))
    if kind == "mask":
        instance.masks.append(_read_mask(where, shape.get("mask"), points, file))
        return
    outline = {"polygon": _polygon, "rectangle": _rectangle, "circle": _circle}[kind](points, where)
    # The numbers are judged here, where the shape can be named.
    parts, _ = segmentations.clean_segmentation([outline], file.height, file.width, where)
    assert isinstance(parts, list)
    instance.polygons += parts


def _read_points(where: str, kind: str, points: Any) -> list[tuple[float, float]]:
    wanted = {"rectangle": (2, 4), "circle": (2,), "mask": (2,)}.get(kind)
    points = polygons.read_points(points)
    is_list = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 for point in points
    )
    if not is_list or (wanted and len(points) not in wanted) or len(points) < 2:
        count = " or ".join(map(str, wanted)) if wanted else "at least 3"
        raise ValueError(f"{where}: points is {values.shorten(points)}: a {kind} has {count} points [x, y]")
    x_and_y = [[values.parse_number(where, "points", number) for number in point] for point in points]
    return [(x, y) for x, y in x_and_y]


def _polygon(points: list[tuple[float, float]], where: str) -> list[float]:
    if len(points) < 3:
        raise ValueError(f"{where}: points has {len(points)} points: a polygon has at least 3 points [x, y]")
    return [number for point in points for number in point]


def _rectangle(points: list[tuple[float, float]], where: str) -> list[float]:
    if len(points) == 4:
        return _polygon(points, where)
    (x1, y1), (x2, y2) = points
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def _circle(points: list[tuple[float, float]], where: str) -> list[float]:
    (x, y), (edge_x, edge_y) = points
    radius = math.hypot(edge_x - x, edge_y - y)
    if not radius:
        raise ValueError(
            f"{where}: points are twice the same: a circle has its centre and a point of its edge"
        )
    return outlines.ellipse(x, y, radius, radius)


def _read_mask(
    where: str, text: Any, points: list[tuple[float, float]], file: _File
) -> npt.NDArray[np.bool_]:
    """Give a shape's mask at the size of the image.

    labelme stores the pixels from the first point to the second, both included, and fewer at the
    border of the image.
    """
    limits = (file.width, file.height)
    for point in points:
        if not all(0 <= number <= limit for number, limit in zip(point, limits, strict=True)):
            raise ValueError(
                f"{where}: points has {list(point)}, which lies outside the image of"
                f" {file.height}x{file.width} pixels (height x width)"
            )
    (left, top), (right, bottom) = ((int(x), int(y)) for x, y in points)
    rows, columns = slice(top, bottom + 1), slice(left, right + 1)
    result = np.zeros((file.height, file.width), np.bool_)
    size = result[rows, columns].shape
    if not isinstance(text, str):
        raise ValueError(f"{where}: mask is {values.shorten(text)}: a mask shape has a PNG in base64")
    try:
        data = base64.b64decode(text, validate=True)
        drawn = value_maps.read(io.BytesIO(data), size)
    except (OSError, ValueError, binascii.Error) as error:
        reason = str(error).replace("\n", " ")
        raise ValueError(f"{where}: mask cannot be used ({reason}): save the annotation again") from error
    result[rows, columns] = drawn != 0
    return result


def _add(builder: coco_builder.CocoBuilder, category_id: int, instance: _Instance, file: _File) -> None:
    if not instance.masks:
        builder.add_polygons(category_id, instance.polygons)
        return
    drawn = segmentations.rasterize(instance.polygons, file.height, file.width)
    builder.add_mask(category_id, np.logical_or.reduce([drawn != 0, *instance.masks]))
