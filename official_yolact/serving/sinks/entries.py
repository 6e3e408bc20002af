"""What JSON says of a picture and of what was found in it: one owner for every sink that writes JSON."""

from __future__ import annotations

from typing import Any

from official_yolact.serving import shots
from official_yolact_runtime import detections as detections_lib

RUN_LENGTHS, POLYGONS, NONE = "run-lengths", "polygons", "none"
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
    described = [
        {**entry, "category_name": name}
        for entry, name in zip(found.to_coco(shot.image_id), found.names, strict=True)
    ]
    if mask_format == RUN_LENGTHS:
        return described
    for entry in described:
        del entry["segmentation"]
    if mask_format == POLYGONS:
        for entry, polygons in zip(described, found.polygons(), strict=True):
            entry["segmentation"] = polygons
    return described
