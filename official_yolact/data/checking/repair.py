"""Repairs what findings name, into a new file; the input and the images are never touched.

After a round of repairs the result is checked again, until nothing is left that can be repaired: a
repair may uncover or cause another finding.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from official_yolact.data.checking import account as account_lib
from official_yolact.data.checking import check
from official_yolact.data.checking import checks
from official_yolact.data.checking import codes
from official_yolact.data.checking import file_facts
from official_yolact.data.checking import findings
from official_yolact.data.checking import meaning
from official_yolact.data.checking import mending
from official_yolact.data.checking import splits
from official_yolact.data.checking import view as view_lib
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

_MAX_ROUNDS = 12


@dataclasses.dataclass(frozen=True)
class Repaired:
    """A repaired data set.

    Attributes:
      view: its content.
      found: what remains.
      counts: code to number of repaired entries.
      account: what became of every entry.
    """

    view: view_lib.View
    found: list[findings.Finding]
    counts: dict[str, int]
    account: account_lib.Account


def repair(checked: check.Checked, target: meaning.Target, leave: Iterable[str] = ()) -> Repaired:
    """Repair what can be repaired.

    Args:
      checked: a checked file.
      target: what it is meant for.
      leave: codes that are not repaired.

    Returns:
      The repaired content, checked.

    Raises:
      ValueError: no image or no annotation would be left.
    """
    view, found = checked.view, checked.found
    before = {section: len(view.content[section]) for section in view_lib.SECTIONS}
    account = account_lib.Account(view)
    protected = meaning.names_with_objects(view)
    counts: collections.Counter[str] = collections.Counter()
    allowed = set(codes.CODES) - set(leave)
    for _ in range(_MAX_ROUNDS):
        repaired = _repair_round(view, found, checked.other, allowed, protected, account)
        if not repaired[1]:
            repaired = _write_null(view, allowed)
        if not repaired[1]:
            break
        view = repaired[0]
        counts.update(repaired[1])
        found = checks.run_all(view, target, checked.other)
    after = {section: len(view.content[section]) for section in view_lib.SECTIONS}
    if not (after["images"] and after["annotations"] and after["categories"]):
        cure = f"{checked.view.hint} as --images" if checked.view.hint else "check the images' folder"
        raise ValueError(
            f"{view.path}: the repair would leave {after['images']} images,"
            f" {after['annotations']} annotations and"
            f" {after['categories']} categories of {before['images']}, {before['annotations']} and"
            f" {before['categories']}: nothing is written;"
            f" {cure}, or leave codes with --leave"
        )
    return Repaired(view, found, dict(sorted(counts.items())), account)


def parse_codes(text: str) -> tuple[str, ...]:
    """Split a list of codes.

    Raises:
      ValueError: one of them does not exist.
    """
    listed = tuple(code.strip() for code in text.split(",") if code.strip())
    for code in listed:
        if code not in codes.CODES:
            raise ValueError(f"leave is {text!r}: there is no code {code!r}; docs/codes.md lists them")
    return listed


def write(path: str, content: dict[str, Any], *, inputs: outputs.Inputs = (), force: bool = False) -> None:
    """Write JSON, whole or not at all; `inputs` and `force` as of `files.check`."""
    outputs.write_json(path, content, inputs=inputs, force=force)


def format_summary(repaired: Repaired, path: str, left: list[dict[str, Any]]) -> str:
    """Say what was repaired and what is left."""
    lines = [f"{path}:"]
    lines += [
        f"  repaired {code}: {count}  {codes.CODES[code].title}" for code, count in repaired.counts.items()
    ]
    lines += repaired.account.format()
    rest = [row for row in left if row["severity"] != codes.INFO]
    lines += [f"  left: {row['code']} {row['count']}  {row['title']}: {row['cure']}" for row in rest]
    if not rest:
        lines.append("  no errors or warnings are left")
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode()


def _repair_round(
    view: view_lib.View,
    found: list[findings.Finding],
    other: view_lib.View | None,
    allowed: set[str],
    protected: set[str],
    account: account_lib.Account,
) -> tuple[view_lib.View, collections.Counter[str]]:
    """Apply each repair once; an entry that becomes None is removed."""
    counts: collections.Counter[str] = collections.Counter()
    entries: dict[str, list[Any]] = {name: list(view.entries(name)) for name in view_lib.SECTIONS}
    mender = mending.Mender(view, splits.other_ids(view, other) if other is not None else {}, protected)
    resized: set[int] = set()
    gone: dict[str, dict[int, str]] = {name: {} for name in view_lib.SECTIONS}
    for finding in found:
        mend = mending.MENDS.get(finding.code)
        if finding.code not in allowed:
            continue
        if finding.code == "D31":
            counts["D31"] += finding.count
            account.drop_foreign(finding.section)
        elif mend is not None:
            section = entries[finding.section]
            for at in finding.positions.tolist():
                old = section[at] if at < len(section) else None
                # What is said of geometry was measured against the size that has just been changed.
                if old is None or (_is_geometry(finding) and int(view.image_of[at]) in resized):
                    continue
                section[at] = mend(mender, finding, at, old)
                # 960.0 and 960 are equal, but not to other tools.
                counts[finding.code] += section[at] is not old and (
                    finding.code == "D23" or section[at] != old
                )
                if section[at] is None:
                    gone[finding.section][at] = finding.code
                if finding.section == "images" and _is_resized(old, section[at]):
                    resized.add(at)
    joined = {
        "image_id": mender.joined["images"],
        "category_id": mender.joined["categories"],
    }
    for field, ids in joined.items():
        if ids:
            _rewrite(entries["annotations"], view, field, ids)
    facts = view.facts
    if facts is not None:
        facts = [fact for fact, entry in zip(facts, entries["images"], strict=True) if entry is not None]
        facts = [dataclasses.replace(fact, rule="") for fact in facts] if "D41" in counts else facts
    content = {
        **view.content,
        **{name: _put(view.content[name], listed, "D31" in allowed) for name, listed in entries.items()},
    }
    account.remove(view, gone, mender.merged)
    return view_lib.View(
        view.path, content, facts, _list_unlisted(view, facts, gone["images"]), unread=view.unread
    ), +counts


def _write_null(view: view_lib.View, allowed: set[str]) -> tuple[view_lib.View, collections.Counter[str]]:
    """Write null for what is still NaN or infinite: beside the entries, or in fields that were to be left.

    Raises:
      ValueError: D38 is to be left.
    """
    places = list(json_text.iterate_unfinite(view.content))
    if not places:
        return view, collections.Counter()
    if "D38" not in allowed:
        raise ValueError(
            f"{view.path}: {places[0][0]} is {places[0][1]}, which JSON cannot hold: do not leave D38, which"
            " writes null"
        )
    content = json_text.to_finite(view.content)
    return view_lib.View(
        view.path, content, view.facts, view.unlisted, unread=view.unread
    ), collections.Counter(D38=len(places))


def _put(listed: list[Any], entries: list[Any], objects_only: bool) -> list[Any]:
    """Give a section with its repaired entries, and what is no object where that is to be left."""
    if objects_only:
        return [entry for entry in entries if entry is not None]
    new = iter(entries)
    pairs = [(old, next(new)) if isinstance(old, dict) else (old, old) for old in listed]
    return [entry for old, entry in pairs if entry is not None or old is None]


def _list_unlisted(
    view: view_lib.View, facts: list[file_facts.FileFacts] | None, gone: dict[int, str]
) -> list[str]:
    """List the photos that no image names any more, besides those that none named."""
    left = {os.path.normpath(fact.name) for fact in facts or [] if fact.name}
    names = [view.facts[at].name for at in gone] if view.facts is not None else []
    return sorted({*view.unlisted, *(os.path.normpath(name) for name in names if name)} - left)


def _is_geometry(finding: findings.Finding) -> bool:
    return finding.section == "annotations" and "D60" <= finding.code <= "D79"


def _is_resized(old: Any, new: Any) -> bool:
    return new is not None and any(old.get(side) != new.get(side) for side in ("height", "width"))


def _rewrite(annotations: list[Any], view: view_lib.View, field: str, ids: dict[int, int]) -> None:
    """Let annotations refer to other ids."""
    refs = view.image_refs if field == "image_id" else view.category_refs
    marked = refs.usable & np.isin(refs.values, np.fromiter(ids, np.int64, len(ids)))
    for at in np.flatnonzero(marked):
        if annotations[at] is not None:
            annotations[at] = {**annotations[at], field: ids[int(refs.values[at])]}
