"""Checks of entries, ids and fields."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from official_yolact.data.checking import columns
from official_yolact.data.checking import findings
from official_yolact.data.checking import view as view_lib
from official_yolact_runtime.files import json_text

Findings = Iterator[findings.Finding]

_READ = {
    "images": ("id", "file_name", "height", "width"),
    "annotations": ("id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd"),
    "categories": ("id", "name"),
}
"""Section to the fields whose numbers other checks judge."""


def check_entries(view: view_lib.View) -> Findings:
    """Find entries that are no objects."""
    for section, foreign in view.foreign.items():
        if foreign:
            listed, shown = view.content[section], foreign[: findings.NUM_NOTED]
            notes = tuple(f"{section}[{at}] is a {type(listed[at]).__name__}" for at in shown)
            yield findings.Finding("D31", section, np.asarray(foreign, np.int64), notes=notes)


def check_ids(view: view_lib.View) -> Findings:
    """Find ids that are missing, unusable, text, or that need a cast."""
    for section in view_lib.SECTIONS:
        ids = view.ids(section)
        yield from findings.where("D24", section, ~ids.usable, "id")
        yield from findings.where("D37", section, ids.states == columns.TEXT, "id")
        yield from findings.where("D23", section, ids.states == columns.CAST, "id")
    zero = view.annotation_ids.usable & (view.annotation_ids.values == 0)
    yield from findings.where("D36", "annotations", zero, "id")


def check_duplicate_ids(view: view_lib.View) -> Findings:
    """Find ids that occur more than once; annotations are marked from their second occurrence on."""
    yield from findings.where("D01", "annotations", view.annotation_ids.later, "id")
    for code, section, field in (("D20", "images", "file_name"), ("D21", "categories", "name")):
        ids = view.ids(section)
        marked = ids.usable & np.isin(ids.values, ids.values[ids.later])
        yield from findings.where(code, section, marked, field)


def check_references(view: view_lib.View) -> Findings:
    """Find annotations whose image or category is missing, unusable or not listed."""
    for field, ids, refs, code in (
        ("image_id", view.image_ids, view.image_refs, "D02"),
        ("category_id", view.category_ids, view.category_refs, "D05"),
    ):
        text = np.array([bool(columns.read_name(v)) for v in view.values("annotations", field)], np.bool_)
        lost = ~refs.usable & text & bool(ids.texts)
        yield from findings.where("D32", "annotations", ~refs.usable & ~lost, field)
        yield from findings.where("D23", "annotations", refs.states == columns.CAST, field)
        yield from findings.where(code, "annotations", lost, field)
    orphan = view.image_refs.usable & (view.image_of < 0)
    yield from findings.where("D02", "annotations", orphan, "image_id")
    unlisted = view.category_refs.usable & (view.category_of < 0)
    yield from findings.where("D05", "annotations", unlisted, "category_id", _list_unknown(view, unlisted))


def check_crowd_field(view: view_lib.View) -> Findings:
    """Find `iscrowd` that is absent or is neither 0 nor 1."""
    yield from findings.where("D33", "annotations", view.crowds == -1, "iscrowd")
    yield from findings.where("D34", "annotations", view.crowds == -2, "iscrowd")


def check_unread_numbers(view: view_lib.View) -> Findings:
    """Find numbers that are NaN or infinite in fields that no other check looks at."""
    for section in view_lib.SECTIONS:
        marked: dict[str, list[int]] = {}
        for at, entry in enumerate(view.entries(section)):
            for field, value in entry.items():
                is_looked_at = isinstance(value, float | list | dict) and field not in _READ[section]
                if is_looked_at and any(json_text.iterate_unfinite(value)):
                    marked.setdefault(field, []).append(at)
        for field, positions in marked.items():
            yield findings.Finding("D38", section, np.asarray(positions, np.int64), field)
    others = {key: value for key, value in view.content.items() if key not in view_lib.SECTIONS}
    places = tuple(f"{place} is {number}" for place, number in json_text.iterate_unfinite(others))
    if places:
        yield findings.Finding("D38", "images", np.arange(len(places)), detail="beside images", notes=places)


def check_category_names(view: view_lib.View) -> Findings:
    """Find names that are missing, or that several ids have."""
    names = np.array(view.names, dtype=np.str_)
    written = np.array([isinstance(name, str) for name in view.values("categories", "name")], np.bool_)
    yield from findings.where("D30", "categories", (names == "") | ~written, "name")
    several = columns.several(np.unique(names, return_inverse=True)[1], view.category_ids.values)
    yield from findings.where("D29", "categories", several & (names != ""), "name")


def check_category_order(view: view_lib.View) -> Findings:
    """Find numberings that other tools stumble over."""
    ids = view.category_ids
    values = ids.values[ids.usable]
    if not values.size:
        return
    yield from findings.where("D26", "categories", ids.usable & (ids.values == 0), "id")
    unique = np.unique(values)
    if unique[-1] - unique[0] != unique.size - 1:
        yield from findings.where(
            "D27", "categories", ids.usable & (ids.values == unique[-1]), "id",
            f"{unique.size} ids from {unique[0]} to {unique[-1]}",
        )  # fmt: skip
    falls = np.zeros(ids.values.size, np.bool_)
    at = np.flatnonzero(ids.usable)
    falls[at[1:]] = np.diff(values) < 0
    yield from findings.where("D28", "categories", falls, "id")


def check_annotation_order(view: view_lib.View) -> Findings:
    """Find annotations that do not follow the order of the images, when images recur."""
    known = np.flatnonzero(view.image_of >= 0)
    starts = known[np.diff(view.image_of[known], prepend=-1) != 0]
    yield from findings.where("D35", "annotations", columns.later(view.image_of, starts), "image_id")


def _list_unknown(view: view_lib.View, unlisted: NDArray[np.bool_]) -> str:
    unknown = np.unique(view.category_refs.values[unlisted])
    return f"unknown ids: {', '.join(map(str, unknown[:5]))}" if unknown.size else ""
