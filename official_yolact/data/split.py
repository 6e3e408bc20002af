"""A data set into parts, without a photo or a group of photos in two of them."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from official_yolact.coco import annotations as coco_annotations
from official_yolact.data import leaks
from official_yolact.data import parts as parts_lib
from official_yolact.images import image_files
from official_yolact_runtime import values
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_FIELD_PREFIX = "field:"


@dataclasses.dataclass(frozen=True)
class Part:
    """One part that was written.

    Attributes:
      name: of the part.
      path: of its COCO instances file.
      images: number of them.
      annotations: number of them, crowds included.
      per_class: number of annotations by category name, every category named.
      absent: names of the classes that other parts have and this one has not.
    """

    name: str
    path: str
    images: int
    annotations: int
    per_class: dict[str, int]
    absent: list[str]


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a split wrote.

    Attributes:
      parts: in the order asked for.
      groups: number of sets of images that had to stay together.
      equal_images: images whose bytes another has too; 0 without a folder of images.
      orphans: annotations of images that are not listed; they are in no part.
      nulled: numbers that were NaN or infinite, for which null is written: JSON has no such numbers.
      leak: what parts have in common by the names of the photos, with the option that keeps it together;
        empty where that is nothing.
    """

    parts: list[Part]
    groups: int
    equal_images: int
    orphans: int
    nulled: int
    leak: str


@dataclasses.dataclass(frozen=True)
class _Group:
    """Images that stay together: their positions in the file, and their annotations by category id."""

    key: str
    images: list[int]
    counts: Mapping[int, int]


def parse_fractions(text: str) -> dict[str, float]:
    """Read `train=0.8,val=0.2`.

    Raises:
      ValueError: not of that form; a name twice or not usable in a file name; a fraction that is
        not above 0; the sum is not 1.
    """
    fractions: dict[str, float] = {}
    for term in text.split(","):
        name, _, number = (piece.strip() for piece in term.partition("="))
        try:
            value = float(number)
        except ValueError as error:
            raise ValueError(
                f"fractions is {text!r}: {term!r} is not NAME=NUMBER, as in train=0.8,val=0.2"
            ) from error
        if not _NAME.fullmatch(name) or name.casefold() in map(str.casefold, fractions):
            raise ValueError(
                f"fractions is {text!r}: {name!r}: give each part a name of letters and digits, which differs"
                " from the others in more than case: some file systems know none"
            )
        parts_lib.refuse_long(name, "fractions: a name")
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"fractions is {text!r}: {name} is {number}: give a number above 0")
        fractions[name] = value
    if abs(sum(fractions.values()) - 1) > 1e-6:
        raise ValueError(f"fractions is {text!r}: the sum is {sum(fractions.values()):g}: it must be 1")
    return fractions


def split_coco(
    annotations: str,
    output_dir: str,
    fractions: Mapping[str, float],
    *,
    group_by: str | None = None,
    images_dir: str | None = None,
    seed: int = 0,
    stratify: bool = True,
    force: bool = False,
) -> Summary:
    """Write `instances_NAME.json` for each part.

    File names, groups, contents and the seed decide the part of an image; the order of the file does not.
    Entries are written as they are, with fields that are unknown here.

    Args:
      annotations: COCO instances JSON.
      output_dir: is made.
      fractions: of the images, by name of the part; they sum to 1.
      group_by: `folder`, `field:NAME` (of the entries in `images`), or a regular expression that is
        searched in file names: what its groups match, or all of the match. None: each image alone.
      images_dir: where byte-identical images are found, which then stay together.
      seed: of the order in which equals are dealt.
      stratify: also divide the annotations of every class by the fractions, rarest class first.
      force: replace files that this program did not write.

    Returns:
      What was written.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, the record, the field, its value and the cure.
    """
    paths = {name: os.path.join(output_dir, f"instances_{name}.json") for name in fractions}
    for path in paths.values():
        outputs.check(path, inputs=[annotations], force=force, root=output_dir)
    source = coco_annotations.read(annotations)
    content = json_text.load(annotations, finite=False)
    nulled = sum(1 for _ in json_text.iterate_unfinite(content))
    content = json_text.to_finite(content) if nulled else content
    keys = _group_keys(source, content["images"], group_by)
    equal: list[str] = _hash_images(source, images_dir) if images_dir else []
    groups = _unite(source, [keys, [image.file_name for image in source.images], equal])
    if len(groups) < len(fractions):
        raise ValueError(
            f"{annotations}: {len(groups)} groups of images cannot fill {len(fractions)} parts:"
            " ask for fewer parts or smaller groups"
        )
    dealt = _deal(groups, fractions, seed, stratify)
    contents = {paths[name]: _choose_entries(source, content, chosen) for name, chosen in dealt.items()}
    parts_lib.write_json(contents, output_dir, inputs=[annotations], force=force)
    parts = [_describe_part(name, paths[name], source, chosen) for name, chosen in dealt.items()]
    written = sum(part.annotations for part in parts) + source.orphans
    assert sum(part.images for part in parts) == len(source.images)
    assert written == len(content["annotations"])
    counted = collections.Counter(equal)
    equals = sum(number for number in counted.values() if number > 1)
    return Summary(parts, len(groups), equals, source.orphans, nulled, _describe_leak(source, dealt))


