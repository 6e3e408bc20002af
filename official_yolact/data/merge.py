"""Several COCO instances files into one: new ids, classes by name, photos below one folder."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from official_yolact.coco import annotations as coco_annotations
from official_yolact.images import image_files
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

ALIKE = ("refuse", "join", "keep")
"""For class names that differ in case, spaces or Unicode form only."""

_SECTIONS = ("images", "annotations", "categories")


@dataclasses.dataclass(frozen=True)
class Source:
    """What one file brought.

    Attributes:
      path: of the file.
      images: number of them.
      annotations: number of them, without those of images that are not listed.
      new_classes: names of the classes that no earlier file has.
      same_names: names that several of its categories have; they became one class.
      missing: images whose file is not in the folder.
    """

    path: str
    images: int
    annotations: int
    new_classes: list[str]
    same_names: list[str]
    missing: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was written.

    Attributes:
      sources: in the order of the files.
      images_dir: folder that the file names are relative to.
      images: number of them.
      annotations: number of them.
      classes: number of them.
      joined: images that went into an earlier one, of the same photo.
      orphans: annotations of images that are not listed; they are left out.
      nulled: numbers that were NaN or infinite, for which null is written.
    """

    sources: list[Source]
    images_dir: str
    images: int
    annotations: int
    classes: int
    joined: int
    orphans: int
    nulled: int


def merge_coco(
    paths: Sequence[str],
    output: str,
    images_dirs: Sequence[str] = (),
    *,
    alike: str = "refuse",
    force: bool = False,
) -> Summary:
    """Write one file of several.

    Images and annotations count from 1 in the order of the files. The categories are those of the first file,
    with their ids, then those that only later files have. Other fields stay as they are. Images of one photo
    become one image with the objects of all. What the first file has beside the lists is written; where its
    `licenses` are not those of another file, the images of that file lose the field `license`.

    Args:
      paths: COCO instances files, at least two.
      output: JSON file; appears when it is complete. Its folder is made.
      images_dirs: folder of the images of each file, or one for all; empty: each file's own folder.
      alike: for class names that differ in case, spaces or Unicode form only: `refuse` them, `join` them
        under the first name, or `keep` them apart.
      force: replace a file that this program did not write.

    Returns:
      What was written.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, the record, the field, its value and the cure.
    """
    folders = _choose_folders(paths, images_dirs)
    inputs: list[str | outputs.Folder] = [*paths, *(outputs.Folder(folder) for folder in folders)]
    outputs.check(output, inputs=inputs, force=force)
    root = os.path.relpath(os.path.commonpath([os.path.realpath(folder) for folder in folders]))
    read = [_read(path) for path in paths]
    merger = _Merger(root, read[0][1].get("licenses"))
    merger.add_categories([source for source, _, _ in read], [content for _, content, _ in read], alike)
    sources = [merger.add(*one[:2], folder) for one, folder in zip(read, folders, strict=True)]
    first = {key: value for key, value in read[0][1].items() if key not in _SECTIONS}
    content = {
        **first,
        "images": merger.images,
        "annotations": merger.annotations,
        "categories": merger.categories,
    }
    summary = Summary(
        sources,
        root,
        len(merger.images),
        len(merger.annotations),
        len(merger.categories),
        merger.joined,
        sum(source.orphans for source, _, _ in read),
        sum(nulled for _, _, nulled in read),
    )
    assert summary.images + summary.joined == sum(one.images for one in sources)
    assert summary.annotations == sum(one.annotations for one in sources)
    outputs.write_json(output, content, inputs=inputs, force=force)
    return summary


def _choose_folders(paths: Sequence[str], images_dirs: Sequence[str]) -> list[str]:
    if len(paths) < 2:
        raise ValueError(f"{', '.join(paths)}: name at least two files to merge")
    twice = [
        path for at, path in enumerate(paths) if os.path.realpath(path) in map(os.path.realpath, paths[:at])
    ]
    if twice:
        raise ValueError(f"{twice[0]}: is named twice: name each file once")
    if len(images_dirs) not in (0, 1, len(paths)):
        raise ValueError(
            f"{len(images_dirs)} --images for {len(paths)} files: one for each file, in order, or one"
        )
    folders = [*images_dirs] * (len(paths) if len(images_dirs) == 1 else 1)
    folders = folders or [os.path.dirname(path) or "." for path in paths]
    for folder in folders:
        if not os.path.isdir(folder):
            raise NotADirectoryError(f"{folder}: no such image folder{inputs.hint(folder)}")
    return folders


def _read(path: str) -> tuple[coco_annotations.CocoJson, Mapping[str, Any], int]:
    """Read a file, checked and as it is, and count the numbers for which null is written."""
    source, content = coco_annotations.read(path), json_text.load(path, finite=False)
    nulled = sum(1 for _ in json_text.iterate_unfinite(content))
    return source, json_text.to_finite(content) if nulled else content, nulled


