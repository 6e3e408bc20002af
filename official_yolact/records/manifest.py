"""The manifest beside the shards: what a finished conversion wrote."""

from __future__ import annotations

import dataclasses
from typing import Any

from official_yolact.files import json_text
from official_yolact.files import outputs

VERSION = 1
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
    version: int = VERSION

    def to_dict(self) -> dict[str, Any]:
        """Give the content of the JSON file."""
        return dataclasses.asdict(self)

    def save(self, path: str) -> None:
        """Write the file, whole or not at all."""
        outputs.store_json(path, self.to_dict(), indent=1)

    @classmethod
    def load(cls, path: str) -> Manifest:
        """Read what `save` wrote.

        Raises:
          OSError: no such file.
          ValueError: the file is no manifest.
        """
        content = json_text.load(path)
        try:
            _check_types(cls, content)
            for shard in content["shards"]:
                _check_types(Shard, shard)
            return cls(**{**content, "shards": [Shard(**shard) for shard in content["shards"]]})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a manifest of a conversion ({error}): convert again") from error


def _check_types(kind: type[Any], content: Any) -> None:
    """Refuse what has another kind of value in a field than the one that is written there."""
    if not isinstance(content, dict):
        raise TypeError(f"{type(content).__name__} in place of an object")
    unknown = sorted(content.keys() - {field.name for field in dataclasses.fields(kind)})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no field of it")
    for field in dataclasses.fields(kind):
        wanted = _JSON_TYPES[str(field.type).partition("[")[0]]
        value = content.get(field.name, field.default)
        if value is not dataclasses.MISSING and type(value) is not wanted:
            raise TypeError(f"{field.name} is a {type(value).__name__}, not a {wanted.__name__}")


def file_name(split: str) -> str:
    """Name the manifest of a split."""
    return f"manifest-{split}.json"


def shard_name(split: str, index: int, total: int) -> str:
    """Name a shard of a split."""
    return f"{split}-{index:05d}-of-{total:05d}.tfrecord"
