"""Checks of one split against another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from official_yolact.data import leaks
from official_yolact.data.checking import findings
from official_yolact.data.checking import view as view_lib

Findings = Iterator[findings.Finding]

NEAR_BITS = 2
"""dHashes of 64 bits that differ in so many are taken for the same photo."""

_CHUNK = 2048


def check_names(view: view_lib.View, other: view_lib.View) -> Findings:
    """Find class names that only one split has, and equal names with other ids."""
    ours, theirs = set(filter(None, view.names)), set(filter(None, other.names))
    if ours != theirs:
        here = np.array([bool(name) and name not in theirs for name in view.names], np.bool_)
        missing = sorted(theirs - ours)
        detail = f"only in {other.path}: {_list(missing)}" if missing else ""
        positions = np.flatnonzero(here)
        yield findings.Finding(
            "D06", "categories", positions if positions.size else np.zeros(1, np.int64), "name", detail
        )
    ids: dict[str, set[int]] = {}
    for name, number in zip(other.names, other.category_ids.values.tolist(), strict=True):
        ids.setdefault(name, set()).add(number)
    own = zip(view.names, view.category_ids.values.tolist(), view.category_ids.usable, strict=True)
    moved = np.array(
        [bool(name) and usable and name in ids and number not in ids[name] for name, number, usable in own],
        np.bool_,
    )
    yield from findings.where("D25", "categories", moved, "name")


def check_photos(view: view_lib.View, other: view_lib.View) -> Findings:
    """Find photos that both splits have."""
    ours, others = view.facts, other.facts
    if ours is None or others is None:
        return
    theirs: dict[str, str] = {}
    for facts in others:
        if facts.sha256:
            theirs.setdefault(facts.sha256, facts.name)
    same = np.array([facts.sha256 in theirs for facts in ours], np.bool_)
    near = _find_near([facts.dhash for facts in ours], [facts.dhash for facts in others])
    near[same] = -1
    for code, marked, note in (
        ("D12", same, lambda at: f"is {theirs[ours[at].sha256]} there"),
        ("D13", near >= 0, lambda at: f"is {others[near[at]].name} there"),
    ):
        detail = f"{marked.sum()} of {len(view.images)} images"
        yield from findings.where(code, "images", marked, "file_name", detail, note)


def check_stems(view: view_lib.View, other: view_lib.View) -> Findings:
    """Find photos of one photo or one video in both splits, as their names tell."""
    leak = leaks.find(view.file_names, other.file_names)
    if leak is not None:
        marked = np.array([at in leak.partners for at in range(len(view.images))], np.bool_)
        yield from findings.where(
            "D54",
            "images",
            marked,
            "file_name",
            "; ".join(filter(None, [leak.describe(), leak.option()])),
            lambda at: f"{other.file_names[leak.partners[at]]} is there",
        )


def other_ids(view: view_lib.View, other: view_lib.View) -> dict[int, int]:
    """Map the category ids of a view to those that the other has for the same names.

    Returns:
      The map; empty where the names, or the ids, are not the same, each once, in both.
    """
    own, theirs = (each.category_ids.values.tolist() for each in (view, other))
    are_usable = all(view.names) and view.category_ids.usable.all() and other.category_ids.usable.all()
    are_unique = all(len(set(listed)) == len(listed) for listed in (view.names, own, theirs))
    if sorted(view.names) != sorted(other.names) or not are_usable or not are_unique:
        return {}
    id_of = dict(zip(other.names, theirs, strict=True))
    return {number: id_of[name] for number, name in zip(own, view.names, strict=True)}


def _find_near(ours: list[int | None], theirs: list[int | None]) -> NDArray[np.int64]:
    """Find, for each hash, one of the others that is near; -1 without."""
    found = np.full(len(ours), -1, np.int64)
    mine = np.array([at for at, value in enumerate(ours) if value is not None], np.int64)
    other = np.array([at for at, value in enumerate(theirs) if value is not None], np.int64)
    if not mine.size or not other.size:
        return found
    right = _signs([theirs[at] for at in other])
    for start in range(0, mine.size, _CHUNK):
        rows = mine[start : start + _CHUNK]
        distance = (64 - _signs([ours[at] for at in rows]) @ right.T) / 2
        best = distance.argmin(axis=1)
        near = distance[np.arange(rows.size), best] <= NEAR_BITS
        found[rows[near]] = other[best[near]]
    return found


def _signs(hashes: list[int | None]) -> NDArray[np.float32]:
    """Lay hashes out as rows of 64 signs."""
    raw = b"".join((value or 0).to_bytes(8, "big") for value in hashes)
    bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(-1, 8), axis=1)
    return np.asarray(bits, np.float32) * 2 - 1


def _list(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
