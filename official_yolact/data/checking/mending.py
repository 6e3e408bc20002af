"""One repair for each code that has one: an entry in, the repaired entry out, None to remove it."""

# ruff: noqa: ARG001  all repairs are called alike

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import segmentations
from official_yolact.coco import spellings
from official_yolact.data.checking import columns
from official_yolact.data.checking import extents
from official_yolact.data.checking import file_facts
from official_yolact.data.checking import findings
from official_yolact.data.checking import geometry
from official_yolact.data.checking import masks
from official_yolact.data.checking import meaning
from official_yolact.data.checking import outlines
from official_yolact.data.checking import repeats
from official_yolact.data.checking import view as view_lib
from official_yolact.images import image_files
from official_yolact_runtime.files import json_text

Entry = dict[str, Any]
Mend = Callable[["Mender", findings.Finding, int, Entry], Entry | None]

_MAX_ID = 2**63 - 1


class Mender:
    """What repairs of one round share.

    Attributes:
      view: the content that was checked.
      other_ids: category id to that of the other split.
      protected: names of classes that had objects before the first round.
      joined: section to ids that are given up, with the ids that take their place.
      merged: section to positions of entries that another, which is kept, stands for.
    """

    def __init__(self, view: view_lib.View, other_ids: dict[int, int], protected: set[str]) -> None:
        """Take the content, the ids of the other split and the names that must stay."""
        self.view, self.other_ids, self.protected = view, other_ids, protected
        self.merged: dict[str, set[int]] = {section: set() for section in view_lib.SECTIONS}
        self.joined: dict[str, dict[int, int]] = {"images": {}, "categories": {}}
        self.files = _normal_names(view)
        self._used: set[int] | None = None
        self._spare = 1

    @functools.cached_property
    def same_file(self) -> dict[str, list[int]]:
        """Positions of the images of each file."""
        return _group(self.files, [bool(name) for name in self.files])

    @functools.cached_property
    def same_name(self) -> dict[str, list[int]]:
        """Positions of the categories of each name."""
        return _group(self.view.names, [bool(name) for name in self.view.names])

    @functools.cached_property
    def copies(self) -> set[int]:
        """Positions of the annotations that say what an earlier one says."""
        return repeats.list_copies(self.view)

    @functools.cached_property
    def has_objects(self) -> list[bool]:
        """Which categories have objects."""
        return [bool(has) for has in meaning.with_objects(self.view)]

    @functools.cached_property
    def same_id(self) -> dict[str, dict[int, list[int]]]:
        """Section to positions of the entries of each id."""
        sections = {name: self.view.ids(name) for name in ("images", "categories")}
        return {name: _group(ids.values.tolist(), ids.usable.tolist()) for name, ids in sections.items()}

    @functools.cached_property
    def extents(self) -> extents.Extents:
        """How far the annotations of each image reach."""
        return extents.measure(self.view)

    def is_evident(self, image: int, height: int, width: int) -> bool:
        """Tell whether annotations were made on the file and not on a copy of the stated size."""
        stated = (float(self.view.stated_sides[image, 0]), float(self.view.stated_sides[image, 1]))
        # Nobody annotates a copy of more pixels than can be opened, or one that is only turned.
        wrong = stated == (width, height) or stated[0] * stated[1] > image_files.MAX_PIXELS
        fit = self.extents.fit
        return fit(image, height, width) and (wrong or not fit(image, *stated))

    def join(self, section: str, at: int, first: int, entry: Entry) -> Entry | None:
        """Give an entry up for the first of its kind, where both have an id of their own."""
        ids = self.view.ids(section)
        if at == first or not ids.usable[[at, first]].all():
            return entry
        own, other = int(ids.values[at]), int(ids.values[first])
        if len(self.same_id[section][own]) > 1 or len(self.same_id[section][other]) > 1:
            return entry
        self.joined[section][own] = other
        return self.merge(section, at)

    def merge(self, section: str, at: int) -> Entry | None:
        """Give an entry up that another stands for."""
        self.merged[section].add(at)
        return None

    def new_annotation_id(self) -> int:
        """Give an id that no annotation has."""
        if self._used is None:
            self._used = set(self.view.annotation_ids.values.tolist())
            self._spare = max([0, *(i for i in self._used if i < _MAX_ID)]) + 1
            if self._spare + len(self._used) > _MAX_ID:
                self._spare = 1
        while self._spare in self._used:
            self._spare += 1
        self._used.add(self._spare)
        return self._spare

    def mask(self, at: int, entry: Entry) -> tuple[float, coco_annotations.Box] | None:
        """Measure the mask of an annotation."""
        canvas = self.view.canvas[at]
        if np.isnan(canvas).any():
            return None
        return masks.measure(entry.get("segmentation"), int(canvas[0]), int(canvas[1]))


