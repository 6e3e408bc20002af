"""One shard of a conversion: its records, the COCO entries of what is in them, and its summary."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import index as coco_index
from official_yolact.data.conversion import convert_options
from official_yolact.data.conversion import examples
from official_yolact.data.conversion import tally as tally_lib
from official_yolact.files import storage
from official_yolact.images import image_files
from official_yolact.records import manifest as manifest_lib
from official_yolact.records import mask_planes
from official_yolact.records import record_file
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

Count = Callable[[int], None]
"""Is called with the number of images that were done since the last call."""

ENTRIES_SUFFIX = ".entries"
SUMMARY_SUFFIX = ".json"

_DIGEST = 20
"""Characters of a photo's sha256 that tell photos apart."""


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """What one shard is made of.

    Attributes:
      name: of the file.
      inputs: changes when one of the image files does.
      images: in the order of the records.
      spans: for each image, where its annotations are in the annotation file.
    """

    name: str
    inputs: str
    images: list[coco_annotations.Image]
    spans: list[list[coco_index.Span]]


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a complete shard holds; it is written last.

    Attributes:
      inputs: of the job.
      shard: for the manifest.
      entries: size and sha256 of the file of COCO entries.
      tally: what was left out and changed.
      instances_per_image: number of images by their number of instances.
    """

    inputs: str
    shard: manifest_lib.Shard
    entries: tuple[int, str]
    tally: tally_lib.Tally
    instances_per_image: dict[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the content for JSON."""
        return {
            "inputs": self.inputs,
            "shard": dataclasses.asdict(self.shard),
            "entries": list(self.entries),
            "tally": self.tally.to_dict(),
            "instances_per_image": sorted(self.instances_per_image.items()),
        }

    @classmethod
    def load(cls, path: str) -> Summary | None:
        """Read what was written, or None where that is not what the file holds."""
        try:
            content = json_text.load(path)
            size, sha256 = content["entries"]
            return cls(
                str(content["inputs"]),
                manifest_lib.Shard(**content["shard"]),
                (int(size), str(sha256)),
                tally_lib.Tally.from_dict(content["tally"]),
                dict(content["instances_per_image"]),
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None


class ShardWriter:
    """Writes the shards of one data set into a folder; can be sent to another process."""

    def __init__(
        self,
        annotations: str,
        images_dir: str,
        folder: str,
        options: convert_options.ConvertOptions,
        categories: categories_lib.Categories,
        id_map: dict[int, int],
        spare_id: int,
    ) -> None:
        """Keep what every shard needs.

        Args:
          annotations: the annotation file.
          images_dir: folder that file names are relative to.
          folder: to write into.
          options: policies.
          categories: that are written.
          id_map: category id of the file to category id written.
          spare_id: is written in place of id 0, by which pycocotools marks what is unmatched.
        """
        self._annotations, self._images_dir, self._folder = annotations, images_dir, folder
        self._options, self._spare_id = options, spare_id
        self._class_of = categories.class_of()
        self._name_of = categories.name_of()
        self._maker = examples.InstanceMaker(annotations, options, id_map)

    def write(self, job: ShardJob, count: Count) -> None:
        """Write a shard, its entries, and last its summary.

        Args:
          job: what it is made of.
          count: is called as images are done.

        Raises:
          OSError: a file cannot be read or written.
          ValueError: names file, record, field, value and cure.
        """
        path = os.path.join(self._folder, job.name)
        tally = tally_lib.Tally()
        per_image: dict[int, int] = {}
        with outputs.create(f"{path}{ENTRIES_SUFFIX}", staged=True) as entries:
            size, sha256 = storage.store(
                path, self._make_records(job, entries, tally, per_image, count), staged=True
            )
        instances = sum(number * images for number, images in per_image.items())
        shard = manifest_lib.Shard(job.name, sum(per_image.values()), instances, size, sha256)
        summary = Summary(job.inputs, shard, (entries.size, entries.sha256), tally, per_image)
        storage.store_json(f"{path}{SUMMARY_SUFFIX}", summary.to_dict())

    def _make_records(
        self,
        job: ShardJob,
        entries: outputs.Output,
        tally: tally_lib.Tally,
        per_image: dict[int, int],
        count: Count,
    ) -> Iterator[bytes]:
        for image, spans in zip(job.images, job.spans, strict=True):
            annotations = coco_index.read_annotations(self._annotations, spans)
            encoded = self._read_image(image, annotations, tally)
            if encoded is not None:
                tally.changed.update(encoded.changes)
                planes = mask_planes.Planes(encoded.height, encoded.width)
                instances = self._maker.make(annotations, encoded.height, encoded.width, tally, planes)
                examples.note_objects(instances, encoded.height, encoded.width, tally)
                digest = hashlib.sha256(encoded.data).hexdigest()
                tally.seen.photos.setdefault(digest[:_DIGEST], []).append(os.path.normpath(image.file_name))
                per_image[len(instances)] = per_image.get(len(instances), 0) + 1
                entries.write(self._to_line(image, encoded, instances))
                stacked = planes.encode()
                yield record_file.frame(
                    examples.make_record(
                        image, encoded, digest, instances, stacked, self._class_of, self._name_of
                    )
                )
            count(1)

    def _read_image(
        self,
        image: coco_annotations.Image,
        annotations: list[coco_annotations.Annotation],
        tally: tally_lib.Tally,
    ) -> image_files.EncodedImage | None:
        where = f"{self._annotations}: image {image.id}"
        try:
            path = image_files.locate(image, self._images_dir, where)
            with warnings.catch_warnings():
                # Of Pillow, about metadata.
                warnings.simplefilter("ignore")
                encoded = image_files.read(
                    path,
                    image.height,
                    image.width,
                    where,
                    self._options.max_pixels,
                    self._options.bit_depth,
                )
            if path == os.path.join(self._images_dir, image.file_name):
                return encoded
            return dataclasses.replace(encoded, changes=(*encoded.changes, "found_under_another_name"))
        except image_files.BadImageError as error:
            if self._options.bad_images == "error":
                raise
            tally.skip_image(error.reason, image.id)
            for annotation in annotations:
                tally.skip_annotation("image_left_out", annotation.id)
            return None

    def _to_line(
        self,
        image: coco_annotations.Image,
        encoded: image_files.EncodedImage,
        instances: list[examples.Instance],
    ) -> bytes:
        size = {"height": encoded.height, "width": encoded.width}
        entry = {"id": image.id, "file_name": image.file_name, **size}
        listed = [self._to_coco(instance) for instance in instances]
        return json.dumps([entry, listed], allow_nan=False).encode() + b"\n"

    def _to_coco(self, instance: examples.Instance) -> dict[str, Any]:
        annotation = instance.annotation
        return {
            "id": annotation.id or self._spare_id,
            "image_id": annotation.image_id,
            "category_id": instance.category_id,
            "bbox": list(instance.box),
            "area": instance.area,
            "iscrowd": int(instance.is_crowd),
            "segmentation": instance.segmentation,
        }
