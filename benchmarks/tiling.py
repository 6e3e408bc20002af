"""Search large photos in tiles, and count what is found, missed and found too much.

python benchmarks/tiling.py MODEL --images DIR --annotations JSON [--montages 3] [--side 6] [--tile 128]
        [--score-threshold 0.3]

Prints one JSON object. With `--side 1` the photos are those of the annotation file, such as
`yolact data shapes --size 768 --cell 128` draws. Else they are montages of SIDE x SIDE pictures of one size,
such as those of `yolact demo`, whose model was trained on single ones. A detection is right when its class is
that of an object and its mask covers the object's with an intersection over union of at least 0.5; each
object counts once, the best score first. What lies on a crowd is not counted. `one by one` is what the model
finds in the pictures of a montage themselves, `squashed` in the photo as a whole, and `plain tiles` in tiles
with suppression within classes alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image
from pycocotools import coco as coco_lib
from pycocotools import mask as coco_mask

import official_yolact
from official_yolact_runtime import tiling

OVERLAPS = (0.25, 0.3, 0.5)


@dataclasses.dataclass
class Montage:
    """A picture, and its objects as run lengths."""

    image: Any  # uint8 RGB [H, W, 3]
    rles: list[Any]
    category_ids: list[int]
    crowds: list[bool]


def make_montages(coco: Any, folder: str, side: int, count: int) -> Iterator[Montage]:
    """Lay the pictures of an annotation file out, in the order of their ids."""
    ids = sorted(coco.imgs)
    for first in range(0, count * side * side, side * side):
        chosen = ids[first : first + side * side]
        if len(chosen) < side * side:
            raise SystemExit(f"{count} montages of {side} x {side} need {count * side * side} pictures")
        height, width = coco.imgs[chosen[0]]["height"], coco.imgs[chosen[0]]["width"]
        montage = Montage(np.zeros((side * height, side * width, 3), np.uint8), [], [], [])
        for at, image_id in enumerate(chosen):
            rows = slice(at // side * height, (at // side + 1) * height)
            columns = slice(at % side * width, (at % side + 1) * width)
            with Image.open(os.path.join(folder, coco.imgs[image_id]["file_name"])) as picture:
                montage.image[rows, columns] = np.asarray(picture.convert("RGB"))
            for annotation in coco.loadAnns(coco.getAnnIds(image_id)):
                mask = np.zeros(montage.image.shape[:2], np.uint8, order="F")
                mask[rows, columns] = coco.annToMask(annotation)
                montage.rles.append(coco_mask.encode(mask))
                montage.category_ids.append(annotation["category_id"])
                montage.crowds.append(bool(annotation["iscrowd"]))
        yield montage


def encode(found: Any) -> list[Any]:
    """Encode masks, one whole mask at a time."""
    size = found.image.shape[:2]
    rles = []
    for top, left, part in found.windows:
        mask = np.zeros(size, np.uint8, order="F")
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
        rles.append(coco_mask.encode(mask))
    return rles


def count(montage: Montage, found: Any) -> dict[str, int]:
    """Count objects that were found, and detections that are none."""
    overlaps = np.zeros((len(found), len(montage.rles)))
    if len(found):
        overlaps = np.asarray(coco_mask.iou(encode(found), montage.rles, montage.crowds))
    crowds = np.array(montage.crowds)
    taken, extra = crowds.copy(), 0
    for row in np.argsort(-found.mask_scores, kind="stable"):
        possible = (np.array(montage.category_ids) == found.category_ids[row]) & ~taken
        best = int(np.argmax(np.where(possible, overlaps[row], -1.0)))
        if possible[best] and overlaps[row, best] >= 0.5:
            taken[best] = True
        elif not (overlaps[row][crowds] >= 0.5).any():
            extra += 1
    return {"objects": int((~crowds).sum()), "found": int((taken & ~crowds).sum()), "extra": extra}


def one_by_one(model: Any, montage: Montage, side: int, score: float) -> Any:
    """Detect in the pictures of a montage themselves."""
    height, width = (length // side for length in montage.image.shape[:2])
    corners = [(row * height, column * width) for row in range(side) for column in range(side)]
    pictures = [
        np.ascontiguousarray(montage.image[top : top + height, left : left + width]) for top, left in corners
    ]
    parts = [
        found.shift(top, left, montage.image)
        for found, (top, left) in zip(model(pictures, score), corners, strict=True)
    ]
    return official_yolact.Detections.concatenate(parts)


def plain_tiles(model: Any, image: Any, tile: int, overlap: float, score: float) -> Any:
    """Detect in tiles, and suppress in each class by the overlap of masks alone."""
    height, width = model.runtime.input_size
    sides = [round(tile * side / max(height, width)) for side in (height, width)]
    boxes = [one.box for one in tiling.divide(image.shape[:2], sides, overlap)]
    pictures = [np.ascontiguousarray(image[box[0] : box[2], box[1] : box[3]]) for box in boxes]
    parts = [
        found.shift(int(box[0]), int(box[1]), image)
        for found, box in zip(model(pictures, score), boxes, strict=True)
    ]
    found = official_yolact.Detections.concatenate(parts)
    rles = encode(found)
    overlaps = np.asarray(coco_mask.iou(rles, rles, [False] * len(rles))).reshape(len(rles), len(rles))
    kept: list[int] = []
    for row in range(len(found)):
        same = [other for other in kept if found.classes[other] == found.classes[row]]
        if (overlaps[row, same] < 0.5).all():
            kept.append(row)
    return found.select(kept)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--images", required=True)
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--montages", type=int, default=3)
    parser.add_argument("--side", type=int, default=6)
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--score-threshold", type=float, default=0.3)
    options = parser.parse_args()
    model = official_yolact.load(options.model, batch_size=8)
    coco, score = coco_lib.COCO(options.annotations), options.score_threshold
    forms: dict[str, Callable[[Montage], Any]] = {
        "squashed": lambda montage: model(montage.image, score),
    }
    if options.side > 1:
        forms["one by one"] = lambda montage: one_by_one(model, montage, options.side, score)
    for overlap in OVERLAPS:
        forms[f"plain tiles, overlap {overlap}"] = lambda montage, overlap=overlap: plain_tiles(
            model, montage.image, options.tile, overlap, score
        )
        forms[f"tiles, overlap {overlap}"] = lambda montage, overlap=overlap: tiling.predict_tiled(
            model, montage.image, options.tile, overlap, score
        )
    results: dict[str, Any] = {}
    montages = list(make_montages(coco, options.images, options.side, options.montages))
    for name, form in forms.items():
        start = time.process_time()
        counts = [count(montage, form(montage)) for montage in montages]
        sums = {key: sum(one[key] for one in counts) for key in counts[0]}
        shares = {
            "recall": round(sums["found"] / sums["objects"], 3),
            "extra_part": round(sums["extra"] / sums["objects"], 3),
        }
        results[name] = {**sums, **shares, "seconds": round(time.process_time() - start, 2)}
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    device = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"versions": versions, "device": device, "results": results}, indent=1))


if __name__ == "__main__":
    main()