def _describe_leak(source: coco_annotations.CocoJson, dealt: Mapping[str, Sequence[int]]) -> str:
    names = {part: [source.images[at].file_name for at in chosen] for part, chosen in dealt.items()}
    for part, own in names.items():
        others = [name for other, listed in names.items() if other != part for name in listed]
        leak = leaks.find(own, others)
        if leak is not None:
            return f"{leak.describe()} {part} and another part" + (leak.pattern and f": use {leak.option()}")
    return ""


def _group_keys(source: coco_annotations.CocoJson, entries: Sequence[Any], group_by: str | None) -> list[str]:
    """Name the group of each image; the empty name is none."""
    if group_by is None:
        return []
    if group_by == "folder":
        return [f"folder {os.path.dirname(image.file_name)}" for image in source.images]
    if group_by.startswith(_FIELD_PREFIX):
        name = group_by.removeprefix(_FIELD_PREFIX)
        for image, entry in zip(source.images, entries, strict=True):
            if entry.get(name) is None:
                raise ValueError(
                    f"{source.path}: image {image.id}: {name} is missing: every image needs the field"
                    f" that --group-by {group_by} names"
                )
        return [json.dumps(entry[name], sort_keys=True) for entry in entries]
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise ValueError(f"group-by is {group_by!r}: not a regular expression: {error}") from error
    keys = []
    for image in source.images:
        found = pattern.search(image.file_name)
        if found is None:
            raise ValueError(
                f"{source.path}: image {image.id}: file_name is {image.file_name!r}, in which"
                f" {group_by!r} matches nothing: every image needs a group"
            )
        keys.append(json.dumps(found.groups() or [found.group()]))
    return keys


def _hash_images(source: coco_annotations.CocoJson, images_dir: str) -> list[str]:
    """Name the content of each image; only files of equal length are read."""
    paths = [
        image_files.locate(image, images_dir, f"{source.path}: image {image.id}") for image in source.images
    ]
    lengths = [os.path.getsize(path) for path in paths]
    often = collections.Counter(lengths)
    names = []
    for at, (path, length) in enumerate(zip(paths, lengths, strict=True)):
        if often[length] == 1:
            names.append(f"alone {at}")
            continue
        with open(path, "rb") as file:
            names.append(hashlib.file_digest(file, "sha256").hexdigest())
    return names


