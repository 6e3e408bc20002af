"""Draw photos of facades with their annotations: many objects a photo, classes of very different frequency.

python benchmarks/facades.py --output DIR [--photos 400] [--side 1024] [--seed 0]

Writes DIR/photos/*.jpg, DIR/instances_train.json and DIR/instances_val.json (a fifth of the photos), and
prints one JSON object with the number of objects of each class. A photo is a wall with a grid of about 30
objects. A later object may cover a part of its neighbours, and trees cover parts of all; a mask is what
remains visible, and an object of which less than a quarter is left is not annotated. Equal arguments
draw equal photos.
"""

from __future__ import annotations

import argparse
import collections
import json
import pathlib
from typing import Any

import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFilter
from pycocotools import mask as coco_masks

CLASSES = {
    # Name: share of the objects, height and width over those of a cell.
    "window": (0.55, 0.62, 0.50),
    "shutter": (0.20, 0.62, 0.58),
    "balcony": (0.10, 0.50, 0.80),
    "blind": (0.06, 0.58, 0.48),
    "cornice": (0.035, 0.22, 0.95),
    "door": (0.025, 0.90, 0.50),
    "shop": (0.015, 0.62, 0.80),
    "pillar": (0.008, 0.95, 0.24),
    "plaque": (0.005, 0.34, 0.44),
    "lamp": (0.002, 0.40, 0.30),
}
_LEAST_VISIBLE = 0.25
_Box = tuple[int, int, int, int]
_Colour = tuple[int, int, int]


def draw_photo(rng: np.random.Generator, side: int) -> tuple[Image.Image, list[tuple[int, Any]]]:
    """Draw a photo.

    Args:
      rng: of everything that is drawn.
      side: height and width in pixels.

    Returns:
      the photo; and of each visible object the class from 1 and the mask, bool [side, side].
    """
    picture, owner = Image.fromarray(_draw_wall(rng, side)), Image.new("I", (side, side), 0)
    canvas, stamp = ImageDraw.Draw(picture), ImageDraw.Draw(owner)
    shares = np.array([share for share, _, _ in CLASSES.values()])
    cells = _lay_out(rng, side)
    placed: list[tuple[int, int]] = []
    for kind, cell in zip(rng.choice(len(CLASSES), len(cells), p=shares / shares.sum()), cells, strict=True):
        box = _place(rng, int(kind), cell)
        _PAINTERS[list(CLASSES)[kind]](canvas, box, rng)
        stamp.rectangle(box, fill=len(placed) + 1)
        left, top, right, bottom = np.clip(box, 0, side - 1).tolist()
        placed.append((int(kind) + 1, (right - left + 1) * (bottom - top + 1)))
    for _ in range(int(rng.integers(2, 6))):
        _plant(rng, canvas, stamp, side)
    owners = np.asarray(owner)
    areas = np.bincount(owners.ravel(), minlength=len(placed) + 1)
    visible = [
        (kind, owners == number)
        for number, (kind, area) in enumerate(placed, start=1)
        if areas[number] >= _LEAST_VISIBLE * area
    ]
    return _photograph(rng, picture), visible