class _Merger:
    """Collects the entries of file after file.

    Attributes:
      images: entries.
      annotations: entries.
      categories: entries.
      joined: images that went into an earlier one.
    """

    def __init__(self, root: str, licenses: Any) -> None:
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.categories: list[dict[str, Any]] = []
        self.joined = 0
        self._root, self._licenses = root, licenses
        self._id_of_photo: dict[str, int] = {}
        self._id_of_class: dict[str, int] = {}
        self._first_with: dict[str, str] = {}

    def add_categories(
        self,
        sources: Sequence[coco_annotations.CocoJson],
        contents: Sequence[Mapping[str, Any]],
        alike: str,
    ) -> None:
        """Number the classes of all files by their names."""
        names = [name for source in sources for name in source.categories.names]
        groups = categories_lib.group_alike(names)
        if groups and alike == "refuse":
            shown = ", ".join(map(repr, groups[0]))
            raise ValueError(
                f"the classes {shown} differ in case, spaces or Unicode form only: --alike join makes them"
                " one, --alike keep keeps them apart"
            )
        first_of = {name: group[0] for group in groups for name in group} if alike == "join" else {}
        self._written_as = {name: first_of.get(name, name) for name in names}
        used: set[int] = set()
        for source, content in zip(sources, contents, strict=True):
            for entry in content["categories"]:
                name = self._written_as[entry["name"]]
                if name in self._id_of_class:
                    continue
                number = values.parse_int(source.path, "id", entry["id"])
                number = max(used) + 1 if number in used else number
                used.add(number)
                self._id_of_class[name], self._first_with[name] = number, source.path
                self.categories.append({**entry, "id": number, "name": name})

    def add(self, source: coco_annotations.CocoJson, content: Mapping[str, Any], folder: str) -> Source:
        """Add the images and annotations of a file, whose photos are in a folder."""
        new_id: dict[int, int] = {}
        missing = 0
        for image, entry in zip(source.images, content["images"], strict=True):
            name, is_there = self._name_photo(image, folder, source.path)
            missing += not is_there
            lost = "license" if content.get("licenses") != self._licenses else ""
            kept = {key: value for key, value in entry.items() if key != lost}
            new_id[image.id] = self._add_image(image, kept, name, source.path)
        if missing == len(source.images):
            raise ValueError(
                f"{source.path}: none of its {missing} photos is in {folder}: name their folder with"
                " --images, once for each file"
            )
        class_of = {
            number: self._id_of_class[self._written_as[name]]
            for number, name in source.categories.name_of().items()
        }
        before = len(self.annotations)
        for entry in content["annotations"]:
            image_id = values.parse_int(source.path, "image_id", entry["image_id"])
            if image_id in new_id:
                category = class_of[values.parse_int(source.path, "category_id", entry["category_id"])]
                ids = {"id": len(self.annotations) + 1, "image_id": new_id[image_id], "category_id": category}
                self.annotations.append({**entry, **ids})
        new = [name for name, path in self._first_with.items() if path == source.path]
        counts = collections.Counter(source.categories.names)
        same = [name for name, number in counts.items() if number > 1]
        added = len(self.annotations) - before
        return Source(source.path, len(source.images), added, new, same, missing)

    def _name_photo(self, image: coco_annotations.Image, folder: str, path: str) -> tuple[str, bool]:
        """Name a photo below the root, and tell whether its file is there."""
        try:
            photo, is_there = image_files.locate(image, folder, f"{path}: image {image.id}"), True
        except image_files.BadImageError as error:
            if error.reason != "image_missing":
                raise
            photo, is_there = os.path.join(folder, image.file_name), False
        below = os.path.join(os.path.realpath(folder), os.path.relpath(photo, folder))
        return os.path.relpath(below, os.path.realpath(self._root)).replace(os.sep, "/"), is_there

    def _add_image(self, image: coco_annotations.Image, entry: dict[str, Any], name: str, path: str) -> int:
        """Add an image, or find the one of its photo; return its id."""
        number = self._id_of_photo.setdefault(name, len(self.images) + 1)
        if number > len(self.images):
            self.images.append({**entry, "id": number, "file_name": name})
            return number
        earlier = self.images[number - 1]
        for field in ("height", "width"):
            stated = [earlier.get(field), entry.get(field)]
            if None not in stated and len({values.parse_int(path, field, side) for side in stated}) > 1:
                raise ValueError(
                    f"{path}: image {image.id}: {field} is {stated[1]}, but an earlier entry of {name} has"
                    f" {stated[0]}: correct the one that is wrong"
                )
            if stated[0] is None and stated[1] is not None:
                earlier[field] = stated[1]
        self.joined += 1
        return number
