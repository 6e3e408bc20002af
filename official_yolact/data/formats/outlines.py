"""Outlines of shapes that annotation tools store as a few numbers, as polygons in pixels."""

from __future__ import annotations

import math

_TOLERANCE = 0.1
_MIN_POINTS = 12
_MAX_POINTS = 1000


def ellipse(x: float, y: float, radius_x: float, radius_y: float, angle: float = 0.0) -> list[float]:
    """Give a polygon [x1, y1, x2, y2, ...] that is nowhere farther than a tenth of a pixel from an ellipse.

    Args:
      x: of the centre, in pixels.
      y: of the centre, in pixels.
      radius_x: half of the axis that lies along x before the turn, more than 0, in pixels.
      radius_y: half of the other axis, more than 0, in pixels.
      angle: by which the ellipse is turned about its centre, from x to y, in radians.
    """
    half_step = math.acos(max(0.0, 1 - _TOLERANCE / max(radius_x, radius_y)))
    wanted = math.ceil(math.pi / half_step) if half_step else _MAX_POINTS
    count = min(max(wanted, _MIN_POINTS), _MAX_POINTS)
    turns = [2 * math.pi * step / count for step in range(count)]
    points = [(radius_x * math.cos(turn), radius_y * math.sin(turn)) for turn in turns]
    return _place(points, x, y, angle)


def rectangle(x: float, y: float, width: float, height: float, angle: float = 0.0) -> list[float]:
    """Give the corners [x1, y1, x2, y2, ...] of a rectangle that is turned about its first corner.

    Args:
      x: of the first corner, in pixels.
      y: of the first corner, in pixels.
      width: of the side that lies along x before the turn, in pixels.
      height: of the other side, in pixels.
      angle: from x to y, in radians.
    """
    return _place([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)], x, y, angle)


def _place(points: list[tuple[float, float]], x: float, y: float, angle: float) -> list[float]:
    """Turn points about the origin and move the origin to x, y."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = [(a * cosine - b * sine, a * sine + b * cosine) for a, b in points]
    return [number for a, b in turned for number in (x + a, y + b)]