def _remove(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> None:
    return None


def _remove_copy(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    """Remove an entry of an object whose first entry, of the same class and mask, stays."""
    return mender.merge("annotations", at) if at in mender.copies else entry


def _remove_root(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    """Remove a root; a class that only lost its objects stays, in a group of its own."""
    name = mender.view.names[at]
    return {**entry, "supercategory": name} if name in mender.protected else None


def _remove_too_large(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    """Remove an image whose file has too many pixels; a size that is only stated is no fault of the photo."""
    facts = mender.view.facts
    is_file = facts is not None and facts[at].state == file_facts.TOO_LARGE
    return None if is_file else _without(entry, "height", "width")


def _renumber(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    return {**entry, "id": mender.new_annotation_id()}


def _number_or_remove(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    return _renumber(mender, finding, at, entry) if finding.section == "annotations" else None


def _cast(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    view, field = mender.view, finding.field
    if entry.get(field) is not view.entries(finding.section)[at].get(field):
        # Another repair of this round has written it already.
        return entry
    if field == "segmentation":
        return _write_as_coco(mender, finding, at, entry)
    if field == "id":
        value = view.ids(finding.section).values[at]
    elif field in ("height", "width"):
        value = view.sides[0][at, ("height", "width").index(field)]
    else:
        value = (view.image_refs if field == "image_id" else view.category_refs).values[at]
    return {**entry, field: int(value)}


def _number_text(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    number = int(mender.view.ids(finding.section).values[at])
    if finding.section in mender.joined:
        mender.joined[finding.section][number] = number
    return {**entry, "id": number}


def _join_images(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    """Keep the first entry of a file and size; the annotations of the others go to it."""
    sides = mender.view.drawn_sides
    same = mender.same_file[mender.files[at]]
    # Objects that were drawn on another size would be lost, or lie wrongly.
    first = next(each for each in same if np.array_equal(sides[each], sides[at], equal_nan=True))
    return mender.join("images", at, first, entry)


def _join_categories(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    """Keep the first category of a name that has objects; the annotations of the others go to it."""
    same = mender.same_name[mender.view.names[at]]
    first = next((each for each in same if mender.has_objects[each]), same[0])
    return mender.join("categories", at, first, entry)


def _tell_images_apart(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    """Keep the first of entries that say the same; remove all that share an id but name other files."""
    sharing = mender.same_id["images"][int(mender.view.image_ids.values[at])]
    if len({mender.files[other] for other in sharing}) > 1:
        return None
    return entry if sharing[0] == at else mender.merge("images", at)


def _tell_categories_apart(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    sharing = mender.same_id["categories"][int(mender.view.category_ids.values[at])]
    same = len({mender.view.names[other] for other in sharing}) == 1
    return mender.merge("categories", at) if same and sharing[0] != at else entry


def _take_other_id(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    number = int(mender.view.category_ids.values[at])
    if number not in mender.other_ids:
        return entry
    mender.joined["categories"][number] = mender.other_ids[number]
    return {**entry, "id": mender.other_ids[number]}


def _take_file_size(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    """Write the file's size, of a wrong size only where the annotations fit in it."""
    facts = mender.view.facts
    if facts is None or facts[at].state != file_facts.FOUND or min(facts[at].upright) < 1:
        return _without(entry, "height", "width") if finding.code == "D51" and facts is None else entry
    height, width = facts[at].upright
    stated = mender.view.sides[0][at]
    agree = (np.isnan(stated) | (stated == (height, width))).all()
    if not agree and not mender.is_evident(at, height, width):
        return entry
    return {**entry, "height": height, "width": width}


def _take_found_name(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    facts = mender.view.facts
    return {**entry, "file_name": facts[at].name} if facts is not None else entry


def _name_category(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    if mender.view.names[at]:
        return {**entry, "name": mender.view.names[at]}
    if not mender.view.category_ids.usable[at]:
        return entry
    name = f"category_{mender.view.category_ids.values[at]}"
    # A name that is taken would make two classes one.
    while name in mender.same_name:
        name += "_"
    return {**entry, "name": name}


def _write_null(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    """Write null for numbers of a field; what stands beside the entries has none."""
    field = finding.field
    return {**entry, field: json_text.to_finite(entry[field])} if field in entry else entry


def _no_crowd(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    return {**entry, "iscrowd": 0}


def _keep_good_parts(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    """Keep the polygons that enclose something, are finite and near the image."""
    parts = spellings.as_coco(entry.get("segmentation"))
    if not isinstance(parts, list):
        return None
    canvas = mender.view.canvas[at]
    good = [part for part in parts if _is_good(part, canvas)]
    return {**entry, "segmentation": good} if good else None


def _write_as_coco(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    size = [None if np.isnan(side) else int(side) for side in mender.view.canvas[at]]
    return {**entry, "segmentation": spellings.as_coco(entry["segmentation"], *size)}


def _take_from_mask(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    """Take the box or area of the mask; without a mask a field that is wrong goes, others stay."""
    measured, field = mender.mask(at, entry), finding.field
    if measured is not None:
        return {**entry, field: {"area": measured[0], "bbox": list(measured[1])}[field]}
    return entry if finding.code in ("D71", "D73", "D75") else _without(entry, field)


def _clip_box(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry:
    corners = geometry.corners(mender.view)[at]
    height, width = mender.view.canvas[at]
    x0, y0 = max(corners[0], 0.0), max(corners[1], 0.0)
    x1, y1 = min(corners[2], width), min(corners[3], height)
    if not (x0 < x1 and y0 < y1):
        return entry
    # A sum of floats may be a digit more than the side.
    box_width, box_height = x1 - x0, y1 - y0
    while x0 + box_width > width:
        box_width = float(np.nextafter(box_width, 0))
    while y0 + box_height > height:
        box_height = float(np.nextafter(box_height, 0))
    return {**entry, "bbox": [float(v) for v in (x0, y0, box_width, box_height)]}


def _mend_numbers(mender: Mender, finding: findings.Finding, at: int, entry: Entry) -> Entry | None:
    mend = _keep_good_parts if finding.field == "segmentation" else _take_from_mask
    return mend(mender, finding, at, entry)


def _is_good(part: Any, canvas: columns.Floats) -> bool:
    if not outlines.is_part(part) or len(part) < outlines.MIN_NUMBERS:
        return False
    numbers = columns.as_floats(part)
    if not np.isfinite(numbers).all():
        return False
    if np.isnan(canvas).any():
        return True
    sides = np.tile(canvas[::-1], len(part) // 2)
    reach = segmentations.MAX_OVERHANG
    return bool(((numbers >= -reach * sides) & (numbers <= (reach + 1) * sides)).all())


def _without(entry: Entry, *fields: str) -> Entry:
    return {key: value for key, value in entry.items() if key not in fields}


def _group(keys: Iterable[Any], usable: Iterable[bool]) -> dict[Any, list[int]]:
    """Map each key to its positions."""
    groups: dict[Any, list[int]] = {}
    for at, (key, is_usable) in enumerate(zip(keys, usable, strict=True)):
        if is_usable:
            groups.setdefault(key, []).append(at)
    return groups


def _normal_names(view: view_lib.View) -> list[str]:
    """Name the file of each image in one way."""
    found = view.file_names
    if view.facts is not None:
        found = [fact.name or name for fact, name in zip(view.facts, found, strict=True)]
    return [os.path.normpath(name) if name else "" for name in found]


_CODES_OF: dict[Mend, str] = {
    _renumber: "D01 D36",
    _remove: "D02 D03 D05 D32 D40 D42 D43 D44 D52 D64 D67 D68 D69 D77",
    _take_file_size: "D04 D50 D51",
    _no_crowd: "D07 D33 D34",
    _remove_copy: "D08",
    _remove_root: "D18",
    _tell_images_apart: "D20",
    _tell_categories_apart: "D21",
    _join_images: "D22",
    _cast: "D23",
    _number_or_remove: "D24",
    _take_other_id: "D25",
    _join_categories: "D29",
    _name_category: "D30",
    _number_text: "D37",
    _write_null: "D38",
    _take_found_name: "D41",
    _remove_too_large: "D47",
    _keep_good_parts: "D60 D65",
    _mend_numbers: "D61 D62",
    _clip_box: "D63 D78",
    _write_as_coco: "D66",
    _take_from_mask: "D70 D71 D72 D73 D74 D75 D76",
}

MENDS = {code: mend for mend, listed in _CODES_OF.items() for code in listed.split()}
"""Code to repair; the others need a decision."""
