"""Checks of file names, sizes and, where they were looked at, files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from official_yolact.data.checking import columns
from official_yolact.data.checking import extents
from official_yolact.data.checking import file_facts
from official_yolact.data.checking import findings
from official_yolact.data.checking import view as view_lib
from official_yolact.images import image_files
from official_yolact.images import image_folders

Findings = Iterator[findings.Finding]

_CODE_OF_STATE = {
    file_facts.MISSING: "D40",
    file_facts.OUTSIDE: "D42",
    file_facts.UNREADABLE: "D43",
    file_facts.TRUNCATED: "D44",
    file_facts.TOO_LARGE: "D47",
}


def check_names(view: view_lib.View) -> Findings:
    """Find file names that are missing or unusable, and names that lead elsewhere by themselves."""
    unusable = np.array([not name for name in view.file_names], np.bool_)
    yield from findings.where("D52", "images", unusable, "file_name")
    if view.facts is None:
        outside = np.array([_climbs(name) for name in view.file_names], np.bool_)
        yield from findings.where("D42", "images", outside, "file_name", "judged by the name alone")


def check_stated_sizes(view: view_lib.View) -> Findings:
    """Find sizes that are absent, unusable, need a cast, or are too large."""
    sides, states = view.sides
    yield from findings.where("D50", "images", (states == columns.ABSENT).any(axis=1), "file_name")
    for column, field in enumerate(("height", "width")):
        yield from findings.where("D51", "images", states[:, column] == columns.BAD, field)
        yield from findings.where("D23", "images", states[:, column] == columns.CAST, field)
    large = sides[:, 0] * sides[:, 1] > image_files.MAX_PIXELS
    if view.facts:
        # What is stated of a file whose pixels are known is compared with them, and the file alone judged.
        large &= _mark(
            view.facts, lambda facts: min(facts.stored) < 1 and facts.state != file_facts.TOO_LARGE
        )
    detail = f"stated; more than {image_files.MAX_PIXELS} pixels"
    yield from findings.where("D47", "images", large, "height", detail)


def check_files(view: view_lib.View) -> Findings:
    """Find files that are not there or cannot be used, and names found by a rule only."""
    facts = view.facts
    if not facts:
        return
    named = np.array([bool(name) for name in view.file_names], np.bool_)
    states = np.array([each.state for each in facts])
    for state, code in _CODE_OF_STATE.items():
        hint = view.hint if code == "D40" else ""
        marked = named & (states == state)
        yield from findings.where(code, "images", marked, "file_name", hint, lambda at: facts[at].reason)
    rules = sorted({f.rule for f in facts if f.rule})
    detail = "; ".join(filter(None, ["rules: " + "; ".join(rules), view.hint]))
    yield from findings.where(
        "D41",
        "images",
        _mark(facts, lambda f: bool(f.rule)),
        "file_name",
        detail,
        lambda at: f"{facts[at].name} by {facts[at].rule}",
    )


def check_formats(view: view_lib.View) -> Findings:
    """Find formats that the name hides, or that conversion encodes anew."""
    facts = view.facts or []
    lying = _mark(facts, lambda f: f.state == file_facts.FOUND and f.lying_suffix)
    yield from findings.where("D45", "images", lying, "file_name", note=lambda at: f"is {facts[at].format}")
    other = _mark(facts, lambda f: f.state == file_facts.FOUND and f.is_transcoded)
    kinds = sorted({f"{facts[at].format} {facts[at].mode}" for at in np.flatnonzero(other)})
    yield from findings.where("D48", "images", other, "file_name", ", ".join(kinds))
    most = max((each.bits for each in facts), default=0)
    dark = _mark(facts, lambda f: bool(f.bits)) & (0 < most < 16)
    yield from findings.where("D55", "images", dark, "file_name", f"at most {most}: --bit-depth {most}")


def check_sizes(view: view_lib.View) -> Findings:
    """Find sizes that are not the file's, and EXIF orientation."""
    if view.facts is None:
        return
    wrong, as_stored, turned = (np.zeros(len(view.images), np.bool_) for _ in range(3))
    for at, (facts, sides) in enumerate(zip(view.facts, view.stated_sides, strict=True)):
        if facts.state != file_facts.FOUND or min(facts.stored) < 1:
            continue
        stated = tuple(sides)
        if stated == facts.upright:
            turned[at] = facts.orientation != 1
        elif stated == facts.stored:
            as_stored[at] = True
        else:
            wrong[at] = True
    drawn_upright = _find_drawn_upright(view, as_stored)
    wrong, as_stored = wrong | drawn_upright, as_stored & ~drawn_upright
    notes = {
        at: _compare(tuple(view.stated_sides[at]), view.facts[at]) for at in np.flatnonzero(wrong).tolist()
    }
    swapped = sum(note.endswith("swapped") for note in notes.values())
    detail = f"{swapped} are swapped" if swapped else ""
    yield from findings.where("D04", "images", wrong, "height", detail, notes.__getitem__)
    yield from findings.where("D46", "images", as_stored, "file_name")
    yield from findings.where("D49", "images", turned, "file_name")


