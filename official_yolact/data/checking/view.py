"""A COCO JSON as flat arrays beside its raw entries: tolerant of everything, so that checks are short."""

from __future__ import annotations

import dataclasses
import functools
import gc
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import other_formats
from official_yolact.data.checking import columns
from official_yolact.data.checking import file_facts
from official_yolact.data.checking import outlines as outlines_lib
from official_yolact.images import image_files
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

Entry = dict[str, Any]
SECTIONS = ("images", "annotations", "categories")


@dataclasses.dataclass(frozen=True)
class Ids:
    """The ids of a section: values int64 [N] and states uint8 [N] of `columns`."""

    values: columns.Ints
    states: columns.States
    texts: dict[str | int, int]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which entries have an id, after a cast perhaps."""
        return np.asarray((self.states != columns.ABSENT) & (self.states != columns.BAD))

    @property
    def later(self) -> NDArray[np.bool_]:
        """Which entries have an id that an earlier one has."""
        return columns.later(self.values, np.flatnonzero(self.usable))


class View:
    """A parsed file; entries that are no objects are left out and counted in `foreign`.

    Attributes:
      path: for messages.
      content: the file as it is.
      images: entries.
      annotations: entries.
      categories: entries.
      foreign: section to positions, in the file, of what is no object.
      facts: of the files of the images, None where files are not looked at.
      unlisted: photos of the folder that no image names.
      unread: number of the folder's picture files that are not read, by suffix.
      hint: which folder was meant, where another one fits better.
    """

    def __init__(
        self,
        path: str,
        content: dict[str, Any],
        facts: list[file_facts.FileFacts] | None = None,
        unlisted: list[str] | None = None,
        hint: str = "",
        unread: Mapping[str, int] | None = None,
    ) -> None:
        """Take what `load` returned, and facts for each entry of `images` that is an object."""
        self.path, self.content = path, content
        self.facts, self.unlisted, self.hint = facts, unlisted or [], hint
        self.unread = unread or {}
        self.foreign: dict[str, list[int]] = {}
        for section in SECTIONS:
            listed = content.get(section)
            entries = listed if isinstance(listed, list) else []
            self.foreign[section] = [at for at, entry in enumerate(entries) if not isinstance(entry, dict)]
            if self.foreign[section]:
                entries = [entry for entry in entries if isinstance(entry, dict)]
            setattr(self, section, entries)
        self.images: list[Entry]
        self.annotations: list[Entry]
        self.categories: list[Entry]

    def entries(self, section: str) -> list[Entry]:
        """Give the entries of a section."""
        found: list[Entry] = getattr(self, section)
        return found

    def ids(self, section: str) -> Ids:
        """Give the ids of a section."""
        found: Ids = getattr(self, f"{section[:-1] if section != 'categories' else 'category'}_ids")
        return found

    def values(self, section: str, field: str) -> list[Any]:
        """Give a field of every entry, None where it is absent."""
        return [entry.get(field) for entry in self.entries(section)]

    @functools.cached_property
    def image_ids(self) -> Ids:
        """Ids of the images."""
        return _read_ids(self.values("images", "id"))

    @functools.cached_property
    def annotation_ids(self) -> Ids:
        """Ids of the annotations."""
        return _read_ids(self.values("annotations", "id"))

    @functools.cached_property
    def category_ids(self) -> Ids:
        """Ids of the categories."""
        return _read_ids(self.values("categories", "id"))

    @functools.cached_property
    def image_refs(self) -> Ids:
        """`image_id` of the annotations."""
        return _read_ids(self.values("annotations", "image_id"), self.image_ids.texts)

    @functools.cached_property
    def category_refs(self) -> Ids:
        """`category_id` of the annotations."""
        return _read_ids(self.values("annotations", "category_id"), self.category_ids.texts)

    @functools.cached_property
    def image_of(self) -> columns.Ints:
        """Position of each annotation's image, -1 without."""
        found = columns.find(self.image_ids.values, self.image_ids.usable, self.image_refs.values)
        return np.where(self.image_refs.usable, found, -1)

    @functools.cached_property
    def category_of(self) -> columns.Ints:
        """Position of each annotation's category, -1 without."""
        found = columns.find(self.category_ids.values, self.category_ids.usable, self.category_refs.values)
        return np.where(self.category_refs.usable, found, -1)

    @functools.cached_property
    def sides(self) -> tuple[columns.Floats, columns.States]:
        """Stated height and width of the images [N, 2], NaN without, and states [N, 2]."""
        read = [columns.integers(self.values("images", field)) for field in ("height", "width")]
        states = np.stack([states for _, states in read], axis=1)
        numbers = np.stack([numbers for numbers, _ in read], axis=1).astype(np.float64)
        states[(numbers < 1) & (states <= columns.CAST)] = columns.BAD
        return np.where(states <= columns.CAST, numbers, np.nan), states

    @functools.cached_property
    def stated_sides(self) -> columns.Floats:
        """Height and width [N, 2] that are stated, else the file's, NaN without."""
        return self._fill(self.sides[0].copy())

    @functools.cached_property
    def drawn_sides(self) -> columns.Floats:
        """Height and width [N, 2] that the annotations of an image have: stated, if any photo has so many."""
        sides = self.stated_sides.copy()
        sides[sides[:, 0] * sides[:, 1] > image_files.MAX_PIXELS] = np.nan
        return self._fill(sides)

    def _fill(self, sides: columns.Floats) -> columns.Floats:
        """Put the files' sides where there are none."""
        for at in np.flatnonzero(np.isnan(sides).any(axis=1)) if self.facts else ():
            upright = np.asarray(self.facts[at].upright, np.float64) if self.facts else np.zeros(2)
            if upright.min() > 0:
                sides[at] = np.where(np.isnan(sides[at]), upright, sides[at])
        return sides

    @functools.cached_property
    def canvas(self) -> columns.Floats:
        """Height and width [N, 2] of each annotation's image, NaN where it is not known."""
        if not len(self.images):
            return np.full((len(self.annotations), 2), np.nan)
        return np.where(self.image_of[:, np.newaxis] >= 0, self.drawn_sides[self.image_of], np.nan)

    @functools.cached_property
    def boxes(self) -> tuple[columns.Floats, columns.States]:
        """Boxes of the annotations [N, 4] as x, y, width, height, and states [N]."""
        return columns.boxes(self.values("annotations", "bbox"))

    @functools.cached_property
    def areas(self) -> tuple[columns.Floats, columns.States]:
        """Areas of the annotations [N] and states [N]."""
        return columns.floats(self.values("annotations", "area"))

    @functools.cached_property
    def crowds(self) -> columns.Ints:
        """`iscrowd` of the annotations [N]: 0, 1, -1 absent, -2 neither."""
        meanings = {0: 0, 1: 1, "0": 0, "1": 1}
        listed = self.values("annotations", "iscrowd")
        return np.array(
            [
                -1 if v is None else meanings.get(v, -2) if isinstance(v, (int, float, str)) else -2
                for v in listed
            ],
            np.int64,
        )

    @functools.cached_property
    def outlines(self) -> outlines_lib.Outlines:
        """Measures of the segmentations."""
        return outlines_lib.measure(self.values("annotations", "segmentation"), self.canvas)

    @functools.cached_property
    def file_names(self) -> list[str]:
        """File names of the images, empty where there is none that can be used."""
        listed = [coco_annotations.find_name(entry) for entry in self.images]
        return [
            value if isinstance(value, str) and not json_text.has_control(value) else "" for value in listed
        ]

    @functools.cached_property
    def names(self) -> list[str]:
        """Names of the categories, also those in another spelling, empty where there is none."""
        names = [values.parse_name(name) for name in self.values("categories", "name")]
        return ["" if json_text.has_control(name) else name for name in names]


