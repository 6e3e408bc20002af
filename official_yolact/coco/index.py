"""Where each annotation of a COCO JSON lies in the file, so that none has to stay in memory."""

from __future__ import annotations

import array
import dataclasses
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import other_formats
from official_yolact.coco import stream as json_stream
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs

_KEYS = ("images", "annotations", "categories")
_FIELDS = 6
_ID, _IMAGE, _CATEGORY, _START, _BYTES, _POSITION = range(_FIELDS)

Span = tuple[int, int, int]
"""(byte offset, bytes, position in the list) of an annotation."""


@dataclasses.dataclass(frozen=True)
class CocoIndex:
    """A file that has been read once and found sound.

    Attributes:
      path: of the file.
      sha256: of its bytes.
      images: in the file's order.
      categories: all that the file lists.
      num_annotations: entries of `annotations`.
      orphans: ids of annotations whose image is not listed.
      bad: ids of annotations that could not be parsed; where there is no id, the negative
        position: -1 is the first.
      spare_id: an id that no annotation has.
      spans: int64 [annotations, 3], sorted by image.
      starts: int64 [images + 1], where the spans of each image start.
      roots: as of `CocoJson`.
    """

    path: str
    sha256: str
    images: list[coco_annotations.Image]
    categories: categories_lib.Categories
    num_annotations: int
    orphans: list[int]
    bad: list[int]
    spare_id: int
    spans: NDArray[np.int64]
    starts: NDArray[np.int64]
    roots: frozenset[str]

    def spans_of(self, position: int) -> list[Span]:
        """List where the annotations of an image are."""
        spans = self.spans[self.starts[position] : self.starts[position + 1]]
        return [(int(start), int(size), int(at)) for start, size, at in spans]


def read_index(path: str, *, skip_bad: bool = False) -> CocoIndex:
    """Read and check a COCO instances file without keeping its annotations.

    Args:
      path: JSON with `images`, `annotations` and `categories`.
      skip_bad: note annotations that cannot be parsed instead of stopping at the first.

    Returns:
      The index.

    Raises:
      OSError: the file cannot be read.
      ValueError: names the file, the record, the field, its value and the cure.
    """
    with other_formats.named(path):
        return _read_index(path, skip_bad)


def _read_index(path: str, skip_bad: bool) -> CocoIndex:
    images: list[coco_annotations.Image] = []
    categories: list[Any] = []
    fields, bad = array.array("q"), array.array("q")
    with inputs.open_input(path) as file:
        reader = json_stream.ListReader(file, path, _KEYS)
        for key, entry, start, size in reader:
            at = reader.lengths[key] - 1
            if key == "images":
                images.append(coco_annotations.parse_image(path, at, entry))
            elif key == "categories":
                categories.append(entry)
            else:
                _index_annotation(path, entry, (start, size, at), fields, bad if skip_bad else None)
    for key in _KEYS:
        if key not in reader.lengths:
            coco_annotations.check_list(path, reader.others, key)
    return _assemble(
        path,
        reader,
        images,
        categories,
        np.frombuffer(fields, np.int64).reshape(-1, _FIELDS),
        (bad.tolist(), skip_bad),
    )


def read_annotations(path: str, spans: list[Span]) -> list[coco_annotations.Annotation]:
    """Read the annotations at some spans of an indexed file."""
    found = []
    with inputs.open_input(path) as file:
        for start, size, at in spans:
            file.seek(start)
            try:
                entry = json.loads(file.read(size))
            except ValueError as error:
                raise ValueError(f"{path}: was changed while it was being converted: run again") from error
            found.append(coco_annotations.parse_annotation(path, at, entry, None))
    return found


def _index_annotation(
    path: str, entry: Any, span: Span, fields: array.array[int], bad: array.array[int] | None
) -> None:
    at = span[2]
    try:
        one = coco_annotations.parse_annotation(path, at, entry, None)
    except ValueError:
        if bad is None:
            raise
        bad.append(_find_id(entry, at))
        return
    fields.extend((one.id, one.image_id, one.category_id, *span))


def _find_id(entry: Any, at: int) -> int:
    try:
        return values.parse_int("", "id", entry["id"])
    except (KeyError, TypeError, ValueError):
        return -1 - at


def _assemble(
    path: str,
    reader: json_stream.ListReader,
    images: list[coco_annotations.Image],
    listed_categories: list[Any],
    table: NDArray[np.int64],
    bad: tuple[list[int], bool],
) -> CocoIndex:
    categories = coco_annotations.parse_categories(path, listed_categories)
    coco_annotations.refuse_twice(path, "images", [image.id for image in images])
    if not images:
        raise ValueError(f"{path}: images is empty: there is nothing to convert")
    bad_ids, skip_bad = bad
    unknown = ~np.isin(table[:, _CATEGORY], categories.ids)
    if unknown.any() and not skip_bad:
        first = table[unknown][0]
        coco_annotations.require_category(path, int(first[_ID]), int(first[_CATEGORY]), set(categories.ids))
    bad_ids += table[unknown, _ID].tolist()
    table = table[~unknown]
    if len(np.unique(table[:, _ID])) < len(table):
        coco_annotations.refuse_twice(path, "annotations", table[:, _ID].tolist())
    image_ids = np.array([image.id for image in images], np.int64)
    order = np.argsort(image_ids, kind="stable")
    # [annotations]: for each the slot in the sorted ids, and whether the id there is that of its image.
    slot = np.searchsorted(image_ids[order], table[:, _IMAGE]).clip(max=len(images) - 1)
    listed = image_ids[order][slot] == table[:, _IMAGE]
    orphans = table[~listed, _ID].tolist()
    if not listed.any():
        raise ValueError(
            f"{path}: no annotation belongs to one of its {len(images)} images ({len(orphans)} belong to"
            f" images that are not listed, {len(bad_ids)} are bad): there is nothing to learn from"
        )
    position = order[slot[listed]]  # [listed annotations], that of the image
    by_image = np.argsort(position, kind="stable")
    spans = table[listed][by_image][:, [_START, _BYTES, _POSITION]]
    starts = np.searchsorted(position[by_image], np.arange(len(images) + 1))
    spare_id = min(1 + max(0, int(table[:, _ID].max())), values.MAX_ID)
    total = reader.lengths["annotations"]
    roots = coco_annotations.find_roots(listed_categories)
    return CocoIndex(
        path, reader.sha256, images, categories, total, orphans, bad_ids, spare_id, spans, starts, roots
    )
