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
    "window": (0.46, 0.62, 0.50),
    "shutter": (0.20, 0.62, 0.62),
    "balcony": (0.12, 0.42, 0.95),
    "blind": (0.08, 0.58, 0.46),
    "cornice": (0.05, 0.18, 1.10),
    "door": (0.035, 0.98, 0.50),
    "shop": (0.025, 0.75, 1.20),
    "pillar": (0.015, 1.15, 0.22),
    "plaque": (0.01, 0.24, 0.30),
    "lamp": (0.005, 0.34, 0.22),
}
_LEAST_VISIBLE = 0.25
_Box = tuple[int, int, int, int]


def draw_photo(rng: np.random.Generator, side: int) -> tuple[Image.Image, list[tuple[int, Any]]]:
    """Draw a photo.

    Args:
      rng: of everything that is drawn.
      side: height and width in pixels.

    Returns:
      the photo; and of each visible object the class from 1 and the mask, bool [side, side].
    """
    base = rng.uniform([120, 100, 80], [225, 210, 200])
    picture = Image.fromarray(_draw_wall(rng, base, side))
    canvas, owner = ImageDraw.Draw(picture), Image.new("I", (side, side), 0)
    stamp = ImageDraw.Draw(owner)
    boxes = _lay_out(rng, side)
    shares = np.array([share for share, _, _ in CLASSES.values()])
    kinds = rng.choice(len(CLASSES), len(boxes), p=shares / shares.sum())
    placed = []
    for number, (kind, cell) in enumerate(zip(kinds.tolist(), boxes, strict=True), start=1):
        box = _place(rng, kind, cell)
        _PAINTERS[list(CLASSES)[kind]](canvas, box, rng)
        stamp.rectangle(box, fill=number)
        left, top, right, bottom = np.clip(box, 0, side - 1).tolist()
        placed.append((kind + 1, (right - left + 1) * (bottom - top + 1)))
    for _ in range(int(rng.integers(1, 4))):
        _plant(rng, canvas, stamp, side)
    picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2))))
    noise = rng.normal(0, rng.uniform(2, 8), (side, side, 1))
    light = float(rng.uniform(0.75, 1.15))
    pixels = (np.asarray(picture, np.float64) * light + noise).clip(0, 255).astype(np.uint8)
    owners = np.asarray(owner)
    masks = [(kind, owners == number) for number, (kind, _) in enumerate(placed, start=1)]
    visible = [
        (kind, mask)
        for (kind, mask), (_, area) in zip(masks, placed, strict=True)
        if mask.sum() >= _LEAST_VISIBLE * area
    ]
    return Image.fromarray(pixels), visible


def _draw_wall(rng: np.random.Generator, base: Any, side: int) -> Any:
    """Draw uint8 [side, side, 3]: a colour with large and small blotches and courses of stone."""
    blotches = Image.fromarray(rng.integers(0, 255, (12, 12), np.uint8)).resize((side, side), Image.BICUBIC)
    wall = base + (np.asarray(blotches, np.float64)[..., np.newaxis] - 127) * 0.12  # [side, side, 3]
    course = int(rng.integers(18, 60))
    wall[::course] -= 12
    return wall.clip(0, 255).astype(np.uint8)


def _lay_out(rng: np.random.Generator, side: int) -> list[tuple[float, float, float, float]]:
    """Divide the wall into 27 to 33 cells: (left, top, width, height)."""
    rows, columns = [(5, 6), (6, 5), (4, 7), (4, 8), (3, 10), (3, 9), (5, 6)][int(rng.integers(7))]
    margin = rng.uniform(0.02, 0.08) * side
    width, height = (side - 2 * margin) / columns, (side - 2 * margin) / rows
    return [
        (margin + column * width, margin + row * height, width, height)
        for row in range(rows)
        for column in range(columns)
    ]


def _place(rng: np.random.Generator, kind: int, cell: tuple[float, float, float, float]) -> _Box:
    _, high, wide = list(CLASSES.values())[kind]
    left, top, width, height = cell
    h, w = high * height * rng.uniform(0.85, 1.15), wide * width * rng.uniform(0.85, 1.15)
    x = left + width / 2 + rng.normal(0, 0.06) * width - w / 2
    y = top + height / 2 + rng.normal(0, 0.06) * height - h / 2
    return round(x), round(y), round(x + w), round(y + h)


def _colour(rng: np.random.Generator, low: tuple[int, int, int], high: tuple[int, int, int]) -> _Box:
    return tuple(int(value) for value in rng.uniform(low, high))  # type: ignore[return-value]


