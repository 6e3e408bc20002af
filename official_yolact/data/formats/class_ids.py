"""Numbers of the classes whose names an annotation tool wrote at each shape."""

from __future__ import annotations

from official_yolact.data.formats import class_lists
from official_yolact.data.formats import coco_builder
from official_yolact_runtime.files import json_text


class ClassIds:
    """Category ids by name: in the order of a class list or, without one, of the alphabet."""

    def __init__(self, classes_file: str | None) -> None:
        """Read the class list, if there is one.

        Raises:
          OSError: it cannot be read.
          ValueError: names the file, what is wrong in it and the cure.
        """
        self._file = classes_file
        self._names = class_lists.read(classes_file, 1) if classes_file else {}
        self._id_of = {name: number for number, name in self._names.items()}

    def find(self, label: str, where: str) -> int:
        """Find the id of a class; without a class list every name gets one.

        Args:
          label: name of the class, not empty.
          where: begins each message: file, shape and field.

        Raises:
          ValueError: the name has a control character, or the class list does not have it.
        """
        json_text.refuse_control(label, where)
        if self._file and label not in self._id_of:
            raise ValueError(
                f"{where} is {label!r}, which {self._file} does not list: add it there or correct it"
            )
        return self._id_of.setdefault(label, len(self._id_of) + 1)

    def finish(self, builder: coco_builder.CocoBuilder) -> dict[int, str]:
        """Give the classes their last ids, in what was built too, and return the names by id."""
        if not self._file:
            self._names = dict(enumerate(sorted(self._id_of), start=1))
            builder.renumber({self._id_of[name]: number for number, name in self._names.items()})
        return self._names
