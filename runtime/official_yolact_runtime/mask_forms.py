"""Forms in which a mask is written into JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from official_yolact_runtime import photo_masks
from official_yolact_runtime import polygons
from official_yolact_runtime import run_lengths

RLE, POLYGONS, PNG, NONE = FORMS = ("rle", "polygons", "png", "none")
"""COCO's compressed run lengths, which are exact; COCO's polygons, in which holes are filled; a PNG of the
part that is not empty, which is exact; no mask."""


def encode(windows: Sequence[photo_masks.Window], form: str, height: int, width: int) -> list[dict[str, Any]]:
    """Write masks as the fields of their instances.

    Args:
      windows: the part of each of D masks that is not empty.
      form: one of `FORMS`.
      height: of the image.
      width: of the image.

    Returns:
      D times {"segmentation": ...}; without masks D times {}. Of a PNG, `segmentation` is {"size": [height,
      width] of the image, "origin": [left, top] of the part, "png": its bytes in base64}.

    Raises:
      ValueError: there is no such form.
    """
    if form == RLE:
        return [{"segmentation": rle} for rle in run_lengths.encode_windows(windows, height, width)]
    if form == POLYGONS:
        return [{"segmentation": polygons.trace(mask, top, left)} for top, left, mask in windows]
    if form == PNG:
        return [{"segmentation": _draw_png(window, height, width)} for window in windows]
    if form == NONE:
        return [{} for _ in windows]
    raise ValueError(f"masks is {form!r}: expected one of {', '.join(FORMS)}")


def _draw_png(window: photo_masks.Window, height: int, width: int) -> dict[str, Any]:
    top, left, mask = window
    # A PNG has one pixel at least.
    part = mask if mask.size else np.zeros((1, 1), np.bool_)
    buffer = io.BytesIO()
    Image.fromarray(part).save(buffer, "PNG")
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"size": [height, width], "origin": [left, top], "png": text}
