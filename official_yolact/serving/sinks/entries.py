"""What JSON says of a picture and of what was found in it: one owner for every sink that writes JSON."""

from __future__ import annotations

from typing import Any

from official_yolact.serving import shots
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import mask_forms

RUN_LENGTHS, POLYGONS, NONE = "run-lengths", mask_forms.POLYGONS, mask_forms.NONE
MASK_FORMATS = (RUN_LENGTHS, POLYGONS, NONE)
"""Forms of `segmentation`: COCO's compressed run lengths, which are exact, COCO's polygons, or no masks."""


def describe_shot(shot: shots.Shot) -> dict[str, Any]:
    """Name a picture: its file, and of a frame its number and its time in seconds."""
    if shot.frame is None or shot.time is None:
        return {"file_name": shot.source.name}
    return {"file_name": shot.source.name, "frame": shot.frame, "time": float(shot.time)}


def describe_found(
    shot: shots.Shot, found: detections_lib.Detections, mask_format: str = RUN_LENGTHS
) -> list[dict[str, Any]]:
    """Describe each instance as a COCO result with its class name.

    Args:
      shot: the picture.
      found: in it.
      mask_format: one of `MASK_FORMATS`.

    Returns:
      image_id, category_id, bbox, score, segmentation and category_name of each, best first.
    """
    masks = mask_forms.RLE if mask_format == RUN_LENGTHS else mask_format
    return [
        {**entry, "category_name": name}
        for entry, name in zip(found.to_coco(shot.image_id, masks), found.names, strict=True)
    ]