def _find_drawn_upright(view: view_lib.View, as_stored: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark images that state the size of the stored photo, but whose objects were drawn on the upright one.

    One image tells by objects that fit one of the two only. Where objects fit both, the rest of the set
    decides: it came from one tool.
    """
    marked = np.zeros_like(as_stored)
    if not as_stored.any() or not view.facts:
        return marked
    found = extents.measure(view)
    fits = {
        at: (found.fit(at, *view.facts[at].stored), found.fit(at, *view.facts[at].upright))
        for at in np.flatnonzero(as_stored).tolist()
        if view.facts[at].stored != view.facts[at].upright
    }
    if (False, True) in fits.values() and (True, False) not in fits.values():
        marked[[at for at, (_, upright) in fits.items() if upright]] = True
    return marked


def check_same_file(view: view_lib.View) -> Findings:
    """Find files that several image ids name, and photos that lie under several names."""
    found = [f.name if f.state != file_facts.MISSING else "" for f in view.facts] if view.facts else None
    names = np.array([os.path.normpath(n) if n else "" for n in found or view.file_names], dtype=np.str_)
    ids = view.image_ids.values
    groups = np.unique(names, return_inverse=True)[1]
    yield from findings.where("D22", "images", (names != "") & columns.several(groups, ids), "file_name")
    if view.facts:
        hashes = np.array([f.sha256 for f in view.facts], dtype=np.str_)
        same = (hashes != "") & _recurs(hashes) & ~(_recurs(names) & (names != ""))
        yield from findings.where("D14", "images", same, "file_name")


def check_unlisted(view: view_lib.View) -> Findings:
    """Find photos of the folder that no image names, and pictures there that are not read."""
    if view.unread:
        kinds = image_folders.list_kinds(view.unread)
        yield findings.Finding("D56", "images", np.arange(sum(view.unread.values())), detail=kinds)
    if view.unlisted:
        count = len(view.unlisted)
        yield findings.Finding(
            "D53", "images", np.arange(count), notes=tuple(view.unlisted[: findings.NUM_NOTED])
        )


def _mark(
    facts: list[file_facts.FileFacts], test: Callable[[file_facts.FileFacts], bool]
) -> NDArray[np.bool_]:
    return np.array([test(fact) for fact in facts], np.bool_)


def _climbs(name: str) -> bool:
    return os.path.isabs(name) or os.path.normpath(name.replace("\\", "/")).split("/")[0] == ".."


def _compare(stated: tuple[float, ...], facts: file_facts.FileFacts) -> str:
    text = (
        f"stated {stated[0]:.0f}x{stated[1]:.0f}, file {facts.upright[0]}x{facts.upright[1]} (height x width)"
    )
    return f"{text}, swapped" if tuple(stated)[::-1] == facts.upright else text


def _recurs(values: NDArray[np.str_]) -> NDArray[np.bool_]:
    if not values.size:
        return np.zeros(0, np.bool_)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] > 1)
