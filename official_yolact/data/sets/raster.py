"""Textures, outlines and shading of the shapes data set."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Rng = np.random.Generator

OVERSAMPLING = 4
"""Outlines are filled at so many times the resolution and averaged down, which smooths their edges."""

NAMES = ("circle", "square", "triangle", "star", "ellipse", "ring")

HOLED = {"ring": (0.4, 0.5), "square": (0.35, 0.45), "triangle": (0.3, 0.38)}
"""Kinds that have a hole, always or at times: its smallest and largest side over the shape's."""


def outline(kind: str, rng: Rng) -> Points:
    """Draw up a shape around the origin.

    Args:
      kind: one of `NAMES`.
      rng: decides rotation and proportions.

    Returns:
      float64 [P, 2] corners (x, y), the farthest at distance 1.
    """
    turn = rng.uniform(0, 2 * np.pi)
    if kind in ("circle", "ring"):
        return _polar(np.ones(64), turn)
    if kind == "square":
        return _polar(np.ones(4), turn)
    if kind == "triangle":
        return _polar(np.ones(3), turn)
    if kind == "star":
        return _polar(np.tile([1.0, rng.uniform(0.42, 0.52)], 5), turn)
    return ellipse(1.0, rng.uniform(0.4, 0.6), turn)


def ellipse(major: float, minor: float, turn: float) -> Points:
    """Compute corners (x, y), float64 [64, 2], of an ellipse around the origin, turned by `turn` radians."""
    points = _polar(np.ones(64), 0.0) * np.array([major, minor])
    turned: Points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return turned


def cover(size: int, loops: list[Points]) -> Floats:
    """Fill loops by the even-odd rule.

    Args:
      size: side of the image in pixels.
      loops: each float [P, 2] (x, y) in pixels; a loop within another cuts a hole.

    Returns:
      float32 [size, size], the covered part of each pixel.
    """
    side = size * OVERSAMPLING
    canvas = np.zeros((side, side), np.uint8)
    # Fixed-point coordinates; -0.5 because OpenCV counts from the centre of a pixel.
    fixed = [np.round((loop * OVERSAMPLING - 0.5) * 16).astype(np.int32) for loop in loops]
    cv2.fillPoly(canvas, fixed, 255, shift=4)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    coverage: Floats = small.astype(np.float32) / 255
    return coverage


def draw_background(size: int, rng: Rng) -> Floats:
    """Draw a background: two near colours, a pattern, a slow gradient and grain.

    Returns:
      float32 [size, size, 3] BGR 0..255.
    """
    base = rng.uniform(50, 205, 3).astype(np.float32)
    other = np.clip(base + rng.uniform(-45, 45, 3), 0, 255).astype(np.float32)
    light = (_noise(size, int(rng.integers(2, 5)), rng) - 0.5) * np.float32(rng.uniform(20, 60))
    light += _grain(size, rng.uniform(1, 6), rng)
    # [3] with [size, size, 1]: [size, size, 3].
    image: Floats = base + (other - base) * _pattern(size, rng)[..., None] + light[..., None]
    return image


def draw_fill(size: int, colour: Floats, rng: Rng) -> Floats:
    """Draw the surface of a shape: its colour, a weak pattern, light from one side and grain.

    Returns:
      float32 [size, size, 3] BGR 0..255.
    """
    image = np.empty((size, size, 3), np.float32)
    light = _ramp(size, rng, rng.uniform(20, 70)) + _grain(size, 3, rng)
    image[:] = light[..., None] + colour  # [size, size, 1] with [3]
    if rng.random() < 0.6:
        tint = rng.uniform(-1, 1, 3) * rng.choice([25.0, 50.0])
        image += (_pattern(size, rng)[..., None] - 0.5) * tint.astype(np.float32)
    return image


def pick_colour(behind: Floats, rng: Rng) -> Floats:
    """Draw a colour that differs from the background.

    Args:
      behind: float [3] BGR mean of what lies behind the shape.
      rng: decides.

    Returns:
      float32 [3] BGR 0..255, at least 90 from `behind`, or the farthest of twenty.
    """
    colours = rng.uniform(15, 240, (20, 3))
    far = np.linalg.norm(colours - behind, axis=1)
    good = np.flatnonzero(far > 90)
    colour: Floats = colours[good[0] if good.size else far.argmax()].astype(np.float32)
    return colour


def paint(image: Floats, coverage: Floats, fill: Floats) -> Floats:
    """Lay a shape over an image, with a soft shadow around it and a darker rim.

    Returns:
      float32 [size, size, 3].
    """
    size = image.shape[0]
    shadow = cv2.GaussianBlur(coverage, (0, 0), size / 42)
    rim = cv2.GaussianBlur(coverage, (0, 0), max(size / 100, 0.5))
    below = (1 - 0.45 * shadow) * (1 - coverage)
    above = (0.55 + 0.45 * np.sqrt(np.clip(2 * rim - 1, 0, 1))) * coverage
    result: Floats = image * below[..., None] + fill * above[..., None]  # [size, size, 1] over 3 channels
    return result


def _polar(radii: npt.NDArray[np.float64], turn: float) -> Points:
    angles = turn + np.arange(len(radii)) * (2 * np.pi / len(radii))
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _ramp(size: int, rng: Rng, height: float) -> Floats:
    """Rise in a random direction, by `height` over the image, around 0."""
    angle = rng.uniform(0, 2 * np.pi)
    at = np.linspace(-height / 2, height / 2, size, dtype=np.float32)
    # [size, 1] with [1, size]: [size, size].
    return at[:, None] * np.float32(np.sin(angle)) + at[None] * np.float32(np.cos(angle))


def _grain(size: int, strength: float, rng: Rng) -> Floats:
    return rng.standard_normal((size, size), dtype=np.float32) * np.float32(strength)


def _noise(size: int, cells: int, rng: Rng) -> Floats:
    """Interpolate random values between the corners of a coarse grid, 0..1."""
    coarse = rng.random((cells + 1, cells + 1), dtype=np.float32)
    smooth: Floats = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return smooth


def _pattern(size: int, rng: Rng) -> Floats:
    """Draw stripes, checks, dots or two kinds of clouds, 0..1."""
    kind = int(rng.integers(5))
    if kind >= 3:
        return np.clip(_noise(size, (5, 14)[kind - 3], rng), 0, 1)
    angle, period = rng.uniform(0, np.pi), size * rng.uniform(0.06, 0.2)
    at = np.arange(size, dtype=np.float32) * (2 * np.pi / period)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    wave = np.sin(at[None] * cosine + at[:, None] * sine)  # [size, size]
    if kind == 1:
        wave *= np.sin(at[:, None] * cosine - at[None] * sine)
    elif kind == 2:
        wave += np.sin(at[:, None] * cosine - at[None] * sine) - 0.7
    return np.clip(0.5 + 2 * wave, 0, 1)
