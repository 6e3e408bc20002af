"""What is unusual about an annotation file, said by the commands that use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from official_yolact.cli import progress

if TYPE_CHECKING:
    from official_yolact.coco import annotations as coco_annotations


class Annotations(NamedTuple):
    """An annotation file, and what is unusual about it.

    Attributes:
      source: the file; a box that disagrees with its mask is that of the mask, as the conversion writes it.
      notes: one sentence each.
    """

    source: coco_annotations.CocoJson
    notes: list[str]


def read(path: str, images_dir: str | None = None) -> Annotations:
    """Read an annotation file, say what is unusual about it, and use the boxes of the masks.

    Args:
      path: COCO instances file.
      images_dir: folder of its images, for the command that is said.

    Returns:
      The file, and what was said.

    Raises:
      OSError: the file cannot be read.
      ValueError: the file is no such file; names the record, the field, its value and the cure.
    """
    from official_yolact.coco import annotations as coco_annotations
    from official_yolact.coco import inspection

    source, unusual = inspection.inspect(coco_annotations.read(path), inspection.MASKS_COUNTED)
    found = [*_describe_maskless(source), *unusual]
    say(path, found, images_dir)
    return Annotations(source, found)


def _describe_maskless(source: coco_annotations.CocoJson) -> list[str]:
    """Say that a file has no mask at all, which a training needs."""
    from official_yolact.coco import other_formats
    from official_yolact.coco import segmentations

    listed = (one for each in source.annotations.values() for one in each)
    if any(segmentations.has_mask(one.segmentation) for one in listed):
        return []
    found = other_formats.recognise(source.path) or "draw the masks, or convert with --missing-masks=box"
    return [f"no annotation has a mask, which a training needs: {found}"]


def say(path: str, notes: Sequence[str], images_dir: str | None = None) -> None:
    """Print a line for each note, and the command that shows more.

    Args:
      path: of the annotation file.
      notes: of `coco.inspection`.
      images_dir: folder of its images.
    """
    if not notes:
        return
    from official_yolact.coco import inspection

    for line in inspection.format_notes(path, notes, images_dir):
        progress.say(line)
