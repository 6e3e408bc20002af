"""What became of every entry of a file that is repaired: kept, or removed, and for which finding."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

from official_yolact.data.checking import codes
from official_yolact.data.checking import view as view_lib

LARGE_SHARE = 0.1
"""Of images or objects: to remove more needs consent."""

_WORDS = {"images": "images", "annotations": "objects", "categories": "classes"}
_CURES = {"D40": "is --images the folder of these photos? Give the one that holds them"}
_LOOK = "look at the first of them above, and export the annotations again"


@dataclasses.dataclass
class Section:
    """Entries of one section.

    Attributes:
      total: number in the input.
      origins: position in the input of each entry that is left.
      removed: position in the input to the code that removed it.
      joined: those of them that say what another entry says that is kept, or went into one.
    """

    total: int
    origins: list[int]
    removed: dict[int, str] = dataclasses.field(default_factory=dict)
    joined: set[int] = dataclasses.field(default_factory=set)

    @property
    def lost(self) -> int:
        """Number of entries that are gone."""
        return len(self.removed) - len(self.joined)

    def reasons(self) -> dict[str, int]:
        """Count the removed entries by code, the most frequent first."""
        return dict(collections.Counter(self.removed.values()).most_common())


class Account:
    """Follows the entries of a file through rounds of repairs."""

    def __init__(self, view: view_lib.View) -> None:
        """Begin with the input."""
        self.path, self._hint = view.path, view.hint
        self.sections: dict[str, Section] = {}
        for name in view_lib.SECTIONS:
            foreign = set(view.foreign[name])
            total = len(view.content[name])
            self.sections[name] = Section(total, [at for at in range(total) if at not in foreign])
        self._foreign = {name: list(at) for name, at in view.foreign.items()}
        self._orphaned: dict[int, str] = {}

    def drop_foreign(self, name: str) -> None:
        """Note that entries that are no objects are removed."""
        self.sections[name].removed.update(dict.fromkeys(self._foreign[name], "D31"))

    def remove(
        self, view: view_lib.View, gone: dict[str, dict[int, str]], joined: dict[str, set[int]]
    ) -> None:
        """Note what a round removed.

        Args:
          view: before the round.
          gone: section to positions in the view, with the code that removed each.
          joined: section to those of them that went into others.
        """
        objects = self.sections["annotations"]
        for at, image in enumerate(view.image_of.tolist() if gone["images"] else ()):
            if image in gone["images"]:
                self._orphaned[objects.origins[at]] = gone["images"][image]
        for name, section in self.sections.items():
            for at, code in gone[name].items():
                origin = section.origins[at]
                # An object goes with its image, for the image's reason.
                is_orphan = name == "annotations" and code == "D02"
                section.removed[origin] = self._orphaned.get(origin, code) if is_orphan else code
                if at in joined[name]:
                    section.joined.add(origin)
            section.origins = [o for at, o in enumerate(section.origins) if at not in gone[name]]

    def to_json(self) -> dict[str, Any]:
        """Give, for each section, what came in, what is kept and what is removed by code."""
        return {
            name: {
                "in": section.total,
                "kept": section.total - len(section.removed),
                "removed": section.reasons(),
                "joined": len(section.joined),
            }
            for name, section in self.sections.items()
        }

    def format(self) -> list[str]:
        """Say the same in lines."""
        lines = []
        for name, section in self.sections.items():
            kept = section.total - len(section.removed)
            line = f"  {_WORDS[name]}: {section.total} = {kept} kept + {len(section.removed)} removed"
            reasons = [f"{n} {code} {codes.CODES[code].title}" for code, n in section.reasons().items()]
            lines.append(f"{line} ({'; '.join(reasons)})" if reasons else line)
        return lines

    def refuse_large_loss(self) -> None:
        """Refuse to remove more than a tenth of the images or of the objects.

        Raises:
          ValueError: names the numbers, the findings, and the likelier cure first.
        """
        sections = {name: self.sections[name] for name in ("images", "annotations")}
        large = [name for name, s in sections.items() if s.lost > LARGE_SHARE * s.total]
        if not large:
            return
        removed = " and ".join(
            f"{s.lost} of {s.total} {_WORDS[name]}" for name, s in sections.items() if s.lost
        )
        reasons = sections[large[0]].reasons()
        first = next(iter(reasons))
        told = ", ".join(f"{n} {code} {codes.CODES[code].title}" for code, n in reasons.items())
        raise ValueError(
            f"{self.path}: the repair would remove {removed} ({_WORDS[large[0]]}: {told}):"
            f" nothing is written; {self._cure(first)}; keep them with --leave {first}, or remove them"
            " with --yes"
        )

    def _cure(self, code: str) -> str:
        """Name the cure of a code other than to remove."""
        if code == "D40" and self._hint:
            return f"{self._hint} as --images"
        by_hand = codes.CODES[code].cure.split("--fix")[0].removesuffix("or ").strip(" ;,")
        return _CURES.get(code) or by_hand or _LOOK
