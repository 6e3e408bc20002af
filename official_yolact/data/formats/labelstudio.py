"""Annotations of Label Studio, exported as JSON or JSON-MIN, into COCO JSON.

Source: the format is that of Label Studio 1: https://labelstud.io/guide/export.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import os
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from official_yolact.coco import polygons
from official_yolact.coco import segmentations
from official_yolact.data.formats import brush
from official_yolact.data.formats import class_ids
from official_yolact.data.formats import coco_builder
from official_yolact.data.formats import labelstudio_tasks
from official_yolact.data.formats import outlines
from official_yolact.data.formats import pairing
from official_yolact.data.formats import photos
from official_yolact.data.formats import summary
from official_yolact.images import image_folders
from official_yolact_runtime import values
from official_yolact_runtime.files import outputs
from official_yolact_runtime.images import reading

_PREFIX = re.compile(r"[0-9a-f]{8}-")
_MIN_CORNERS = 3
_DECIMALS = 2
_ROUNDING = 1e-12
_FIELDS = {
    "brush": ("rle",),
    "polygon": ("points",),
    "ellipse": ("x", "y", "radiusX", "radiusY"),
    "rectangle": ("x", "y", "width", "height"),
}
"""Shape with an inside to the fields of its value."""


@dataclasses.dataclass
class _Shape:
    """A region: the results that have its id."""

    where: str
    type: str
    kind: str = ""
    value: dict[str, Any] = dataclasses.field(default_factory=dict)
    labels: list[str] = dataclasses.field(default_factory=list)
    is_turned: bool = False


def write_coco(
    source: str,
    images_dir: str,
    output: str,
    *,
    annotator: str | None = None,
    use_predictions: bool = False,
    classes_file: str | None = None,
    allow_most: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> summary.Summary:
    """Write a COCO instances file of an export of Label Studio.

    Of several annotations of a photo one is used: that of the ground truth, otherwise the one changed last.
    Images are numbered from 1 by their sorted file names, categories from 1 in the order of the class list
    or, without one, of the alphabet.

    Args:
      source: export as JSON or JSON-MIN.
      images_dir: folder that holds every image.
      output: JSON file; appears when it is complete.
      annotator: number or e-mail address of the person whose annotations are used alone.
      use_predictions: use predictions for photos that nobody has annotated.
      classes_file: text or YAML with the class names, so that every split has the same ids.
      allow_most: go on where most tasks have no image, or most images no task.
      force: replace a file at `output` that this program did not write.
      progress: is called with the images done and their total.

    Returns:
      What was written. Shapes without an inside or a label, further annotations of a photo, cancelled ones,
      photos without annotation and tasks without an image are left out and counted.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, the task, the result, the field, its value and the cure.
    """
    outputs.check(output, force=force)
    ids = class_ids.ClassIds(classes_file)
    builder = coco_builder.CocoBuilder()
    builder.read += [source, classes_file]
    tasks = labelstudio_tasks.read(source, use_predictions, builder.skipped)
    if annotator is not None:
        _choose_annotator(source, tasks, annotator, builder)
    found, gone = _match(tasks, images_dir, builder)
    for done, name in enumerate(sorted(found), start=1):
        _add_photo(builder, name, found[name], images_dir, ids)
        if progress:
            progress(done, len(found))
    pairing.count_unused(builder, images_dir, found, gone, allow_most)
    return builder.write(output, ids.finish(builder), images_dir, force, source=source)


def _choose_annotator(
    source: str, tasks: list[labelstudio_tasks.Task], annotator: str, builder: coco_builder.CocoBuilder
) -> None:
    counts: collections.Counter[str] = collections.Counter()
    chosen = 0
    for task in tasks:
        counts.update(name for one in task.annotations for name in one.author if name)
        own = [one for one in task.annotations if annotator in one.author]
        builder.note("annotation_of_another_annotator", len(task.annotations) - len(own))
        task.annotations = own
        chosen += len(own)
    if not chosen:
        known = ", ".join(f"{name} ({count})" for name, count in counts.most_common(8))
        raise ValueError(f"{source}: no annotation is by {annotator!r} (--annotator); known are {known}")


def _match(
    tasks: list[labelstudio_tasks.Task], images_dir: str, builder: coco_builder.CocoBuilder
) -> tuple[dict[str, list[labelstudio_tasks.Annotation]], list[str]]:
    """Map names of files to their annotations, and list what is to be said of tasks without a file."""
    uploads: dict[str, list[str]] = {}
    for file in image_folders.find_files(images_dir):
        uploads.setdefault(_to_upload(os.path.basename(file)), []).append(file)
    found: dict[str, list[labelstudio_tasks.Annotation]] = {}
    gone = []
    for task in tasks:
        if not task.names:
            raise ValueError(f"{task.where}: none of its data names a picture: export the annotations again")
        where = f"{task.where}: the image"
        name = photos.find(where, _list_names(task.names, uploads), images_dir)
        if not task.annotations:
            builder.note("task_without_annotation_and_image", not name)
        elif name:
            found.setdefault(name, []).extend(task.annotations)
        else:
            gone.append(photos.describe_missing(where, task.names[0], images_dir))
    return found, gone


def _list_names(names: list[str], uploads: dict[str, list[str]]) -> list[str]:
    """List the names that a photo may have: an upload of `my photo.jpg` is `1f0c2a3b-my_photo.jpg`."""
    result = list(names)
    for name in names:
        base = re.split(r"[/\\]", urllib.parse.unquote(name).split("?d=")[-1])[-1]
        prefix = _PREFIX.match(base)
        if prefix:
            plain = base[prefix.end() :]
            stored = uploads.get(_to_upload(plain), [])
            result += [plain, *(stored if len(stored) == 1 else [])]
    return list(dict.fromkeys(result))


def _to_upload(name: str) -> str:
    """Write a name as an upload has it, but for the prefix. Source: `get_valid_filename` of Django."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def _add_photo(
    builder: coco_builder.CocoBuilder,
    name: str,
    annotations: list[labelstudio_tasks.Annotation],
    images_dir: str,
    ids: class_ids.ClassIds,
) -> None:
    chosen = max(annotations, key=lambda one: one.order)
    builder.note("further_annotation_of_an_image", len(annotations) - 1)
    header = reading.read_header(os.path.join(images_dir, name))
    height, width = _find_size(chosen, header, name)
    builder.add_image(name, height, width)
    for shape in _list_shapes(chosen, builder):
        label = _choose_label(shape, builder)
        drawn = _draw(shape, height, width, builder) if label else None
        if drawn is None:
            continue
        number = ids.find(label, f"{shape.where}: label")
        if isinstance(drawn, list):
            parts, _ = segmentations.clean_segmentation([drawn], height, width, shape.where)
            assert isinstance(parts, list)
            builder.add_polygons(number, parts)
        else:
            builder.add_mask(number, drawn)