def load(path: str) -> tuple[dict[str, Any], str]:
    """Read a JSON file that might be COCO's.

    Args:
      path: the file.

    Returns:
      Its content, in which `images`, `annotations` and `categories` are lists, and the sha256 of its
      bytes.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is no such JSON.
    """
    with other_formats.named(path):
        content, sha256 = _load(path)
    first = content["annotations"][:1]
    if any(isinstance(entry, dict) and not {"segmentation", "category_id"} & entry.keys() for entry in first):
        other_formats.refuse(path)
    return content, sha256


def _load(path: str) -> tuple[dict[str, Any], str]:
    text, sha256 = _read_text(path)
    # A million small objects are made, none of them garbage.
    collecting = gc.isenabled()
    gc.disable()
    try:
        content = json_text.parse(text, path, finite=False)
    except MemoryError as error:
        raise ValueError(f"{path}: larger than the memory: export the annotations in parts") from error
    finally:
        if collecting:
            gc.enable()
    content = coco_annotations.check_object(path, content)
    for section in SECTIONS:
        coco_annotations.check_list(path, content, section)
    for at, entry in enumerate(content["categories"]):
        if isinstance(entry, dict):
            categories_lib.refuse_control(entry, f"{path}: categories[{at}]")
    return content, sha256


def _read_text(path: str) -> tuple[str, str]:
    """Read a file's text and the sha256 of its bytes; the bytes go before the JSON is parsed."""
    with inputs.open_input(path) as file:
        data = file.read()
    return inputs.decode(data, path, "JSON"), hashlib.sha256(data).hexdigest()


def _read_ids(listed: list[Any], texts: dict[str | int, int] | None = None) -> Ids:
    """Read ids, or references to ids, of which `texts` are the numbers of those that are text."""
    numbers, states = columns.integers(listed)
    if texts is None:
        texts = columns.texts_to_numbers(listed, numbers, states)
    columns.number_texts(listed, numbers, states, texts)
    return Ids(numbers, states, texts)
