"""The classes of a data set: contiguous ids 1..C-1, category ids of the annotation file, names."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

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
        """Refuse lists of unequal length and ids that occur twice."""
        if len(self.ids) != len(self.names):
            raise ValueError(f"{len(self.ids)} category ids, but {len(self.names)} names")
        if len(set(self.ids)) != len(self.ids):
            twice = sorted({i for i in self.ids if self.ids.count(i) > 1})
            raise ValueError(f"category ids {twice} occur more than once: give each its own id")

    @classmethod
    def from_coco(cls, categories: Iterable[Mapping[str, Any]]) -> Categories:
        """Take the `categories` list of a COCO file; classes follow ascending category id."""
        ordered = sorted(categories, key=lambda category: int(category["id"]))
        return cls(
            tuple(int(category["id"]) for category in ordered),
            tuple(str(category["name"]) for category in ordered),
        )

    @classmethod
    def load(cls, path: str) -> Categories:
        """Read what `save` wrote.

        Raises:
          OSError: no such file.
          ValueError: the file does not hold a list of categories.
        """
        with open(path, encoding="utf-8") as file:
            try:
                listed = json.load(file)["categories"]
                return cls(
                    tuple(int(category["id"]) for category in listed),
                    tuple(str(category["name"]) for category in listed),
                )
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}: not a list of categories: {error}") from error

    def save(self, path: str) -> None:
        """Write the list, in class order, as {"categories": [{"id", "name"}, ...]}."""
        temporary = f"{path}.tmp"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"categories": self.to_coco()}, file, indent=1)
        os.replace(temporary, path)

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
