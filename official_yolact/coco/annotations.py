"""COCO JSON into typed records. Nothing here opens an image or looks into a segmentation."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from official_yolact.coco import other_formats
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

Box = tuple[float, float, float, float]
"""(x, y, width, height) in pixels, as COCO has it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """One entry of `images`; height and width are None where the file does not state them."""

    id: int
    file_name: str
    height: int | None
    width: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Annotation:
    """One entry of `annotations`, its segmentation as the file has it.

    Attributes:
      id: the file's own id.
      image_id: the image that it belongs to.
      category_id: as in the file, not the contiguous class.
      box: (x, y, width, height) in pixels, or None: to be taken from the mask.
      segmentation: polygons or a run-length code, not yet checked.
      is_crowd: whether it marks a region of many objects.
      area: in square pixels, or None: to be taken from the mask.
    """

    id: int
    image_id: int
    category_id: int
    box: Box | None
    segmentation: Any
    is_crowd: bool
    area: float | None


@dataclasses.dataclass(frozen=True)
class CocoJson:
    """A parsed file.

    Attributes:
      path: where it came from.
      sha256: of its bytes.
      images: in the file's order.
      annotations: image id to that image's annotations, in the file's order.
      categories: the classes.
      orphans: number of annotations whose image is not listed.
      roots: names of categories that are the supercategory of others and in no group of their own name.
    """

    path: str
    sha256: str
    images: list[Image]
    annotations: dict[int, list[Annotation]]
    categories: categories_lib.Categories
    orphans: int
    roots: frozenset[str] = frozenset()


def read(path: str) -> CocoJson:
    """Read and check a COCO instances file.

    Args:
      path: JSON with `images`, `annotations` and `categories`.

    Returns:
      Its records; ids are ints, also where the file has strings.

    Raises:
      OSError: the file cannot be read.
      ValueError: names the file, the record, the field, its value and the cure.
    """
    with other_formats.named(path):
        return _read(path)


def _read(path: str) -> CocoJson:
    content, sha256 = _load(path)
    listed = check_list(path, content, "categories")
    categories = parse_categories(path, listed)
    images = [parse_image(path, at, entry) for at, entry in enumerate(check_list(path, content, "images"))]
    refuse_twice(path, "images", [image.id for image in images])
    if not images:
        raise ValueError(f"{path}: images is empty: there is nothing to convert")
    known = set(categories.ids)
    annotations = [
        parse_annotation(path, at, entry, known)
        for at, entry in enumerate(check_list(path, content, "annotations"))
    ]
    refuse_twice(path, "annotations", [annotation.id for annotation in annotations])
    by_image: dict[int, list[Annotation]] = {image.id: [] for image in images}
    orphans = 0
    for annotation in annotations:
        if annotation.image_id in by_image:
            by_image[annotation.image_id].append(annotation)
        else:
            orphans += 1
    if len(annotations) == orphans:
        raise ValueError(
            f"{path}: no annotation belongs to one of its {len(images)} images"
            f" ({orphans} belong to images that are not listed): there is nothing to learn from"
        )
    return CocoJson(path, sha256, images, by_image, categories, orphans, find_roots(listed))


def _load(path: str) -> tuple[Mapping[str, Any], str]:
    with inputs.open_input(path) as file:
        data = file.read()
    content = json_text.parse(data, path, finite=False)
    return check_object(path, content), hashlib.sha256(data).hexdigest()


def check_object(path: str, content: Any) -> dict[str, Any]:
    """Return what a COCO file holds.

    Raises:
      ValueError: it is no object; names the file.
    """
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: a {type(content).__name__}, not an object with images, annotations, categories"
        )
    return content