def _find_size(chosen: labelstudio_tasks.Annotation, header: reading.Header, name: str) -> tuple[int, int]:
    """Find the (height, width) of the image as it was annotated: as it is stored or as it is shown."""
    fields = ("original_height", "original_width")
    stated = {
        tuple(values.parse_int(f"{chosen.where}: result[{at}]", field, result[field]) for field in fields)
        for at, result in enumerate(chosen.results)
        if isinstance(result, dict) and all(result.get(field) is not None for field in fields)
    }
    if not stated:
        return header.upright
    for height, width in stated:
        if len(stated) > 1 or (height, width) not in (header.stored, header.upright):
            raise ValueError(
                f"{chosen.where}: original_height and original_width are {height} and {width}, but {name} has"
                f" {header.upright[0]} and {header.upright[1]}: annotation and image do not belong together"
            )
    ((height, width),) = stated
    return height, width


def _list_shapes(chosen: labelstudio_tasks.Annotation, builder: coco_builder.CocoBuilder) -> list[_Shape]:
    """List the shapes; results with one id, such as a polygon and its label or a choice, are one."""
    shapes: dict[Any, _Shape] = {}
    for at, result in enumerate(chosen.results):
        where = f"{chosen.where}: result[{at}]"
        if not isinstance(result, dict):
            raise ValueError(f"{where} is {values.shorten(result)}: give an object with type and value")
        value = result.get("value")
        value = value if isinstance(value, dict) else {}
        number = result.get("id")
        key = number if isinstance(number, str) and number else at
        shape = shapes.setdefault(key, _Shape(where, values.parse_name(result.get("type")) or "shape"))
        shape.labels += labelstudio_tasks.find_labels(value)
        if not shape.kind:
            shape.kind, shape.value = _find_kind(value), value
        shape.is_turned |= bool(result.get("image_rotation"))
    for shape in shapes.values():
        if not shape.kind:
            builder.note(f"result_of_type_{shape.type.removesuffix('labels') or 'labels'}", 1)
        elif shape.is_turned:
            builder.note("shape_on_a_turned_image", 1)
    return [shape for shape in shapes.values() if shape.kind and not shape.is_turned]


