"""The classes of a data set: contiguous ids 1..C-1, category ids of the annotation file, names."""

from __future__ import annotations

import dataclasses
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

FILE_NAME = "categories.json"


@dataclasses.dataclass(frozen=True)
class Categories:
    """Class i (from 1) has category id `ids[i - 1]` and name `names[i - 1]`.

    Attributes:
      ids: category ids of the annotation file, in class order.
      names: names, in class order.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse lists of unequal length, ids that occur twice and names that cannot be shown."""
        if len(self.ids) != len(self.names):
            raise ValueError(f"{len(self.ids)} category ids, but {len(self.names)} names")
        if len(set(self.ids)) != len(self.ids):
            twice = sorted({i for i in self.ids if self.ids.count(i) > 1})
            raise ValueError(f"category ids {twice} occur more than once: give each its own id")
        for i, name in zip(self.ids, self.names, strict=True):
            json_text.refuse_control(name, f"category {i}: name")

    @classmethod
    def from_coco(cls, categories: Iterable[Mapping[str, Any]]) -> Categories:
        """Take the `categories` list of a COCO file; classes follow ascending category id."""
        return cls._join(sorted(read_entries(categories), key=lambda category: category["id"]))

    @classmethod
    def from_list(cls, categories: Iterable[Mapping[str, Any]]) -> Categories:
        """Take a list of categories in its order; raises ValueError as `read_entries`."""
        return cls._join(read_entries(categories))

    @classmethod
    def _join(cls, entries: list[dict[str, Any]]) -> Categories:
        return cls(tuple(entry["id"] for entry in entries), tuple(entry["name"] for entry in entries))

    @classmethod
    def load(cls, path: str) -> Categories:
        """Read what `save` wrote.

        Raises:
          OSError: no such file.
          ValueError: the file does not hold a list of categories.
        """
        with inputs.open_input(path) as file:
            return cls.parse(file.read(), path)

    @classmethod
    def parse(cls, text: str | bytes, where: str) -> Categories:
        """Take what `to_json` made.

        Args:
          text: the JSON.
          where: it comes from, for the message.

        Raises:
          ValueError: the text is not a list of categories.
        """
        content = json_text.parse(text, where)
        try:
            return cls.from_list(content["categories"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{where}: not a list of categories: {error}") from error

    def save(self, path: str, *, force: bool = False) -> None:
        """Write what `to_json` gives; `force` replaces a file that this program did not write."""
        outputs.write(path, self.to_json(), force=force)

    def to_json(self) -> str:
        """Write the list, in class order, as {"categories": [{"id", "name"}, ...]}."""
        return json.dumps({"categories": self.to_coco()}, indent=1)

    def to_coco(self) -> list[dict[str, Any]]:
        """Give the `categories` list of a COCO file, in class order."""
        return [{"id": i, "name": name} for i, name in zip(self.ids, self.names, strict=True)]

    @property
    def num_classes(self) -> int:
        """Number of classes with the background, C."""
        return len(self.ids) + 1

    def class_of(self) -> dict[int, int]:
        """Map category id to class (from 1)."""
        return {category_id: index for index, category_id in enumerate(self.ids, start=1)}

    def name_of(self) -> dict[int, str]:
        """Map category id to name."""
        return dict(zip(self.ids, self.names, strict=True))


def read_entries(listed: Any, where: str = "categories") -> list[dict[str, Any]]:
    """Check the entries of a list of categories, by the one rule for their ids and names.

    Args:
      listed: as a JSON file has it; ids may be whole floats or decimal text.
      where: it stands, for messages.

    Returns:
      For each entry its `id`, an int, and its `name`.

    Raises:
      ValueError: it is no list, or an entry lacks an id of at most 64 bits or a name that can be shown.
    """
    if not isinstance(listed, list | tuple):
        raise ValueError(f"{where} is {values.shorten(listed)}: give a list of {{id, name}}")
    entries = []
    for at, entry in enumerate(listed):
        place = f"{where}[{at}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
            raise ValueError(f"{place} is {values.shorten(entry)}: give it an id and a name")
        refuse_control(entry, place)
        entries.append({"id": values.parse_int(place, "id", entry.get("id")), "name": entry["name"]})
    return entries


def fold_name(name: str) -> str:
    """Write a name so that names which differ in case, spaces or Unicode form only are equal."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(c for c in folded if not c.isspace() and unicodedata.category(c) != "Cf")


def group_alike(names: Iterable[str]) -> list[list[str]]:
    """List the groups of different names that `fold_name` makes equal, each in the order of the names."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(fold_name(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def find_roots(entries: Iterable[tuple[str, Any]]) -> list[bool]:
    """Mark categories that are the supercategory of others and in no group of their own name.

    Args:
      entries: name and supercategory of each, as the file has them.
    """
    listed = list(entries)
    above = {parent for _, parent in listed if isinstance(parent, str)}
    return [name in above and name not in ("", parent) for name, parent in listed]


def refuse_control(entry: Mapping[str, Any], place: str) -> None:
    """Refuse a category whose names no terminal, file name or picture can show.

    Raises:
      ValueError: names the place, the field and the text.
    """
    for field in ("name", "supercategory"):
        if isinstance(entry.get(field), str):
            json_text.refuse_control(entry[field], f"{place}: {field}")


def read_classes(path: str) -> Categories:
    """Read class names from a COCO file, or from text with one name a line (numbered from 1).

    Raises:
      OSError: the file cannot be read.
      ValueError: it holds no names, or a COCO file without usable categories.
    """
    with inputs.open_input(path) as file:
        text = inputs.decode(file.read(), path)
    if text.lstrip().startswith(("{", "[")):
        listed = json_text.parse(text, path)
        try:
            return Categories.from_coco(listed["categories"] if isinstance(listed, dict) else listed)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a COCO file with categories: {error}") from error
    lines = [line.strip() for line in io.StringIO(text, newline=None)]
    for number, line in enumerate(lines, start=1):
        json_text.refuse_control(line, f"{path}: line {number}")
    names = tuple(line for line in lines if line)
    if not names:
        raise ValueError(f"{path}: holds no class names: write one a line")
    return Categories(tuple(range(1, len(names) + 1)), names)


def _number(first: int, text: str) -> Categories:
    names = tuple(name.strip() for name in text.split(","))
    return Categories(tuple(range(first, first + len(names))), names)


def _coco() -> Categories:
    """Name the 80 categories of COCO detection, whose ids leave ten of 1..90 out."""
    names = _number(1, _COCO_NAMES).names
    left_out = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    return Categories(tuple(i for i in range(1, 91) if i not in left_out), names)


_COCO_NAMES = """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,
fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra,
giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite,
baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife,
spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,
potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven,
toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"""

COCO = _coco()
"""The 80 categories of COCO detection."""

PASCAL = _number(
    1,
    """aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,
    person, pottedplant, sheep, sofa, train, tvmonitor""",
)
"""The 20 categories of Pascal VOC, as SBD numbers them."""