def _unite(source: coco_annotations.CocoJson, columns: Sequence[Sequence[str]]) -> list[_Group]:
    """Join images that have a name in common in any column, directly or through others."""
    parent = list(range(len(source.images)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for names in columns:
        first: dict[str, int] = {}
        for at, name in enumerate(names):
            parent[root(at)] = root(first.setdefault(name, at))
    members: dict[int, list[int]] = {}
    for at in range(len(parent)):
        members.setdefault(root(at), []).append(at)
    return [_describe_group(source, positions) for positions in members.values()]


def _describe_group(source: coco_annotations.CocoJson, positions: list[int]) -> _Group:
    images = [source.images[at] for at in positions]
    key = min(f"{image.file_name}\0{image.id}" for image in images)
    return _Group(key, positions, _count_classes(source, [image.id for image in images]))


def _count_classes(source: coco_annotations.CocoJson, image_ids: list[int]) -> collections.Counter[int]:
    """Count the annotations of some images by category id."""
    return collections.Counter(
        annotation.category_id for image_id in image_ids for annotation in source.annotations[image_id]
    )


def _deal(
    groups: list[_Group], fractions: Mapping[str, float], seed: int, stratify: bool
) -> dict[str, list[int]]:
    """Choose the part of each group.

    Source: with `stratify`, iterative stratification: K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the
    stratification of multi-label data", 2011; the classes' shares of instances in place of labels.
    """
    dealer = _Dealer(groups, fractions)
    order = sorted(
        groups,
        key=lambda group: (-len(group.images), hashlib.sha256(f"{seed}\0{group.key}".encode()).digest()),
    )
    if stratify:
        holders = collections.Counter(category for group in groups for category in group.counts)
        for category in sorted(holders, key=lambda category: (holders[category], category)):
            for group in [group for group in order if category in group.counts]:
                dealer.add(group, category)
            order = [group for group in order if category not in group.counts]
    for group in order:
        dealer.add(group, None)
    dealer.fill_empty_parts()
    return {
        name: sorted(at for group in given for at in group.images) for name, given in dealer.given.items()
    }


class _Dealer:
    """Adds each group to the part that lacks most, in turn."""

    def __init__(self, groups: Sequence[_Group], fractions: Mapping[str, float]) -> None:
        images = sum(len(group.images) for group in groups)
        totals: collections.Counter[int] = sum(
            (collections.Counter(group.counts) for group in groups), collections.Counter()
        )
        self.given: dict[str, list[_Group]] = {name: [] for name in fractions}
        self._lack = {name: images * share for name, share in fractions.items()}
        self._lack_of = {
            name: {category: number * share for category, number in totals.items()}
            for name, share in fractions.items()
        }

    def add(self, group: _Group, category: int | None) -> None:
        """Add a group to the part that lacks most of a category, or most images."""

        def lack(name: str) -> tuple[float, float]:
            of_class = 0.0 if category is None else self._lack_of[name][category]
            return round(of_class, 6), round(self._lack[name], 6)

        # Of equals `max` returns the first: the order of the parts decides.
        name = max(self.given, key=lack)
        self.given[name].append(group)
        self._lack[name] -= len(group.images)
        for held, number in group.counts.items():
            self._lack_of[name][held] -= number

    def fill_empty_parts(self) -> None:
        """Move the smallest group of the fullest part to each empty part."""
        for given in self.given.values():
            if not given:
                donor = max(self.given.values(), key=len)
                smallest = min(donor, key=lambda group: (len(group.images), group.key))
                donor.remove(smallest)
                given.append(smallest)


def _choose_entries(
    source: coco_annotations.CocoJson, content: Mapping[str, Any], positions: Sequence[int]
) -> dict[str, Any]:
    """Return the file's content with the images at some positions, and their annotations."""
    ids = {source.images[at].id for at in positions}
    chosen = [
        entry
        for entry in content["annotations"]
        if values.parse_int(source.path, "image_id", entry["image_id"]) in ids
    ]
    rest = {key: value for key, value in content.items() if key not in ("images", "annotations")}
    return {**rest, "images": [content["images"][at] for at in positions], "annotations": chosen}


def _describe_part(name: str, path: str, source: coco_annotations.CocoJson, positions: Sequence[int]) -> Part:
    ids = [source.images[at].id for at in positions]
    held = {annotation.category_id for listed in source.annotations.values() for annotation in listed}
    counts = _count_classes(source, ids)
    names = source.categories.name_of()
    per_class = {name: counts[category_id] for category_id, name in names.items()}
    absent = [names[category_id] for category_id in names if category_id in held and not counts[category_id]]
    return Part(name, path, len(positions), counts.total(), per_class, absent)