def _find_kind(value: dict[str, Any]) -> str:
    """Name the shape of a value by its fields; empty where it has no inside."""
    for kind, fields in _FIELDS.items():
        if all(field in value for field in fields):
            return kind
    return ""


def _choose_label(shape: _Shape, builder: coco_builder.CocoBuilder) -> str:
    labels = list(dict.fromkeys(shape.labels))
    if not labels:
        builder.note(f"{shape.kind}_without_label", 1)
        return ""
    builder.note("further_label_of_a_shape", len(labels) - 1)
    return labels[0]


def _draw(
    shape: _Shape, height: int, width: int, builder: coco_builder.CocoBuilder
) -> list[float] | npt.NDArray[np.bool_] | None:
    """Give a shape's outline in pixels or its mask [height, width]; None where it has no inside, counted."""
    if shape.kind == "brush":
        return brush.decode(shape.value["rle"], height, width, shape.where)
    if shape.kind == "polygon":
        points = _read_points(shape, height, width)
        is_open = shape.value.get("closed") is False
        if is_open or len(set(points)) < _MIN_CORNERS:
            builder.note("polygon_not_closed" if is_open else "polygon_of_fewer_than_3_points", 1)
            return None
        return [number for point in points for number in point]
    # [4]: a point and two lengths, in percent of the width and the height.
    numbers = [values.parse_number(shape.where, field, shape.value[field]) for field in _FIELDS[shape.kind]]
    x, y, wide, high = (_to_pixels(n, side) for n, side in zip(numbers, (width, height) * 2, strict=True))
    if wide <= 0 or high <= 0:
        builder.note(f"{shape.kind}_without_area", 1)
        return None
    angle = math.radians(values.parse_number(shape.where, "rotation", shape.value.get("rotation") or 0))
    outline = outlines.rectangle if shape.kind == "rectangle" else outlines.ellipse
    return outline(x, y, wide, high, angle)


def _read_points(shape: _Shape, height: int, width: int) -> list[tuple[float, float]]:
    points = polygons.read_points(shape.value["points"])
    if not isinstance(points, list) or not all(isinstance(one, list) and len(one) == 2 for one in points):
        raise ValueError(f"{shape.where}: points is {values.shorten(points)}: a polygon has points [x, y]")
    read = [[values.parse_number(shape.where, "points", number) for number in point] for point in points]
    return [(_to_pixels(x, width), _to_pixels(y, height)) for x, y in read]


def _to_pixels(percent: float, side: int) -> float:
    """Undo the division by a side, and its rounding: an edge exactly between two pixels stays there."""
    pixels = percent * side / 100
    near = round(pixels, _DECIMALS)
    return near if abs(near - pixels) <= _ROUNDING * side else pixels
