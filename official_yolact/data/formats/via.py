"""Annotations of the VGG Image Annotator (VIA), versions 1 and 2, into COCO JSON.

A project (`via_project.json`) holds under `_via_img_metadata` what the export as JSON holds. The export as
CSV has a region on each line.

Source: the format is that of VIA 2.0.12: https://www.robots.ox.ac.uk/~vgg/software/via.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

from official_yolact.coco import other_formats
from official_yolact.coco import segmentations
from official_yolact.data.formats import class_ids
from official_yolact.data.formats import coco_builder
from official_yolact.data.formats import outlines
from official_yolact.data.formats import pairing
from official_yolact.data.formats import photos
from official_yolact.data.formats import summary
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs
from official_yolact_runtime.images import reading

_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_METADATA = "_via_img_metadata"
_WITHOUT_INSIDE = ("point", "line")
_MIN_CORNERS = 3
_UNSET = ("", "undefined")


@dataclasses.dataclass(frozen=True)
class _Region:
    """A region and its place for messages."""

    where: str
    shape: Any
    attributes: dict[str, Any]


@dataclasses.dataclass
class _Photo:
    """An entry: the name that the file has for the photo, its place for messages, and the regions."""

    name: str
    where: str
    regions: list[_Region]


def write_coco(
    source: str,
    images_dir: str,
    output: str,
    *,
    class_key: str | None = None,
    class_name: str | None = None,
    classes_file: str | None = None,
    allow_most: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> summary.Summary:
    """Write a COCO instances file of a VIA project or export.

    Images are numbered from 1 by their sorted file names, categories from 1 in the order of the class list
    or, without one, of the alphabet.

    Args:
      source: project, or export as JSON or CSV.
      images_dir: folder that holds every image.
      output: JSON file; appears when it is complete.
      class_key: attribute of the regions that holds the class. None: the only one that there is.
      class_name: of every region, whatever its attributes.
      classes_file: text or YAML with the class names, so that every split has the same ids.
      allow_most: go on where most entries have no image, or most images no entry.
      force: replace a file at `output` that this program did not write.
      progress: is called with the images done and their total.

    Returns:
      What was written. Regions without an inside or a class, entries without an image and images without an
      entry are left out and counted; an entry without regions is an image without objects, counted too.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, the entry, the region, the field, its value and the cure.
    """
    if class_key is not None and class_name is not None:
        raise ValueError(
            "class_key (--class-key) and class_name (--name) say both what the class is: give one"
        )
    if class_name is not None:
        json_text.refuse_control(class_name, "class_name (--name)")
    outputs.check(output, force=force)
    entries = _read(source)
    if class_name is None:
        class_key = _choose_key(source, entries, class_key)
    ids = class_ids.ClassIds(classes_file)
    builder = coco_builder.CocoBuilder()
    builder.read += [source, classes_file]
    found, gone = _match(entries, images_dir)
    for done, name in enumerate(sorted(found), start=1):
        entry = found[name]
        height, width = reading.read_header(os.path.join(images_dir, name)).upright
        builder.add_image(name, height, width)
        builder.note("image_without_regions", not entry.regions)
        for region in entry.regions:
            label = class_name or _read_class(region, class_key, builder)
            outline = _draw(region, builder) if label else None
            if label and outline:
                parts, _ = segmentations.clean_segmentation([outline], height, width, region.where)
                assert isinstance(parts, list)
                builder.add_polygons(ids.find(label, f"{region.where}: {class_key}"), parts)
        if progress:
            progress(done, len(found))
    pairing.count_unused(builder, images_dir, found, gone, allow_most)
    return builder.write(output, ids.finish(builder), images_dir, force, source=source)


def _match(entries: list[_Photo], images_dir: str) -> tuple[dict[str, _Photo], list[str]]:
    """Map names of files to their entries, and list what is to be said of entries without a file."""
    found: dict[str, _Photo] = {}
    gone = []
    for entry in entries:
        name = photos.find(f"{entry.where}: filename", [entry.name], images_dir)
        if not name:
            gone.append(photos.describe_missing(f"{entry.where}: filename", entry.name, images_dir))
        elif name not in found or not found[name].regions:
            found[name] = entry
        elif entry.regions:
            raise ValueError(
                f"{entry.where}: filename names {name}, as {found[name].where} does: keep one of the two"
            )
    return found, gone


def _read(source: str) -> list[_Photo]:
    data = inputs.read(source)
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    entries = list(_read_json(source, data) if start in (b"{", b"[") else _read_csv(source, data))
    if not entries:
        raise ValueError(f"{source}: lists no images: export the annotations again")
    return entries


def _read_json(source: str, data: bytes) -> Iterator[_Photo]:
    content = json_text.parse(data, source, finite=False)
    listed = content.get(_METADATA, content) if isinstance(content, dict) else content
    if not isinstance(listed, dict):
        found = other_formats.describe(source)
        what = f"but {found}" if found else "which map each image to its regions"
        raise ValueError(f"{source}: no project or export of VIA, {what}")
    for key, entry in listed.items():
        where = f"{source}: {json_text.shorten(key)}"
        if not isinstance(entry, dict) or not {"filename", "regions"} <= entry.keys():
            found = other_formats.describe(source)
            if found and "yolact data via" not in found:
                raise ValueError(f"{source}: no project or export of VIA, but {found}")
            raise ValueError(f"{where} is {values.shorten(entry)}: an image of VIA has filename and regions")
        regions = entry["regions"]
        regions = list(regions.values()) if isinstance(regions, dict) else regions
        if not isinstance(regions, list):
            raise ValueError(f"{where}: regions is {values.shorten(regions)}: give a list")
        yield _Photo(
            _check_name(where, entry["filename"]),
            where,
            [_check_region(f"{where}: regions[{at}]", region) for at, region in enumerate(regions)],
        )


def _check_name(where: str, name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}: filename is {values.shorten(name)}: give the name of the image file")
    return name


def _check_region(where: str, region: Any) -> _Region:
    if not isinstance(region, dict) or not isinstance(region.get("shape_attributes"), dict):
        raise ValueError(f"{where} is {values.shorten(region)}: a region has shape_attributes")
    attributes = region.get("region_attributes") or {}
    if not isinstance(attributes, dict):
        raise ValueError(f"{where}: region_attributes is {values.shorten(attributes)}: give an object")
    return _Region(where, region["shape_attributes"], attributes)


def _read_csv(source: str, data: bytes) -> Iterator[_Photo]:
    """Read the export as CSV; the lines of an image lie anywhere."""
    text = inputs.decode(data, source, "JSON or CSV")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, _Photo] = {}
    at: dict[str, int] = {}
    try:
        for number, cells in enumerate(lines, start=1):
            if not at:
                at = {name.lstrip("#").strip(): place for place, name in enumerate(cells)}
                if not set(_COLUMNS) <= at.keys():
                    raise ValueError(
                        f"{source}: neither JSON nor CSV of VIA, which has {', '.join(_COLUMNS)}"
                    )
            elif cells:
                where = f"{source}: line {number}"
                name, shape, attributes = (_cell(where, cells, at[column]) for column in _COLUMNS)
                photo = found.setdefault(_check_name(where, name), _Photo(name, where, []))
                region = {
                    "shape_attributes": json_text.parse(shape, f"{where}: {_COLUMNS[1]}", finite=False),
                    "region_attributes": json_text.parse(attributes or "{}", f"{where}: {_COLUMNS[2]}"),
                }
                photo.regions += [_check_region(where, region)] if region["shape_attributes"] else []
    except csv.Error as error:
        raise ValueError(f"{source}: line {lines.line_num}: not CSV ({error}): export it again") from None
    yield from found.values()


def _cell(where: str, cells: list[str], at: int) -> str:
    if at >= len(cells):
        raise ValueError(f"{where}: {len(cells)} cells, fewer than the first line names: export it again")
    return cells[at]


def _choose_key(source: str, entries: list[_Photo], chosen: str | None) -> str:
    """Choose the attribute that holds the class."""
    counts = collections.Counter(
        key for entry in entries for region in entry.regions for key in region.attributes
    )
    known = ", ".join(f"{json_text.shorten(key)} ({count} regions)" for key, count in counts.most_common(8))
    if chosen is not None:
        if chosen not in counts:
            raise ValueError(
                f"{source}: no region has the attribute {chosen!r} (--class-key); known are {known}"
            )
        return chosen
    if not counts:
        raise ValueError(f"{source}: the regions have no attributes: name their one class with --name")
    if len(counts) > 1:
        raise ValueError(
            f"{source}: the regions have several attributes, {known}: choose that of the class with"
            " --class-key, or name one class for all with --name"
        )
    return next(iter(counts))


def _read_class(region: _Region, key: str | None, builder: coco_builder.CocoBuilder) -> str:
    """Read the class of a region; empty where it has none or several, which is counted."""
    value = region.attributes.get(key or "")
    if isinstance(value, dict):  # of a checkbox: name to whether it is set
        chosen = [name for name, is_set in value.items() if is_set in (True, "true", 1)]
        if len(chosen) > 1:
            builder.note("region_of_several_classes", 1)
            return ""
        value = chosen[0] if chosen else None
    name = values.parse_name(value).strip()
    if name.lower() in _UNSET:
        builder.note("region_without_class", 1)
        return ""
    return name


def _draw(region: _Region, builder: coco_builder.CocoBuilder) -> list[float] | None:
    """Give a region's outline; None where it has no inside, which is counted."""
    kind = region.shape.get("name")
    if kind in _WITHOUT_INSIDE:
        builder.note(f"region_{kind}", 1)
        return None
    if kind in ("polygon", "polyline"):
        points = _read_points(region)
        is_open = kind == "polyline" and points[0] != points[-1]
        if is_open or len(set(points)) < _MIN_CORNERS:
            builder.note("region_polyline" if is_open else "region_of_fewer_than_3_points", 1)
            return None
        return [number for point in points for number in point]
    fields = {
        "rect": ("x", "y", "width", "height"),
        "circle": ("cx", "cy", "r", "r"),
        "ellipse": ("cx", "cy", "rx", "ry"),
    }.get(kind if isinstance(kind, str) else "")
    if fields is None:
        known = "polygon, polyline, rect, circle, ellipse, point, line"
        raise ValueError(f"{region.where}: the shape is {values.shorten(kind)}: known are {known}")
    x, y, wide, high = (values.parse_number(region.where, field, region.shape.get(field)) for field in fields)
    if wide <= 0 or high <= 0:
        builder.note(f"region_{kind}_without_area", 1)
        return None
    if kind == "rect":
        return outlines.rectangle(x, y, wide, high)
    angle = values.parse_number(region.where, "theta", region.shape.get("theta") or 0)
    return outlines.ellipse(x, y, wide, high, angle)


def _read_points(region: _Region) -> list[tuple[float, float]]:
    axes = [region.shape.get(field) for field in ("all_points_x", "all_points_y")]
    if not all(isinstance(axis, list) for axis in axes) or len(axes[0]) != len(axes[1]) or not axes[0]:
        raise ValueError(
            f"{region.where}: all_points_x and all_points_y are {values.shorten(axes[0])} and"
            f" {values.shorten(axes[1])}: give two lists of as many numbers"
        )
    x, y = ([values.parse_number(region.where, "a point", number) for number in axis] for axis in axes)
    return list(zip(x, y, strict=True))
