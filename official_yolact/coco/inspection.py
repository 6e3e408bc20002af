"""What is unusual about annotations, in a sentence each: the commands that use a file say it."""

from __future__ import annotations

import collections
import dataclasses
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import box_forms
from official_yolact.coco import segmentations
from official_yolact.coco import twins
from official_yolact_runtime import categories as categories_lib

_NUM_NAMED = 3
"""Examples in a sentence."""

MASKS_WRITTEN = "the boxes of the masks are written in their place; --boxes file keeps those of the file"
MASKS_COUNTED = "the boxes of the masks are counted in their place"
FILE_WRITTEN = "they are written as they are"
FILE_MEASURED = "they are measured as they are; what yolact data convert writes has the boxes of the masks"
"""What is done with boxes that disagree with their masks."""

_NO_BOX = (float("nan"),) * 4

_Ids = tuple[int, int]


@dataclasses.dataclass
class Seen:
    """What was seen of the objects of a file; that of its parts can be added up.

    Attributes:
      objects: category id to number of objects.
      wrong_boxes: boxes that disagree with their masks.
      box_forms: form of boxes to number of the wrong boxes that it explains.
      same_class: ids of two entries of one object and class; the class.
      other_class: ids of two entries of one object, which have two classes.
      photos: digest of a photo's bytes to the names of its files, where files were read.
    """

    objects: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    wrong_boxes: int = 0
    box_forms: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    same_class: list[_Ids] = dataclasses.field(default_factory=list)
    other_class: list[_Ids] = dataclasses.field(default_factory=list)
    photos: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def add_wrong_box(
        self, box: coco_annotations.Box, of_mask: coco_annotations.Box, height: int, width: int
    ) -> None:
        """Note a box that disagrees with that of its mask, in an image of some size."""
        size = np.array([[height, width]], np.float64)
        self.wrong_boxes += 1
        self.box_forms.update(box_forms.count_forms(np.array([box]), box_forms.to_corners([of_mask]), size))

    def add_objects(self, ids: Sequence[int], category_ids: Sequence[int], objects: twins.Objects) -> None:
        """Note objects of whole images, and which are the same object.

        Args:
          ids: of the annotations.
          category_ids: theirs.
          objects: theirs; boxes of crowds are NaN, for none is an object.
        """
        self.objects.update(category_ids)
        found = twins.find(objects)
        of_class = {
            is_same: [p for p in found if (category_ids[p.first] == category_ids[p.second]) == is_same]
            for is_same in (True, False)
        }
        self.same_class += [(ids[p.first], ids[p.second]) for p in twins.keep_first(of_class[True])]
        self.other_class += [(ids[p.first], ids[p.second]) for p in twins.keep_first(of_class[False])]

    def add(self, other: Seen) -> None:
        """Add what was seen of another part of the file."""
        self.objects.update(other.objects)
        self.box_forms.update(other.box_forms)
        self.wrong_boxes += other.wrong_boxes
        self.same_class += other.same_class
        self.other_class += other.other_class
        for digest, names in other.photos.items():
            self.photos.setdefault(digest, []).extend(names)

    def to_dict(self) -> dict[str, Any]:
        """Return the content for JSON."""
        return {
            "objects": sorted(self.objects.items()),
            "wrong_boxes": self.wrong_boxes,
            "box_forms": dict(sorted(self.box_forms.items())),
            "same_class": self.same_class,
            "other_class": self.other_class,
            "photos": self.photos,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Seen:
        """Read what `to_dict` returned."""
        return cls(
            collections.Counter(dict(content["objects"])),
            content["wrong_boxes"],
            collections.Counter(content["box_forms"]),
            [(first, second) for first, second in content["same_class"]],
            [(first, second) for first, second in content["other_class"]],
            content["photos"],
        )


def inspect(
    source: coco_annotations.CocoJson, boxes: str, *, empty_classes: bool = True
) -> tuple[coco_annotations.CocoJson, list[str]]:
    """Say what is unusual about a file that was read.

    Args:
      source: the file; nothing but what it holds is looked at.
      boxes: what is done with boxes that disagree with their masks.
      empty_classes: name the classes without an object.

    Returns:
      The file with the boxes of the masks in place of those that disagree with them, as the conversion
      writes them; and sentences without a stop, none for a usual file.
    """
    seen = Seen()
    source = _replace_boxes(source, seen)
    pairs = [(image, one) for image in source.images for one in source.annotations[image.id]]
    boxes_of = [_find_corners(image, one) for image, one in pairs]
    seen.add_objects(
        [one.id for _, one in pairs],
        [one.category_id for _, one in pairs],
        twins.Objects(
            np.array([image.id for image, _ in pairs], np.int64),
            np.array(boxes_of, np.float64).reshape(-1, 4),
            [one.segmentation for _, one in pairs],
            np.array([(image.height, image.width) for image, _ in pairs], np.float64).reshape(-1, 2),
        ),
    )
    files = collections.Counter(os.path.normpath(image.file_name) for image in source.images)
    if not empty_classes:
        seen.objects.update(source.categories.ids)
    return source, describe(seen, source.categories, source.roots, files, boxes)


def _find_corners(
    image: coco_annotations.Image, annotation: coco_annotations.Annotation
) -> tuple[float, float, float, float]:
    """Find x0, y0, x1, y1 of an object, by its mask where it has no box; NaN for crowds and bad masks."""
    if annotation.is_crowd:
        return _NO_BOX
    if annotation.box is not None:
        x, y, width, height = annotation.box
        return x, y, x + width, y + height
    extent = box_forms.find_extent(annotation.segmentation)
    if extent[0] == extent[0] or image.height is None or image.width is None:
        return extent
    try:
        code, _ = segmentations.to_rle(annotation.segmentation, image.height, image.width, "")
    except (ValueError, OverflowError):
        return _NO_BOX
    x, y, width, height = coco_mask.toBbox(code).tolist()
    return x, y, x + width, y + height


def _replace_boxes(source: coco_annotations.CocoJson, seen: Seen) -> coco_annotations.CocoJson:
    """Replace the boxes that disagree with their masks, in images whose size is stated."""
    entries = [
        (image, at, one, one.box)
        for image in source.images
        for at, one in enumerate(source.annotations[image.id])
        if one.box is not None and segmentations.has_mask(one.segmentation)
    ]
    suspects = box_forms.find_suspects([e[3] for e in entries], [e[2].segmentation for e in entries])
    annotations = dict(source.annotations)
    for image, at, one, box in (entries[suspect] for suspect in suspects):
        if image.height is None or image.width is None:
            continue
        found = _find_box_of_mask(box, one.segmentation, image.height, image.width)
        if found is not None:
            seen.add_wrong_box(box, found, image.height, image.width)
            listed = list(annotations[image.id])
            listed[at] = dataclasses.replace(one, box=found)
            annotations[image.id] = listed
    return dataclasses.replace(source, annotations=annotations)


def _find_box_of_mask(
    box: coco_annotations.Box, given: Any, height: int, width: int
) -> coco_annotations.Box | None:
    """Find the box of a mask with which a box disagrees; a segmentation that is none has no box."""
    try:
        cleaned, _ = segmentations.clean_segmentation(given, height, width, "")
        return box_forms.find_box_of_mask(box, cleaned, height, width) if cleaned else None
    except (ValueError, OverflowError):
        return None


def describe(
    seen: Seen,
    categories: categories_lib.Categories,
    roots: Iterable[str],
    files: Mapping[str, int],
    boxes: str,
) -> list[str]:
    """Say what is unusual.

    Args:
      seen: of all the objects.
      categories: of the file.
      roots: names of categories that are only the supercategory of others.
      files: name of each photo to the number of images that it is listed as.
      boxes: what is done with boxes that disagree with their masks.

    Returns:
      Sentences without a stop.
    """
    lines = []
    if seen.wrong_boxes:
        form = box_forms.name_form(seen.box_forms, seen.wrong_boxes)
        count = _count(seen.wrong_boxes, "box disagrees with its mask", "boxes disagree with their masks")
        lines.append(f"{count}{form and f' ({form})'}: {boxes}")
    return lines + _describe_objects(seen, files) + _describe_classes(seen, categories, set(roots))


def format_notes(path: str, notes: Sequence[str], images_dir: str | None = None) -> list[str]:
    """Name the file in each note, and the command that shows more."""
    images = ["--images", images_dir] if images_dir else []
    command = shlex.join(["yolact", "data", "check", path, *images])
    return [*(f"{path}: {note}" for note in notes), f"{command} shows more"]


def _describe_objects(seen: Seen, files: Mapping[str, int]) -> list[str]:
    lines = []
    if seen.same_class:
        count = _count(len(seen.same_class), "object is", "objects are")
        lines.append(f"{count} listed twice: annotations {_list_pairs(seen.same_class)}")
    if seen.other_class:
        count = _count(len(seen.other_class), "object is", "objects are")
        lines.append(f"{count} listed under two classes: annotations {_list_pairs(seen.other_class)}")
    several = sorted(name for name, number in files.items() if number > 1)
    if several:
        count = _count(len(several), "photo is", "photos are")
        lines.append(
            f"{count} listed as several images, in each of which the objects of the others are background:"
            f" {_list_names(several)}"
        )
    copies = [sorted(set(names)) for _, names in sorted(seen.photos.items()) if len(set(names)) > 1]
    if copies:
        count = _count(len(copies), "photo has", "photos have")
        shown = ", ".join(" and ".join(map(repr, names[:2])) for names in sorted(copies)[:_NUM_NAMED])
        lines.append(f"{count} files of several names with the same bytes: {shown}")
    return lines


def _describe_classes(seen: Seen, categories: categories_lib.Categories, roots: set[str]) -> list[str]:
    lines = []
    counts = collections.Counter(categories.names)
    twice = [name for name, number in counts.items() if number > 1]
    if twice:
        count = _count(len(twice), "class name is that", "class names are those")
        lines.append(f"{count} of several categories: {_list_names(twice)}")
    for names in categories_lib.group_alike(categories.names):
        renames = " ".join(shlex.join(["--rename", f"{name}={names[0]}"]) for name in names[1:])
        lines.append(
            f"the classes {_list_names(names)} differ in case, spaces or Unicode form only: convert with"
            f" {renames} makes them one"
        )
    held = {name for number, name in categories.name_of().items() if seen.objects[number]}
    roots = (roots - held) & set(categories.names)
    if roots:
        count = _count(len(roots), "class is", "classes are")
        lines.append(f"{count} only the supercategory of others: {_list_names(sorted(roots))}")
    empty = [name for name in counts if name not in held | roots]
    if empty and held:
        lines.append(f"{_count(len(empty), 'class has', 'classes have')} no object: {_list_names(empty)}")
    return lines


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _list_pairs(pairs: Sequence[_Ids]) -> str:
    shown = [f"{first} and {second}" for first, second in pairs[:_NUM_NAMED]]
    return ", ".join(shown) + (", ..." if len(pairs) > _NUM_NAMED else "")


def _list_names(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names[:_NUM_NAMED]]
    return ", ".join(shown) + (", ..." if len(names) > _NUM_NAMED else "")
