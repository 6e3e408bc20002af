"""Pictures of instances: masks, contours, boxes and labels on a photo."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFilter
from PIL import ImageFont

from official_yolact_runtime import photo_masks

Picture = NDArray[np.uint8]
Color = tuple[int, int, int]

_GOLDEN_ANGLE = 137.508
_FIRST_HUE = 255.0
_LIGHTNESS_SHIFTS = (0.0, 0.09, -0.09, 0.045, -0.045)
_HUE_SHIFTS = (0.0, 16.0, -16.0, 8.0, -8.0, 24.0, -24.0)
_MASK_OPACITY = 0.42
_DARK_TEXT = (16, 18, 24)
_LIGHT_TEXT = (255, 255, 255)


@dataclasses.dataclass(frozen=True)
class _Style:
    """Sizes in pixels, of one picture."""

    line: int
    font: int

    @classmethod
    def of(cls, height: int, width: int, num_instances: int) -> _Style:
        side = math.sqrt(height * width)
        crowding = 1 + max(0, num_instances - 15) / 40
        font = int(np.clip(round(side / 38 / crowding), 9, 96))
        return cls(line=max(1, round(side / 380)), font=font)


def draw_instances(
    image: Picture,
    boxes: NDArray[Any],
    classes: Sequence[int] | NDArray[Any],
    names: Sequence[str],
    scores: Sequence[float] | NDArray[Any] | None = None,
    masks: NDArray[np.bool_] | Sequence[NDArray[np.bool_] | photo_masks.Window] | None = None,
    zoom: int = 1,
) -> Picture:
    """Draw instances on a photo.

    Each class has its hue, each instance of it its own shade; large instances lie under small ones.
    Labels stay inside the picture and clear of one another: from the largest instance on, each instance
    has one for which there is room at its box.

    Args:
      image: uint8 RGB [H, W, 3].
      boxes: [D, 4] yxyx_px.
      classes: D classes, from 1.
      names: D names for the labels; an empty name without a score gets no label.
      scores: D scores 0..1, None for none.
      masks: bool [D, H, W], or a sequence that makes each of D masks, or the window that holds it, when it is
        asked for; None for none.
      zoom: whole factor by which the picture is enlarged, for small ones.

    Returns:
      uint8 RGB [H * zoom, W * zoom, 3]; without instances the photo itself.
    """
    image = np.asarray(image, np.uint8)
    height, width = image.shape[0] * zoom, image.shape[1] * zoom
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) * zoom
    style = _Style.of(height, width, len(boxes))
    colors = choose_colors(classes)
    canvas = _enlarge(image, zoom, Image.Resampling.BICUBIC)
    if masks is not None:
        picture = Image.fromarray(canvas)
        for index in _largest_first(boxes):
            _blend_mask(picture, _find_window(masks[index], image.shape[:2], zoom), colors[index], style)
        canvas = np.array(picture)
    for index in _largest_first(boxes):
        _draw_box(canvas, boxes[index], colors[index], style, faint=masks is not None)
    texts = [
        name if scores is None else f"{name} {100 * float(scores[i]):.0f}%" for i, name in enumerate(names)
    ]
    return _draw_labels(canvas, boxes, texts, colors, style)


def choose_colors(classes: Sequence[int] | NDArray[Any]) -> list[Color]:
    """Choose an RGB colour for each instance: hues of classes lie apart, shades of instances near."""
    counters: dict[int, itertools.count[int]] = {}
    colors = []
    for number in (int(number) for number in classes):
        instance = next(counters.setdefault(number, itertools.count()))
        hue = _FIRST_HUE + _GOLDEN_ANGLE * (number - 1) + _HUE_SHIFTS[instance % len(_HUE_SHIFTS)]
        colors.append(_oklch_to_rgb(0.74 + _LIGHTNESS_SHIFTS[instance % len(_LIGHTNESS_SHIFTS)], 0.17, hue))
    return colors


def _oklch_to_rgb(lightness: float, chroma: float, hue: float) -> Color:
    """Convert a colour from Oklch (hue in degrees) to sRGB bytes, clipped into the gamut.

    Source: B. Ottosson, "A perceptual color space for image processing", 2020.
    """
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    cone = np.array(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_linear @ cone**3, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(255 * float(value)) for value in encoded)
    return red, green, blue


def _largest_first(boxes: NDArray[np.float64]) -> list[int]:
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return [int(index) for index in np.argsort(-areas, kind="stable")]


def _enlarge(image: Picture, zoom: int, filter_: Image.Resampling) -> Picture:
    """Enlarge a picture [H, W] or [H, W, 3] by a whole factor; a copy at 1."""
    if zoom == 1:
        return image.copy()
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    return np.array(Image.fromarray(image).resize(size, filter_), np.uint8)


def _find_window(mask: Any, size: tuple[int, ...], zoom: int) -> photo_masks.Window:
    """Find the part of a mask that is not empty, in a picture that is enlarged by a whole factor."""
    window: photo_masks.Window | None = mask if isinstance(mask, photo_masks.Window) else None
    if window and zoom == 1:
        return window
    whole = photo_masks.draw_windows([window], *size)[0] if window else np.asarray(mask, np.bool_)
    if zoom > 1:
        levels = np.where(whole, np.uint8(255), np.uint8(0))
        whole = _enlarge(levels, zoom, Image.Resampling.BILINEAR) > 127
    return photo_masks.cut_window(whole)


def _blend_mask(picture: Image.Image, window: photo_masks.Window, color: Color, style: _Style) -> None:
    """Tint the mask and draw its contour, touching only the rectangle that holds it."""
    top, left, mask = window
    if not mask.size:
        return
    levels = mask.view(np.uint8) * np.uint8(round(255 * _MASK_OPACITY))
    picture.paste(color, (left, top), Image.fromarray(levels))
    margin = style.line // 2
    contour = _find_contour(np.pad(mask, margin) if margin else mask, style.line)
    levels = contour.view(np.uint8) * np.uint8(255)
    picture.paste(color, (left - margin, top - margin), Image.fromarray(levels))


def _find_contour(mask: NDArray[np.bool_], line: int) -> NDArray[np.bool_]:
    """Find the pixels [H, W] of a line along the border of a mask, centred on its outermost pixels."""
    contour = mask.copy()
    inside = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    contour[1:-1, 1:-1] &= ~inside
    if line > 1:
        wide = Image.fromarray(contour).convert("L").filter(ImageFilter.MaxFilter(line // 2 * 2 + 1))
        contour = np.asarray(wide) > 0
    return contour


def _draw_box(canvas: Picture, box: NDArray[np.float64], color: Color, style: _Style, faint: bool) -> None:
    """Draw a box; thinly over a mask, which shows more than the box."""
    height, width = canvas.shape[:2]
    top, bottom = (int(np.clip(side, 0, height - 1)) for side in (box[0], box[2]))
    left, right = (int(np.clip(side, 0, width - 1)) for side in (box[1], box[3]))
    line = max(1, style.line // 2) if faint else style.line
    before, after = (line - 1) // 2, line // 2 + 1
    rows = slice(max(0, top - before), bottom + after)
    columns = slice(max(0, left - before), right + after)
    for row in (top, bottom):
        canvas[max(0, row - before) : row + after, columns] = color
    for column in (left, right):
        canvas[rows, max(0, column - before) : column + after] = color


def _draw_labels(
    canvas: Picture, boxes: NDArray[np.float64], texts: Sequence[str], colors: Sequence[Color], style: _Style
) -> Picture:
    if not any(texts):
        return canvas
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    font: Any = ImageFont.load_default(style.font)
    pad = max(2, style.font // 4)
    ascent, descent = font.getmetrics()
    height = ascent + descent + pad
    taken: list[tuple[float, float, float, float]] = []
    for index in _largest_first(boxes):
        if not texts[index]:
            continue
        width = math.ceil(draw.textlength(texts[index], font=font)) + 2 * pad
        corner = _place_label(boxes[index], width, height, canvas.shape[1], canvas.shape[0], taken)
        if corner is None:
            continue
        left, top = corner
        taken.append((left, top, left + width, top + height))
        draw.rounded_rectangle(
            (left, top, left + width - 1, top + height - 1), max(2, style.font // 5), fill=colors[index]
        )
        ink = _DARK_TEXT if _luminance(colors[index]) > 0.2 else _LIGHT_TEXT
        draw.text((left + pad, top + height / 2), texts[index], font=font, fill=ink, anchor="lm")
    return np.asarray(picture, np.uint8)


def _place_label(
    box: NDArray[np.float64],
    width: int,
    height: int,
    image_width: int,
    image_height: int,
    taken: Sequence[tuple[float, float, float, float]],
) -> tuple[int, int] | None:
    """Choose the (left, top) of a label: the first free corner at its box; None: there is none."""
    top, left, bottom, right = (float(side) for side in box)
    corners = [
        (left, top - height),
        (right - width, top - height),
        (left, top),
        (left, bottom),
        (right - width, top),
        (left, bottom - height),
        (right - width, bottom),
        ((left + right - width) / 2, (top + bottom - height) / 2),
        (left, top + height),
        (left, top - 2 * height),
    ]
    inside = [
        (
            round(min(max(x, 0), max(0, image_width - width))),
            round(min(max(y, 0), max(0, image_height - height))),
        )
        for x, y in corners
    ]

    def is_free(corner: tuple[int, int]) -> bool:
        x, y = corner
        return not any(x < x1 and x0 < x + width and y < y1 and y0 < y + height for x0, y0, x1, y1 in taken)

    return next(filter(is_free, inside), None)


def _luminance(color: Color) -> float:
    """Compute the relative luminance of an sRGB colour, 0..1."""
    weights = (0.2126, 0.7152, 0.0722)
    return float(sum(weight * (value / 255) ** 2.2 for weight, value in zip(weights, color, strict=True)))
