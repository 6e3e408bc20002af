"""A set of squares in two rows of a photo, with detections whose mistakes are known."""

from __future__ import annotations

import json

import numpy as np

from official_yolact_runtime import run_lengths

HEIGHT, WIDTH, SIDE, STEP = 120, 400, 20, 40
KINDS = ("right", "class", "localisation", "duplicate", "background", "missed", "leak")


def square(left, top, width=SIDE, height=SIDE):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def make_set(plan, classes=3):
    """Make annotations and results.

    Args:
      plan: for each image a list of `KINDS`, at most ten.
      classes: ids from 1.
    """
    images, annotations, found = [], [], []

    def annotate(image_id, category_id, mask, box):
        entry = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category_id, "iscrowd": 0}
        rle = run_lengths.encode_masks(mask[np.newaxis])[0]
        annotations.append({**entry, "bbox": box, "area": int(mask.sum()), "segmentation": rle})

    def detect(image_id, category_id, mask, box, score):
        rle = run_lengths.encode_masks(mask[np.newaxis])[0]
        entry = {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}
        found.append({**entry, "segmentation": rle})

    for image_id, kinds in enumerate(plan, start=1):
        images.append({"id": image_id, "height": HEIGHT, "width": WIDTH, "file_name": f"{image_id}.jpg"})
        for column, kind in enumerate(kinds):
            left, top = column * STEP + 5, 10
            category_id = 1 + (image_id + column) % classes
            score = round(0.95 - 0.01 * column, 2)
            box = [left, top, SIDE, SIDE]
            if kind == "background":
                detect(image_id, category_id, square(left, top), box, score)
                continue
            annotate(image_id, category_id, square(left, top), box)
            if kind == "class":
                detect(image_id, 1 + category_id % classes, square(left, top), box, score)
            elif kind == "localisation":
                moved = [left, top + 10, SIDE, SIDE]
                detect(image_id, category_id, square(*moved[:2]), moved, score)
            elif kind == "leak":
                # The neighbour lies right below, and is found itself.
                below = [left, top + SIDE, SIDE, SIDE]
                annotate(image_id, category_id, square(*below[:2]), below)
                detect(image_id, category_id, square(*below[:2]), below, score)
                detect(image_id, category_id, square(left, top, SIDE, 26), box, score)
            elif kind != "missed":
                detect(image_id, category_id, square(left, top), box, score)
                if kind == "duplicate":
                    detect(image_id, category_id, square(left, top), box, round(score - 0.2, 2))
    categories = [{"id": index, "name": f"class {index}"} for index in range(1, classes + 1)]
    return {"images": images, "annotations": annotations, "categories": categories}, found


def write_set(folder, plan, name="set"):
    """Write them; give the paths of the annotations and of the results."""
    paths = folder / f"{name}-annotations.json", folder / f"{name}-results.json"
    for path, content in zip(paths, make_set(plan), strict=True):
        path.write_text(json.dumps(content))
    return paths
