"""Checks of what is listed twice: objects within an image, and names of classes that mean the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import numpy as np

from official_yolact.coco import twins
from official_yolact.data.checking import findings
from official_yolact.data.checking import geometry
from official_yolact.data.checking import outlines
from official_yolact.data.checking import view as view_lib
from official_yolact_runtime import categories as categories_lib

Findings = Iterator[findings.Finding]


def check_objects(view: view_lib.View) -> Findings:
    """Find objects that are listed twice, or under two classes; the later entry is marked."""
    found = find_twins(view)
    for code, is_same in (("D08", True), ("D09", False)):
        pairs = twins.keep_first([pair for pair in found if _is_same_class(view, pair) == is_same])
        if pairs:
            yield _describe_pairs(view, code, pairs)


def check_alike_names(view: view_lib.View) -> Findings:
    """Find class names that differ in case, spaces or Unicode form only."""
    groups = categories_lib.group_alike(filter(None, view.names))
    alike = {name for group in groups for name in group}
    marked = np.array([name in alike for name in view.names], np.bool_)
    renames = [shlex.join(["--rename", f"{name}={group[0]}"]) for group in groups for name in group[1:]]
    yield from findings.where("D39", "categories", marked, "name", " ".join(renames))


def find_twins(view: view_lib.View) -> list[twins.Pair]:
    """Find the entries of one object, by their positions; crowds and what cannot be drawn have none."""
    boxes = np.where(np.isnan(view.outlines.box), geometry.corners(view), view.outlines.box)
    has_mask = view.outlines.kind != outlines.NONE
    known = ~np.isnan(view.canvas).any(axis=1)
    fit = (view.image_of >= 0) & (view.category_of >= 0) & (view.crowds != 1)
    fit &= geometry.drawable(view) | ~has_mask | ~known
    boxes[~fit] = np.nan
    segmentations = view.values("annotations", "segmentation")
    return twins.find(twins.Objects(view.image_of, boxes, segmentations, view.canvas))


def list_copies(view: view_lib.View) -> set[int]:
    """List the entries that are equal to an earlier one of their class, to the pixel of the mask."""
    return {pair.second for pair in find_twins(view) if pair.is_exact and _is_same_class(view, pair)}


def _is_same_class(view: view_lib.View, pair: twins.Pair) -> bool:
    first, second = view.category_of[[pair.first, pair.second]].tolist()
    return bool(first == second or view.names[first] == view.names[second] != "")


def _describe_pairs(view: view_lib.View, code: str, pairs: Sequence[twins.Pair]) -> findings.Finding:
    """Make the finding of the second entries, sorted, of which each note names the first."""
    listed = sorted(pairs, key=lambda pair: pair.second)
    shown = listed[: findings.NUM_NOTED]
    names = [[view.names[view.category_of[at]] for at in (p.first, p.second)] for p in shown]
    ids = [view.annotations[pair.first].get("id") for pair in shown]
    notes = tuple(
        f"is annotation {number}"
        if own == other
        else f"is annotation {number}, there {own!r}, here {other!r}"
        for number, (own, other) in zip(ids, names, strict=True)
    )
    exact = sum(pair.is_exact for pair in pairs)
    detail = f"{exact} with the same mask, {len(pairs) - exact} with nearly the same"
    positions = np.array([pair.second for pair in listed], np.int64)
    return findings.Finding(code, "annotations", positions, "category_id", detail, notes)
