"""The manifest beside the shards: what a finished conversion wrote."""

from __future__ import annotations

import dataclasses
import fnmatch
import os
from collections.abc import Iterable
from typing import Any

from official_yolact.files import storage
from official_yolact.records import record_file
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime.files import json_text

VERSION = 1

_CURE = "convert the data again"
_JSON_TYPES: dict[str, type] = {"str": str, "int": int, "list": list, "dict": dict}


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file."""

    file: str
    records: int
    instances: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What `manifest-NAME.json` holds. It is written last: without it the shards are not complete.

    Attributes:
      name: of the split.
      num_records: images, those without objects included.
      num_instances: annotations written, crowds included.
      categories: `{"id", "name"}` in class order, from class 1.
      annotations: file name of the COCO JSON of what was written.
      shards: in reading order.
      source: annotation file, its sha256 and the image folder.
      skipped: number of annotations that were left out, by reason; those of images left out included.
      changed: what was written otherwise than it was given, by kind.
      options: that decided the content.
      instances_per_image: number of images by their number of instances.
      images_in: images of the source: those written and those left out.
      instances_in: annotations of the source: those written and those left out.
      skipped_images: number of images that were left out, by reason.
      skipped_ids: under `images` and `annotations`, by reason, the ids that were left out; for an
        annotation without a usable id its place in the source below zero, -1 being the first.
      category_map: category id of the source to class; what is not in it was left out.
      notes: what is unusual about the data, a sentence each.
      version: of this format.
    """

    name: str
    num_records: int
    num_instances: int
    categories: list[dict[str, Any]]
    annotations: str
    shards: list[Shard]
    source: dict[str, str]
    skipped: dict[str, int]
    changed: dict[str, int]
    options: dict[str, Any]
    instances_per_image: dict[str, int]
    images_in: int
    instances_in: int
    skipped_images: dict[str, int]
    skipped_ids: dict[str, dict[str, list[int]]]
    category_map: dict[str, int]
    notes: list[str] = dataclasses.field(default_factory=list)
    version: int = VERSION

    def to_dict(self) -> dict[str, Any]:
        """Give the content of the JSON file."""
        return dataclasses.asdict(self)

    def save(self, path: str) -> None:
        """Write the file, whole or not at all."""
        storage.store_json(path, self.to_dict(), indent=1)

    @property
    def classes(self) -> categories_lib.Categories:
        """The categories, checked."""
        return categories_lib.Categories.from_list(self.categories)

    def list_shards(self, path: str) -> dict[str, Shard]:
        """Give the shards by their paths, beside the manifest at `path`."""
        return {os.path.join(os.path.dirname(path), shard.file): shard for shard in self.shards}

    @classmethod
    def load(cls, path: str) -> Manifest:
        """Read what `save` wrote, from a disk or a bucket.

        Raises:
          OSError: no such file.
          ValueError: the file is no manifest.
        """
        with storage.open_input(path) as file:
            text = file.read()
        try:
            content = json_text.parse(text, path)
        except ValueError as error:
            raise ValueError(f"{error}; {_CURE}") from error
        try:
            _check_types(cls, content)
            for shard in content["shards"]:
                _check_types(Shard, shard)
            found = cls(**{**content, "shards": [Shard(**shard) for shard in content["shards"]]})
            found._check()
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a manifest of a conversion ({error}): {_CURE}") from error
        return found

    def _check(self) -> None:
        """Refuse values that no conversion writes, such as more records than a file has room for."""
        if self.version != VERSION:
            raise ValueError(f"version {self.version}, not {VERSION}")
        self.classes  # noqa: B018  raises for what is no category
        for shard in self.shards:
            if not 0 <= shard.records <= shard.bytes // (record_file.HEADER_BYTES + record_file.FOOTER_BYTES):
                raise ValueError(f"{shard.file}: {shard.records} records in {shard.bytes} bytes")
        for number, images in self.instances_per_image.items():
            if not number.isdecimal() or type(images) is not int:
                raise ValueError(f"instances_per_image: {number!r} is {images!r}")


def find(files: Iterable[str]) -> dict[str, Manifest]:
    """Read every `manifest-*.json` beside shards.

    Args:
      files: of shards, on a disk or in a bucket.

    Returns:
      The manifests by their paths, in the order of these.

    Raises:
      OSError: one cannot be read.
      ValueError: one is no manifest; names it and the cure.
    """
    paths = [
        os.path.join(folder, name)
        for folder in sorted({os.path.dirname(file) for file in files})
        for name in storage.list_names(folder)
        if fnmatch.fnmatchcase(name, file_name("*"))
    ]
    return {path: Manifest.load(path) for path in paths}


def _check_types(kind: type[Any], content: Any) -> None:
    """Refuse what has another kind of value in a field than the one that is written there."""
    if not isinstance(content, dict):
        raise TypeError(f"{type(content).__name__} in place of an object")
    unknown = sorted(content.keys() - {field.name for field in dataclasses.fields(kind)})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no field of it")
    for field in dataclasses.fields(kind):
        wanted = _JSON_TYPES[str(field.type).partition("[")[0]]
        if field.name not in content:
            if field.default is field.default_factory is dataclasses.MISSING:
                raise ValueError(f"{field.name} is missing")
            continue
        value = content[field.name]
        if type(value) is not wanted:
            raise TypeError(f"{field.name} is a {type(value).__name__}, not a {wanted.__name__}")


def file_name(split: str) -> str:
    """Name the manifest of a split."""
    return f"manifest-{split}.json"


def shard_name(split: str, index: int, total: int) -> str:
    """Name a shard of a split."""
    return f"{split}-{index:05d}-of-{total:05d}.tfrecord"
