"""The manifest beside the shards: what a finished conversion wrote."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from typing import Any

VERSION = 1


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file."""

    file: str
    records: int
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
      skipped: annotations that were left out, by reason.
      changed: what was written otherwise than it was given, by kind.
      options: that decided the content.
      instances_per_image: number of images by their number of instances.
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
    version: int = VERSION

    def to_dict(self) -> dict[str, Any]:
        """Give the content of the JSON file."""
        return dataclasses.asdict(self)

    def save(self, path: str) -> None:
        """Write the file, whole or not at all."""
        write_json(path, self.to_dict(), indent=1)

    @classmethod
    def load(cls, path: str) -> Manifest:
        """Read what `save` wrote.

        Raises:
          OSError: no such file.
          ValueError: the file is no manifest.
        """
        with open(path, encoding="utf-8") as file:
            try:
                content = json.load(file)
                content["shards"] = [Shard(**shard) for shard in content["shards"]]
                return cls(**content)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}: not a manifest of a conversion ({error}): convert again"
                ) from error


def file_name(split: str) -> str:
    """Name the manifest of a split."""
    return f"manifest-{split}.json"


def shard_name(split: str, index: int, total: int) -> str:
    """Name a shard of a split."""
    return f"{split}-{index:05d}-of-{total:05d}.tfrecord"


def write_json(path: str, content: Any, indent: int | None = None) -> None:
    """Write JSON under a temporary name, then rename it: a file by that name is complete."""
    temporary = f"{path}.incomplete"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=indent, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def describe_shard(path: str, name: str, records: int) -> Shard:
    """Measure a written shard that is to have the given name."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return Shard(name, records, os.path.getsize(path), digest.hexdigest())
