"""Pictures of instances: masks, contours, boxes and labels on a photo."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

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
    masks: NDArray[np.bool_] | Sequence[NDArray[np.bool_]] | None = None,
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
      masks: bool [D, H, W], or a sequence that makes each of D masks when it is asked for; None for none.
      zoom: whole factor by which the picture is enlarged, for small ones.

    Returns:
      uint8 RGB [H * zoom, W * zoom, 3]; without instances the photo itself.
    """
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    # At zoom 1 this is a copy.
    canvas = np.asarray(cv2.resize(np.asarray(image, np.uint8), size, interpolation=cv2.INTER_CUBIC))
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) * zoom
    height, width = canvas.shape[:2]
    style = _Style.of(height, width, len(boxes))
    colors = choose_colors(classes)
    for index in _largest_first(boxes):
        if masks is not None:
            mask = masks[index] if zoom == 1 else resize_mask(masks[index], height, width)
            _blend_mask(canvas, np.ascontiguousarray(mask, np.uint8), colors[index], style)
    for index in _largest_first(boxes):
        _draw_box(canvas, boxes[index], colors[index], style, faint=masks is not None)
    texts = [
        name if scores is None else f"{name} {100 * float(scores[i]):.0f}%" for i, name in enumerate(names)
    ]
    return _draw_labels(canvas, boxes, texts, colors, style)


def encode_png(picture: Picture) -> bytes:
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


def tile(images: Sequence[Picture], columns: int, gap: int = 8) -> Picture:
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


def shrink(picture: Picture, side: int) -> Picture:
    """Bring the longer side of a picture down to a number of pixels; smaller ones stay as they are."""
    factor = side / max(picture.shape[:2])
    if factor >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def resize_mask(mask: NDArray[Any], height: int, width: int) -> NDArray[np.bool_]:
    """Resize a soft or binary mask [h, w] bilinearly, then keep what is above one half."""
    soft = cv2.resize(np.asarray(mask, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft > 0.5)


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


def _blend_mask(canvas: Picture, mask: NDArray[np.uint8], color: Color, style: _Style) -> None:
    """Tint the mask and draw its contour, touching only the rectangle that holds it."""
    left, top, width, height = cv2.boundingRect(mask)
    if not width or not height:
        return
    margin = style.line + 1
    rows = slice(max(0, top - margin), top + height + margin)
    columns = slice(max(0, left - margin), left + width + margin)
    part, window = mask[rows, columns], canvas[rows, columns]
    tint = np.full_like(window, color)
    blended = cv2.addWeighted(window, 1 - _MASK_OPACITY, tint, _MASK_OPACITY, 0)
    cv2.copyTo(blended, part, window)
    contours, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(window, contours, -1, color, style.line, cv2.LINE_AA)


def _draw_box(canvas: Picture, box: NDArray[np.float64], color: Color, style: _Style, faint: bool) -> None:
    """Draw a box; thinly over a mask, which shows more than the box."""
    height, width = canvas.shape[:2]
    top, bottom = (int(np.clip(side, 0, height - 1)) for side in (box[0], box[2]))
    left, right = (int(np.clip(side, 0, width - 1)) for side in (box[1], box[3]))
    line = max(1, style.line // 2) if faint else style.line
    cv2.rectangle(canvas, (left, top), (right, bottom), color, line, cv2.LINE_AA)


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