def _window(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    frame = _colour(rng, (190, 190, 190), (250, 250, 250))
    canvas.rectangle(box, fill=_colour(rng, (30, 45, 60), (80, 100, 130)), outline=frame, width=5)
    canvas.line([((left + right) // 2, top), ((left + right) // 2, bottom)], fill=frame, width=4)
    height = top + (bottom - top) // 3
    canvas.line([(left, height), (right, height)], fill=frame, width=4)


def _shutter(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    wing, colour = (right - left) // 4, _colour(rng, (20, 80, 40), (70, 130, 90))
    canvas.rectangle(box, fill=_colour(rng, (30, 45, 60), (70, 80, 100)))
    for x in (left, right - wing):
        canvas.rectangle((x, top, x + wing, bottom), fill=colour)
        for y in range(top, bottom, 9):
            canvas.line([(x, y), (x + wing, y)], fill=(20, 50, 30), width=2)


def _balcony(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    canvas.rectangle(box, fill=_colour(rng, (140, 140, 145), (190, 190, 195)))
    for x in range(left, right, 12):
        canvas.line([(x, top), (x, bottom)], fill=(25, 25, 25), width=4)
    canvas.line([(left, top), (right, top)], fill=(20, 20, 20), width=7)


def _blind(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    canvas.rectangle(box, fill=_colour(rng, (200, 190, 160), (240, 230, 200)), outline=(90, 80, 70), width=4)
    for y in range(top + 8, bottom, 12):
        canvas.line([(left, y), (right, y)], fill=(150, 140, 120), width=3)


def _cornice(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    canvas.rectangle(
        box, fill=_colour(rng, (220, 215, 205), (250, 245, 240)), outline=(110, 100, 90), width=2
    )
    for x in range(left, right, 18):
        canvas.rectangle((x, (top + bottom) // 2, x + 8, bottom), fill=(120, 110, 100))


def _door(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    canvas.rectangle(box, fill=_colour(rng, (90, 45, 20), (140, 80, 45)), outline=(50, 25, 10), width=6)
    middle = (top + bottom) // 2
    inset = (right - left) // 5
    for low, high in ((top, middle), (middle, bottom)):
        panel = (left + inset, low + inset, right - inset, max(high - inset, low + inset + 1))
        canvas.rectangle(panel, outline=(45, 22, 8), width=4)


def _shop(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    canvas.rectangle(box, fill=_colour(rng, (150, 190, 210), (190, 220, 235)), outline=(60, 60, 60), width=4)
    awning = top + (bottom - top) // 3
    for number, x in enumerate(range(left, right, 20)):
        fill = (200, 40, 40) if number % 2 else (240, 240, 240)
        canvas.rectangle((x, top, min(x + 20, right), awning), fill=fill)


def _pillar(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    canvas.rectangle(box, fill=_colour(rng, (200, 195, 185), (235, 230, 220)))
    for x in range(left, right, 7):
        canvas.line([(x, top), (x, bottom)], fill=(130, 125, 115), width=2)


def _plaque(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    canvas.rectangle(box, fill=_colour(rng, (20, 40, 130), (50, 80, 190)), outline=(240, 240, 240), width=4)


def _lamp(canvas: Any, box: _Box, rng: np.random.Generator) -> None:
    left, top, right, bottom = box
    canvas.rectangle(box, fill=_colour(rng, (25, 25, 25), (40, 40, 40)))
    canvas.ellipse((left + 3, top + 3, right - 3, (top + bottom) // 2), fill=(255, 240, 140))


_PAINTERS = {name: globals()[f"_{name}"] for name in CLASSES}


def _plant(rng: np.random.Generator, canvas: Any, stamp: Any, side: int) -> None:
    """Draw a tree, whose leaves and trunk belong to no object."""
    x, y, radius = rng.uniform(0, side), rng.uniform(0.45, 0.95) * side, rng.uniform(0.06, 0.13) * side
    trunk = (x - radius / 8, y, x + radius / 8, side)
    canvas.rectangle(trunk, fill=(70, 50, 35))
    stamp.rectangle(trunk, fill=0)
    for _ in range(25):
        dx, dy, r = rng.normal(0, radius / 2), rng.normal(0, radius / 2), rng.uniform(0.2, 0.5) * radius
        leaf = (x + dx - r, y + dy - r, x + dx + r, y + dy + r)
        canvas.ellipse(leaf, fill=_colour(rng, (25, 70, 20), (80, 140, 60)))
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
