"""Random COCO files: sound ones, odd ones, and all between."""

from __future__ import annotations

import random
from typing import Any

HEIGHT, WIDTH = 24, 32
ODD = [None, True, -1, 0, 1, 2.5, 1e308, -(10**400), 10**30, float("nan"), float("inf"), "", "7", "x", "\u00fc", [], {}, [[]], [None], {"counts": 3}]  # fmt: skip


def _value(rng: random.Random, usual: Any, oddness: float) -> Any:
    return rng.choice(ODD) if rng.random() < oddness else usual


def _polygon(rng: random.Random, oddness: float) -> Any:
    count = rng.choice([6, 8, 10]) if rng.random() > oddness else rng.randrange(9)
    return [_value(rng, round(rng.uniform(-4, 40), 1), oddness / 8) for _ in range(count)]


def _code(rng: random.Random, oddness: float) -> Any:
    first = rng.randrange(HEIGHT * WIDTH // 2)
    second = rng.randrange(HEIGHT * WIDTH // 2)
    runs = [_value(rng, run, oddness / 4) for run in (first, second, HEIGHT * WIDTH - first - second)]
    size = [_value(rng, side, oddness / 4) for side in (HEIGHT, WIDTH)]
    if rng.random() < min(0.3, oddness):
        return {"size": size, "counts": "".join(chr(rng.randrange(40, 120)) for _ in range(rng.randrange(6)))}
    return {"size": size, "counts": runs}


def _annotation(rng: random.Random, i: int, oddness: float) -> Any:
    shape = (
        _code(rng, oddness)
        if rng.random() < 0.4
        else [_polygon(rng, oddness) for _ in range(rng.randrange(3))]
    )
    fields = {
        "id": i if rng.random() < 0.9 else rng.randrange(5),
        "image_id": rng.randrange(1, 6),
        "category_id": rng.randrange(1, 4),
        "bbox": [_value(rng, rng.uniform(-5, 30), oddness / 4) for _ in range(4)],
        "area": rng.uniform(-5, 200),
        "iscrowd": int(rng.random() < 0.3),
        "segmentation": shape,
    }  # fmt: skip
    entry = {name: _value(rng, value, oddness / 2) for name, value in fields.items()}
    for name in list(entry):
        if rng.random() < oddness / 8:
            del entry[name]
    return _value(rng, entry, oddness / 16)


def draw_file(rng: random.Random) -> dict[str, Any]:
    """Draw five images, three classes and up to 29 annotations, from all sound to all odd."""
    oddness = rng.choice([0.0, 0.1, 0.5, 1.0])
    images = [
        {
            "id": _value(rng, i, oddness / 8),
            "file_name": _value(rng, f"{i}.jpg", oddness / 8),
            "height": _value(rng, HEIGHT, oddness / 4),
            "width": _value(rng, WIDTH, oddness / 4),
        }
        for i in range(1, 6)
    ]
    categories = [
        {"id": _value(rng, i, oddness / 8), "name": _value(rng, f"c{i}", oddness / 8)} for i in (1, 2, 3)
    ]
    return {
        "images": [_value(rng, image, oddness / 8) for image in images],
        "annotations": [_annotation(rng, i, oddness) for i in range(rng.randrange(30))],
        "categories": [_value(rng, category, oddness / 8) for category in categories],
    }  # fmt: skip


def draw_results(rng: random.Random) -> Any:
    """Draw a results file for such a file."""
    oddness = rng.choice([0.0, 0.02, 0.3])
    entries = [
        {
            "image_id": rng.randrange(1, 6),
            "category_id": rng.randrange(1, 4),
            "score": _value(rng, rng.random(), oddness / 4),
            "bbox": [_value(rng, rng.uniform(0, 30), oddness / 8) for _ in range(4)],
            "segmentation": _code(rng, oddness) if rng.random() < 0.7 else [_polygon(rng, oddness)],
        }
        for _ in range(rng.randrange(20))
    ]
    return _value(rng, [_value(rng, entry, oddness / 16) for entry in entries], oddness / 16)