def _photograph(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Blur, light, tint and noise, as a camera at some hour of the day adds them."""
    blurred = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.0))))
    pixels = (np.asarray(blurred, np.float64) / 255) ** rng.uniform(0.6, 1.6) * 255  # [side, side, 3]
    pixels = pixels * rng.uniform(0.5, 1.2) * rng.uniform(0.8, 1.2, 3)
    pixels = pixels + rng.normal(0, rng.uniform(4, 14), (*pixels.shape[:2], 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _draw_wall(rng: np.random.Generator, side: int) -> Any:
    """Draw uint8 [side, side, 3]: a colour with blotches and courses of stone."""
    blotches = Image.fromarray(rng.integers(0, 255, (24, 24), np.uint8)).resize((side, side), Image.BICUBIC)
    wall = rng.uniform(60, 220, 3) + (np.asarray(blotches, np.float64)[..., np.newaxis] - 127) * 0.3
    course = int(rng.integers(12, 40))
    wall[::course] -= 25
    wall[:, :: 2 * course] -= 15
    return wall.clip(0, 255).astype(np.uint8)


def _lay_out(rng: np.random.Generator, side: int) -> list[tuple[float, float, float, float]]:
    """Divide the wall into 27 to 33 cells: (left, top, width, height)."""
    rows, columns = [(5, 6), (6, 5), (4, 7), (4, 8), (3, 10), (3, 9), (5, 6)][int(rng.integers(7))]
    # A wall that is near fills the photo; of one that is far there is less.
    width, height = rng.uniform(0.4, 0.95) * side / columns, rng.uniform(0.4, 0.95) * side / rows
    left, top = rng.uniform(0, side - columns * width), rng.uniform(0, side - rows * height)
    return [
        (left + column * width, top + row * height, width, height)
        for row in range(rows)
        for column in range(columns)
    ]


def _place(rng: np.random.Generator, kind: int, cell: tuple[float, float, float, float]) -> _Box:
    _, high, wide = list(CLASSES.values())[kind]
    left, top, width, height = cell
    h, w = high * height * rng.uniform(0.7, 1.3), wide * width * rng.uniform(0.7, 1.3)
    x = left + width / 2 + rng.normal(0, 0.08) * width - w / 2
    y = top + height / 2 + rng.normal(0, 0.08) * height - h / 2
    return round(x), round(y), round(x + max(w, 6)), round(y + max(h, 6))


def _colour(rng: np.random.Generator, low: float = 20, high: float = 235) -> _Colour:
    """Draw a colour; none belongs to a class, which its pattern alone tells."""
    red, green, blue = rng.uniform(low, high, 3).tolist()
    return int(red), int(green), int(blue)


def _shade(colour: _Colour, factor: float) -> _Colour:
    red, green, blue = (int(min(value * factor, 255)) for value in colour)
    return red, green, blue


def _line(canvas: Any, ends: tuple[float, float, float, float], colour: _Colour, box: _Box) -> None:
    """Draw a line whose width grows with the object."""
    canvas.line(ends, fill=colour, width=max(2, min(box[2] - box[0], box[3] - box[1]) // 16))


def _steps(low: int, high: int, number: int) -> list[float]:
    return [low + (high - low) * (index + 0.5) / number for index in range(number)]


def _window(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    glass = _colour(rng)
    frame = _shade(glass, float(rng.choice([0.6, 1.5])))
    canvas.rectangle(box, fill=glass, outline=frame, width=max(2, (right - left) // 14))
    middle, height = (left + right) / 2, top + (bottom - top) * rng.uniform(0.25, 0.5)
    _line(canvas, (middle, top, middle, bottom), frame, box)
    _line(canvas, (left, height, right, height), frame, box)


def _shutter(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    wood = _colour(rng)
    canvas.rectangle(box, fill=_colour(rng, 20, 110))
    wing = (right - left) * 0.28
    for x in (left, right - wing):
        canvas.rectangle((x, top, x + wing, bottom), fill=wood)
        for y in _steps(top, bottom, 9):
            _line(canvas, (x, y, x + wing, y), _shade(wood, 0.6), box)


def _balcony(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    ground = _colour(rng)
    canvas.rectangle(box, fill=ground)
    for x in _steps(left, right, 9):
        _line(canvas, (x, top, x, bottom), _shade(ground, 0.5), box)
    _line(canvas, (left, top, right, top), _shade(ground, 0.4), box)


def _blind(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    ground = _colour(rng)
    canvas.rectangle(box, fill=ground, outline=_shade(ground, 0.6), width=2)
    for y in _steps(top, bottom, 9):
        _line(canvas, (left, y, right, y), _shade(ground, 0.65), box)


def _cornice(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    stone = _colour(rng)
    canvas.rectangle(box, fill=stone)
    tooth = (right - left) / 20
    for x in _steps(left, right, 10):
        canvas.rectangle((x - tooth / 2, (top + bottom) / 2, x + tooth / 2, bottom), fill=_shade(stone, 0.55))


def _door(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    wood = _colour(rng)
    canvas.rectangle(box, fill=wood)
    middle, inset = (top + bottom) / 2, (right - left) / 5
    for low, high in ((top, middle), (middle, bottom)):
        panel = (left + inset, low + inset, right - inset, max(high - inset, low + inset + 1))
        canvas.rectangle(panel, outline=_shade(wood, 0.55), width=max(2, int(inset / 4)))


def _shop(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    glass, cloth = _colour(rng), _colour(rng)
    canvas.rectangle(box, fill=glass)
    stripe, awning = (right - left) / 8, top + (bottom - top) / 3
    for number in range(8):
        x = left + number * stripe
        canvas.rectangle((x, top, x + stripe, awning), fill=_shade(cloth, 1.6 if number % 2 else 0.7))


def _pillar(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    stone = _colour(rng)
    canvas.rectangle(box, fill=stone)
    for x in _steps(left, right, 3):
        _line(canvas, (x, top, x, bottom), _shade(stone, 0.6), box)


def _plaque(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    plate = _colour(rng)
    canvas.rectangle(box, fill=plate, outline=_shade(plate, 1.6), width=max(2, (box[2] - box[0]) // 12))


def _lamp(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    canvas.rectangle(box, fill=_colour(rng, 20, 90))
    canvas.ellipse((left, top, right, (top + bottom) / 2), fill=_colour(rng, 180, 250))


_PAINTERS = {name: globals()[f"_{name}"] for name in CLASSES}


def _plant(rng: np.random.Generator, canvas: Any, stamp: Any, side: int) -> None:
    """Draw a tree, whose leaves and trunk belong to no object."""
    x, y, radius = rng.uniform(0, side), rng.uniform(0.3, 0.95) * side, rng.uniform(0.05, 0.12) * side
    trunk = (x - radius / 8, y, x + radius / 8, side)
    canvas.rectangle(trunk, fill=(70, 50, 35))
    stamp.rectangle(trunk, fill=0)
    for _ in range(25):
        dx, dy, r = rng.normal(0, radius / 2), rng.normal(0, radius / 2), rng.uniform(0.2, 0.5) * radius
        leaf = (x + dx - r, y + dy - r, x + dx + r, y + dy + r)
        canvas.ellipse(leaf, fill=_shade(_colour(rng, 40, 120), 0.8))
        stamp.ellipse(leaf, fill=0)


def write_set(folder: pathlib.Path, photos: int, side: int, seed: int) -> dict[str, Any]:
    """Draw all photos, and write them and their annotations.

    Args:
      folder: which is made.
      photos: number of them; each fifth is for validation.
      side: height and width in pixels.
      seed: of everything.

    Returns:
      Number of photos and objects, and of the objects of each class, of training and validation.
    """
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    files = {split: _start_file() for split in ("train", "val")}
    for number in range(photos):
        picture, visible = draw_photo(np.random.default_rng([seed, number]), side)
        name = f"{number:04}.jpg"
        picture.save(folder / "photos" / name, quality=90)
        content = files["val" if number % 5 == 4 else "train"]
        content["images"].append({"id": number + 1, "file_name": name, "height": side, "width": side})
        for kind, mask in visible:
            encoded = coco_masks.encode(np.asfortranarray(mask, np.uint8))
            entry = {
                "id": len(content["annotations"]) + 1,
                "image_id": number + 1,
                "category_id": kind,
                "bbox": [float(value) for value in coco_masks.toBbox(encoded)],
                "area": float(mask.sum()),
                "iscrowd": 0,
                "segmentation": {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")},
            }
            content["annotations"].append(entry)
    for split, content in files.items():
        (folder / f"instances_{split}.json").write_text(json.dumps(content), encoding="utf-8")
    return {split: _count(content) for split, content in files.items()}


def _start_file() -> dict[str, list[Any]]:
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    return {"images": [], "annotations": [], "categories": categories}


def _count(content: dict[str, list[Any]]) -> dict[str, Any]:
    counts = collections.Counter(entry["category_id"] for entry in content["annotations"])
    classes = {name: counts[number] for number, name in enumerate(CLASSES, start=1)}
    return {"photos": len(content["images"]), "objects": len(content["annotations"]), "classes": classes}


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(json.dumps(write_set(args.output, args.photos, args.side, args.seed)))


if __name__ == "__main__":
    main()
