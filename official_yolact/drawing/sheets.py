"""Pictures for people: brought to a size, laid out on a sheet, encoded."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from official_yolact_runtime import drawing


def encode_png(picture: drawing.Picture) -> bytes:
    """Encode a uint8 RGB picture as PNG.

    Raises:
      ValueError: it has no pixels, or too many in a row.
    """
    try:
        done, code = cv2.imencode(".png", picture[..., ::-1])
    except cv2.error as error:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded as PNG: {error}") from error
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded as PNG")
    return bytes(code)


def tile(images: Sequence[drawing.Picture], columns: int, gap: int = 8) -> drawing.Picture:
    """Lay pictures out on a sheet, row by row, centred in cells of the largest size.

    Args:
      images: uint8 RGB pictures of any sizes, at least one.
      columns: pictures in a row.
      gap: pixels between and around the cells.

    Returns:
      uint8 RGB sheet with a white ground.
    """
    if not images or columns < 1:
        raise ValueError(f"a sheet needs pictures and columns: {len(images)} pictures, {columns} columns")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top = gap + index // columns * (height + gap) + (height - image.shape[0]) // 2
        left = gap + index % columns * (width + gap) + (width - image.shape[1]) // 2
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def shrink(picture: drawing.Picture, side: int) -> drawing.Picture:
    """Bring the longer side of a picture down to a number of pixels; smaller ones stay as they are."""
    factor = side / max(picture.shape[:2])
    if factor >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
