"""Pictures of ground truth beside what a model finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from official_yolact_runtime import drawing
from official_yolact_runtime import photo_masks

MIN_SIDE, MAX_SIDE = 384, 512
"""Bounds of a panel's longer side, so that panels of small and large photos are usable."""

_GAP = 8
_TITLE_HEIGHT = 24
_INK = (40, 42, 48)


@dataclasses.dataclass(frozen=True, eq=False)
class Instances:
    """Instances of one image, at any resolution.

    Attributes:
      boxes: float [D, 4] yxyx_norm.
      classes: int [D], from 1.
      masks: float or bool [D, h, w] over the whole image, drawn where above 0.5.
      scores: float [D], None for ground truth.
      marks: D words to put behind the names, empty for none.
      crops: float [D, 4] yxyx_norm: pixels with their centre outside of it are not drawn; None: all are.
    """

    boxes: NDArray[Any]
    classes: NDArray[Any]
    masks: NDArray[Any]
    scores: NDArray[Any] | None = None
    marks: Sequence[str] = ()
    crops: NDArray[Any] | None = None


def choose_size(height: float, width: float) -> tuple[int, int]:
    """Choose the (height, width) of a panel: the image's aspect within the bounds of its longer side."""
    longer = max(height, width)
    factor = float(np.clip(longer, MIN_SIDE, MAX_SIDE)) / longer
    return max(1, round(height * factor)), max(1, round(width * factor))


def draw(
    image: drawing.Picture, instances: Instances, names: Sequence[str], zoom: int = 1
) -> drawing.Picture:
    """Draw instances on an image.

    Args:
      image: uint8 RGB [H, W, 3].
      instances: what to draw.
      names: of class 1, 2, ...
      zoom: whole factor by which the picture is enlarged.

    Returns:
      uint8 RGB [H * zoom, W * zoom, 3].
    """
    height, width = image.shape[:2]
    masks = [_resize_mask(mask, height, width) for mask in instances.masks]
    if instances.crops is not None:
        for mask, crop in zip(masks, instances.crops, strict=True):
            _cut(mask, crop)
    marks = instances.marks or [""] * len(instances.classes)
    return drawing.draw_instances(
        image,
        np.asarray(instances.boxes, np.float64).reshape(-1, 4) * [height, width, height, width],  # [D, 4]
        instances.classes,
        [f"{names[int(c) - 1]}{m}" for c, m in zip(instances.classes, marks, strict=True)],
        instances.scores,
        masks,
        zoom,
    )


def draw_panel(
    image: drawing.Picture,
    size: tuple[int, int],
    instances: Instances,
    names: Sequence[str],
    title: str,
) -> drawing.Picture:
    """Draw instances on an image that is brought to a size, under a title.

    Args:
      image: uint8 RGB [H, W, 3]; its aspect need not be that of `size`.
      size: (height, width) of the drawing in pixels.
      instances: what to draw.
      names: of class 1, 2, ...
      title: one short line.

    Returns:
      uint8 RGB [height + 24, width, 3].
    """
    height, width = size
    shrinks = height < image.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    photo = np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)
    return np.concatenate([_draw_title(title, width), draw(photo, instances, names)])


def _resize_mask(mask: NDArray[Any], height: int, width: int) -> NDArray[np.bool_]:
    """Resize a soft or binary mask [h, w] bilinearly, then keep what is above one half."""
    soft = cv2.resize(np.asarray(mask, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft > 0.5)


def _cut(mask: NDArray[np.bool_], crop: NDArray[Any]) -> None:
    """Clear the pixels of a mask [H, W] whose centres are outside of a box yxyx_norm."""
    top, left, bottom, right = (crop * np.tile(mask.shape, 2)).tolist()
    inside = np.zeros_like(mask)
    inside[photo_masks.find_pixels(top, bottom), photo_masks.find_pixels(left, right)] = True
    mask &= inside


def join(panels: Sequence[drawing.Picture]) -> drawing.Picture:
    """Put panels of one height side by side, uint8 RGB."""
    gap = np.full((panels[0].shape[0], _GAP, 3), 255, np.uint8)
    parts = [part for panel in panels for part in (panel, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _draw_title(title: str, width: int) -> drawing.Picture:
    strip = Image.new("RGB", (width, _TITLE_HEIGHT), (255, 255, 255))
    font = ImageFont.load_default(14)
    ImageDraw.Draw(strip).text((4, _TITLE_HEIGHT / 2), title, font=font, fill=_INK, anchor="lm")
    return np.asarray(strip, np.uint8)
