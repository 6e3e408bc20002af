"""A picture for who has none at hand: some shapes."""

from __future__ import annotations

import io
import math

from PIL import Image
from PIL import ImageDraw
from PIL import ImageFilter

_SIZE = 512
_SCALE = 2
"""Drawn larger by this factor, so that edges are smooth."""


def draw() -> bytes:
    """Draw a circle, a square, a triangle, a star, an ellipse and a ring; gives a JPEG file."""
    side = _SIZE * _SCALE
    noise = Image.effect_noise((side // 16, side // 16), 30).resize((side, side), Image.Resampling.BICUBIC)
    dark, light = Image.new("RGB", noise.size, (70, 84, 98)), Image.new("RGB", noise.size, (196, 190, 176))
    picture = Image.composite(light, dark, noise)
    pen = ImageDraw.Draw(picture)
    unit = side / 16
    pen.ellipse(_box(unit, 3.2, 3.2, 2.1, 2.1), fill=(214, 84, 64))
    pen.rectangle(_box(unit, 8.4, 3.4, 1.8, 1.8), fill=(58, 120, 196))
    pen.polygon([(unit * x, unit * y) for x, y in ((13, 1.4), (15.2, 5.4), (10.9, 5.2))], fill=(228, 184, 60))
    pen.polygon(_make_star(unit, 3.6, 11.2, 2.6), fill=(122, 176, 84))
    pen.ellipse(_box(unit, 8.9, 9.4, 2.4, 1.3), fill=(158, 96, 176))
    pen.ellipse(_box(unit, 12.6, 12.6, 2.2, 2.2), outline=(64, 168, 168), width=round(unit * 0.9))
    buffer = io.BytesIO()
    smooth = picture.filter(ImageFilter.GaussianBlur(1)).resize((_SIZE, _SIZE), Image.Resampling.LANCZOS)
    smooth.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _box(unit: float, x: float, y: float, across: float, down: float) -> list[float]:
    return [unit * value for value in (x - across, y - down, x + across, y + down)]


def _make_star(unit: float, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    points = []
    for index in range(10):
        reach = radius if index % 2 == 0 else 0.45 * radius
        angle = math.pi * index / 5
        points.append((unit * (x + reach * math.sin(angle)), unit * (y - reach * math.cos(angle))))
    return points
