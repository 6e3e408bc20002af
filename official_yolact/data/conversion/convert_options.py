"""What a conversion leaves out, changes or refuses."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection
from typing import Any

from official_yolact.data.conversion import class_names
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import values
from official_yolact_runtime.files import json_text
from official_yolact_runtime.images import formats

CROWD = ("keep", "as-instance", "drop")
MISSING_MASKS = ("error", "skip", "box")
BAD = ("error", "skip")
BOXES = ("mask", "file")


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """The policies of a conversion; the manifest holds them.

    Attributes:
      crowd: `keep` annotations with iscrowd 1 as crowds, convert them `as-instance`, or `drop` them.
      missing_masks: for an annotation without segmentation: stop with an `error`, `skip` it, or use
        its `box` as its mask.
      boxes: for a box that disagrees with its mask (`box_forms.contradicts`): that of the `mask`, or the one
        of the `file`.
      bad_images: for an image that is missing, unreadable, damaged or of another size: `error` or `skip`.
      bad_annotations: for an annotation that contradicts itself or cannot be drawn: `error` or `skip`.
      classes: names, after renaming, of the classes to keep; empty keeps all. Their order has no
        meaning: classes are numbered by ascending category id.
      rename: (old, new) names; categories that are renamed to one name become one class.
      typed_classes: lists of names, as people type them; `read_names` adds them to `classes`.
      typed_renames: pairs OLD=NEW, likewise.
      recompute_area: compute every area from the mask, whatever the file says.
      max_pixels: of an image; larger ones are bad images.
      bit_depth: bits that the values of images of 16 bits a channel fill; more make a bad image.
    """

    crowd: str = "keep"
    missing_masks: str = "error"
    boxes: str = "mask"
    bad_images: str = "error"
    bad_annotations: str = "error"
    classes: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    typed_classes: tuple[str, ...] = ()
    typed_renames: tuple[str, ...] = ()
    recompute_area: bool = False
    max_pixels: int = formats.MAX_PIXELS
    bit_depth: int = 16

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        choices = {
            "crowd": CROWD,
            "missing_masks": MISSING_MASKS,
            "boxes": BOXES,
            "bad_images": BAD,
            "bad_annotations": BAD,
            "bit_depth": formats.DEPTHS,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}: choose from {', '.join(map(str, allowed))}"
                )
        if not 1 <= self.max_pixels <= formats.MAX_PIXELS:
            raise ValueError(
                f"max_pixels is {self.max_pixels}: 1 to {formats.MAX_PIXELS}, which training decodes"
            )
        for name in self.classes:
            json_text.refuse_control(name, "classes: a name")
        for text in self.typed_classes:
            json_text.refuse_control(text, "classes: a name")
        for text in self.typed_renames:
            class_names.check_pair(text)
        for name in [name for _, name in self.rename] + [t.partition("=")[2] for t in self.typed_renames]:
            json_text.refuse_control(name, "rename: the new name")
        old = [name for name, _ in self.rename]
        if len(set(old)) != len(old) or not all(new for _, new in self.rename):
            raise ValueError(f"rename is {self.rename}: give each class once, and a new name")

    def to_dict(self) -> dict[str, Any]:
        """Return the content for JSON."""
        found = {**dataclasses.asdict(self), "classes": list(self.classes), "rename": dict(self.rename)}
        return {name: value for name, value in found.items() if not name.startswith("typed_")}

    def read_names(self, known: Collection[str]) -> ConvertOptions:
        """Read what people typed, by the names of a file: whole names first, whatever signs they hold.

        Raises:
          ValueError: a pair that can be read in several ways, or a class that is renamed twice.
        """
        rename = (*self.rename, *class_names.parse_renames(self.typed_renames, known))
        new_names = dict(rename)
        names = [new_names.get(name, name) for name in known]
        classes = (*self.classes, *class_names.parse_lists(self.typed_classes, names))
        return dataclasses.replace(self, classes=classes, rename=rename, typed_classes=(), typed_renames=())

    def choose_categories(
        self, source: categories_lib.Categories, path: str
    ) -> tuple[categories_lib.Categories, dict[int, int]]:
        """Rename, join and select the classes.

        Args:
          source: the categories of the file.
          path: of the file, for messages.

        Returns:
          The classes that are written, and the map from category id of the file to category id written;
          an id that it lacks is left out.

        Raises:
          ValueError: a name that the file does not have.
        """
        renamed = dict(self.rename)
        _require(path, "rename", list(renamed), source.names)
        names = [renamed.get(name, name) for name in source.names]
        _require(path, "classes", list(self.classes), names)
        joined: dict[str, int] = {}
        kept: list[dict[str, Any]] = []
        id_map: dict[int, int] = {}
        for category_id, name in zip(source.ids, names, strict=True):
            if self.classes and name not in self.classes:
                continue
            target = joined.setdefault(name, category_id) if name in renamed.values() else category_id
            id_map[category_id] = target
            if target == category_id:
                kept.append({"id": category_id, "name": name})
        return categories_lib.Categories.from_coco(kept), id_map


def _require(path: str, option: str, wanted: list[str], known: list[str] | tuple[str, ...]) -> None:
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {values.shorten(list(known))}"
            if any("," in one or "=" in one for one in known):
                hint += f"; {class_names.HOW_TO_NAME}"
            raise ValueError(f"{path}: {option} names {name!r}, which categories does not list: {hint}")
