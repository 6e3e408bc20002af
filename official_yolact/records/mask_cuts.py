"""Masks cut to what they hold: decoding a full-size PNG costs training ten times as much."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from official_yolact.coco import segmentations


@dataclasses.dataclass(frozen=True)
class MaskCut:
    """The part of a mask that holds anything.

    Attributes:
      png: of one bit a pixel.
      top: row of its first pixel in the image.
      left: column of its first pixel in the image.
    """

    png: bytes
    top: int
    left: int


def cut_mask(mask: segmentations.Mask) -> MaskCut:
    """Cut a mask, uint8 [height, width] of 0 and 1 and not empty, to its tight box."""
    left, top, width, height = (int(number) for number in segmentations.tight_box(mask))
    content = np.ascontiguousarray(mask[top : top + height, left : left + width]) * 255
    _, png = cv2.imencode(".png", content, [cv2.IMWRITE_PNG_BILEVEL, 1])
    return MaskCut(png.tobytes(), top, left)