def check_list(path: str, content: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list of a COCO file: its images, annotations or categories.

    Args:
      path: of the file.
      content: its values by key.
      key: of the list.

    Raises:
      ValueError: there is no such key, or something else; names file, key and value.
    """
    if key not in content:
        raise ValueError(f"{path}: has no {key}: a COCO instances file has a list there")
    value = content[key]
    if not isinstance(value, list):
        raise ValueError(f"{path}: {key} is {values.shorten(value)}: a COCO instances file has a list there")
    return value


def parse_categories(path: str, entries: list[Any]) -> categories_lib.Categories:
    """Check the list of categories.

    Raises:
      ValueError: it is empty, an entry lacks an id or a name, or an id occurs twice.
    """
    if not entries:
        raise ValueError(f"{path}: categories is empty: list the classes as {{id, name}}")
    listed = categories_lib.read_entries(entries, f"{path}: categories")
    refuse_twice(path, "categories", [category["id"] for category in listed])
    return categories_lib.Categories.from_coco(listed)


def find_name(entry: Mapping[str, Any]) -> Any:
    """Find the name of an image's file: `file_name`, or in LVIS the end of `coco_url`, `val2017/139.jpg`."""
    name, url = entry.get("file_name"), entry.get("coco_url")
    return "/".join(url.split("/")[-2:]) if name is None and isinstance(url, str) and "/" in url else name


def find_roots(entries: list[dict[str, Any]]) -> frozenset[str]:
    """Name the categories that are the supercategory of others, of a list that `parse_categories` takes."""
    named = [(entry["name"], entry.get("supercategory")) for entry in entries]
    marked = zip(named, categories_lib.find_roots(named), strict=True)
    return frozenset(name for (name, _), is_root in marked if is_root)


def parse_image(path: str, at: int, entry: Any) -> Image:
    """Check an entry of `images`, the one at position `at`.

    Raises:
      ValueError: names the file, the record, the field and its value.
    """
    where = f"{path}: images[{at}]"
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {values.shorten(entry)}: give an object with id and file_name")
    image_id = values.parse_int(where, "id", entry.get("id"))
    where = f"{path}: image {image_id}"
    file_name = find_name(entry)
    if not isinstance(file_name, str) or not file_name or json_text.has_control(file_name):
        raise ValueError(
            f"{where}: file_name is {values.shorten(file_name)}: give the name of the image file"
        )
    sides = []
    for field in ("height", "width"):
        side = None if entry.get(field) is None else values.parse_int(where, field, entry[field])
        if side is not None and side < 1:
            raise ValueError(f"{where}: {field} is {side}: give the size of {file_name} in pixels")
        sides.append(side)
    return Image(image_id, file_name, sides[0], sides[1])


def parse_annotation(path: str, at: int, entry: Any, known: set[int] | None) -> Annotation:
    """Check an entry of `annotations`, the one at position `at`.

    Args:
      path: of the file.
      at: position in the list.
      entry: what is there.
      known: the category ids, or None: not yet known.

    Returns:
      The annotation.

    Raises:
      ValueError: names the file, the record, the field and its value.
    """
    where = f"{path}: annotations[{at}]"
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {values.shorten(entry)}: give an object")
    annotation_id = values.parse_int(where, "id", entry.get("id"))
    where = f"{path}: annotation {annotation_id}"
    category_id = values.parse_int(where, "category_id", entry.get("category_id"))
    if known is not None:
        require_category(path, annotation_id, category_id, known)
    area = entry.get("area")
    return Annotation(
        id=annotation_id,
        image_id=values.parse_int(where, "image_id", entry.get("image_id")),
        category_id=category_id,
        box=parse_box(where, entry.get("bbox")),
        segmentation=entry.get("segmentation"),
        is_crowd=_parse_crowd(where, entry.get("iscrowd")),
        area=None if area is None else values.parse_number(where, "area", area),
    )


def parse_box(where: str, value: Any) -> Box | None:
    """Check a bbox [x, y, width, height] in pixels; None and [] are none.

    Raises:
      ValueError: not four finite numbers.
    """
    if value is None or value == []:
        return None
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError(f"{where}: bbox is {values.shorten(value)}: give [x, y, width, height] in pixels")
    x, y, width, height = (values.parse_number(where, "bbox", number) for number in value)
    return x, y, width, height


def _parse_crowd(where: str, value: Any) -> bool:
    if value is None:
        return False
    if value in (0, 1, "0", "1"):
        return bool(int(value))
    raise ValueError(f"{where}: iscrowd is {values.shorten(value)}: give 0 or 1")


def require_category(path: str, annotation_id: int, category_id: int, known: set[int]) -> None:
    """Refuse an annotation of a category that is not listed."""
    if category_id not in known:
        raise ValueError(
            f"{path}: annotation {annotation_id}: category_id is {category_id}, which categories does not"
            f" list (it has {values.shorten(sorted(known))}): add the category or correct the id"
        )


def refuse_twice(path: str, field: str, ids: Sequence[int]) -> None:
    """Refuse a list of ids of which one occurs again."""
    if len(set(ids)) == len(ids):
        return
    twice = [i for i, count in collections.Counter(ids).items() if count > 1]
    raise ValueError(
        f"{path}: {field}: {len(twice)} ids occur more than once, the first is {twice[0]}:"
        " give each its own id"
    )
