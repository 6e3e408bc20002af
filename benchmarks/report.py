"""Time a report of an evaluation beside pycocotools' own evaluation of the same detections.

python benchmarks/report.py [--images 200] [--detections 100] [--classes 80]

Prints one JSON object: seconds of processor time for reading, for our evaluation of boxes and masks, for the
report with its page, and for pycocotools' own evaluation; ratios to the last; the largest resident memory;
the bytes of the page; and whether all numbers of pycocotools are the same to the last digit.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import resource
import tempfile
import time
from typing import Any

import numpy as np
from pycocotools import coco
from pycocotools import cocoeval

from official_yolact.evaluation import groundtruth
from official_yolact.evaluation import metrics
from official_yolact.evaluation import results
from official_yolact.reporting import report
from official_yolact.reporting import report_files
from official_yolact_runtime import photo_masks
from official_yolact_runtime import run_lengths

PHOTO = (480, 640)


def draw_disc(height: int, width: int) -> Any:
    """Draw an ellipse that fills its box: bool [height, width]."""
    rows, columns = (2 * (np.arange(size) + 0.5) / size - 1 for size in (height, width))
    return np.hypot(rows[:, np.newaxis], columns) <= 1


def describe(corners: Any, sides: Any) -> list[dict[str, Any]]:
    """Write discs, whose boxes are int [N, 2] each, as COCO has them."""
    windows = [
        photo_masks.Window(top, left, draw_disc(height, width))
        for (top, left), (height, width) in zip(corners.tolist(), sides.tolist(), strict=True)
    ]
    return [
        {
            "bbox": [float(window.left), float(window.top), *map(float, window.mask.shape[::-1])],
            "area": float(window.mask.sum()),
            "segmentation": rle,
        }
        for window, rle in zip(windows, run_lengths.encode_windows(windows, *PHOTO), strict=True)
    ]


def make_image(generator: Any, detections: int, classes: int) -> tuple[list[Any], list[Any]]:
    """Draw objects, and detections of which half lie near an object, most of these of its class."""
    count = int(generator.integers(1, 15))
    sides = np.exp(generator.uniform(np.log(12), np.log(250), (count, 2))).astype(int)
    corners = (generator.random((count, 2)) * (PHOTO - sides)).astype(int)
    groups = generator.integers(1, classes + 1, count)
    objects = describe(corners, sides)
    for each, group in zip(objects, groups.tolist(), strict=True):
        each |= {"category_id": group, "iscrowd": int(generator.random() < 0.01)}
    near, own = generator.random(detections) < 0.5, generator.integers(0, count, detections)
    free = np.exp(generator.uniform(np.log(12), np.log(250), (detections, 2)))
    moved = sides[own] * np.exp(generator.normal(0, 0.2, (detections, 2)))
    new = np.clip(np.where(near[:, np.newaxis], moved, free).astype(int), 2, PHOTO)
    shifted = corners[own] + generator.normal(0, 0.15, (detections, 2)) * new
    anywhere = generator.random((detections, 2)) * (PHOTO - new)
    places = np.clip(np.where(near[:, np.newaxis], shifted, anywhere).astype(int), 0, PHOTO - new)
    same = near & (generator.random(detections) < 0.8)
    named = np.where(same, groups[own], generator.integers(1, classes + 1, detections))
    scores = np.where(near, generator.beta(2, 3, detections), generator.beta(1, 8, detections))
    found = describe(places, new)
    for each, group, score in zip(found, named.tolist(), scores.tolist(), strict=True):
        del each["area"]
        each |= {"category_id": group, "score": score}
    return objects, found


def write_set(folder: str, images: int, detections: int, classes: int) -> tuple[str, str]:
    """Write annotations and results; their paths."""
    generator = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    listed: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image_id in range(1, images + 1):
        listed.append({"id": image_id, "height": PHOTO[0], "width": PHOTO[1], "file_name": f"{image_id}.jpg"})
        for entries, target in zip(
            make_image(generator, detections, classes), (annotations, found), strict=True
        ):
            target += [{**each, "image_id": image_id} for each in entries]
    for index, each in enumerate(annotations, start=1):
        each["id"] = index
    categories = [{"id": index, "name": f"class {index}"} for index in range(1, classes + 1)]
    content = {"images": listed, "annotations": annotations, "categories": categories}
    paths = os.path.join(folder, "annotations.json"), os.path.join(folder, "results.json")
    for path, written in zip(paths, (content, found), strict=True):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(written, file)
    return paths


def evaluate_by_pycocotools(annotations: str, found: str) -> dict[str, list[float]]:
    """Run pycocotools itself: its twelve numbers for boxes and for masks."""
    numbers = {}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(annotations)
        loaded = truth.loadRes(found)
        for kind, name in (("box", "bbox"), ("mask", "segm")):
            for each in loaded.dataset["annotations"]:
                if kind == "mask":
                    each["area"] = float(coco.maskUtils.area(each["segmentation"]))
                else:
                    each["area"] = each["bbox"][2] * each["bbox"][3]
            evaluation = cocoeval.COCOeval(truth, loaded, name)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            numbers[kind] = evaluation.stats.tolist()
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("images", 200), ("detections", 100), ("classes", 80)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--no-pycocotools", action="store_true", help="time ours alone, for the memory")
    args = parser.parse_args()
    laps: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        annotations, found = write_set(folder, args.images, args.detections, args.classes)
        begin, wall = time.process_time(), time.monotonic()

        def lap(name: str) -> None:
            nonlocal begin
            laps[name] = time.process_time() - begin
            begin = time.process_time()

        truth = groundtruth.load_groundtruth(annotations)
        loaded = results.load_results(found, truth)
        lap("read")
        evaluation = metrics.measure_results(truth, loaded)
        lap("evaluate")
        boxes, masks = results.select(loaded, "bbox"), results.select(loaded, "segmentation")
        source = report.Source(truth, boxes, masks, evaluation, detections=found)
        report_files.write_report(source, os.path.join(folder, "report"))
        lap("report")
        whole = time.monotonic() - wall
        size = os.path.getsize(os.path.join(folder, "report", "report.html"))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        theirs = None
        if not args.no_pycocotools:
            begin = time.process_time()
            theirs = evaluate_by_pycocotools(annotations, found)
            lap("pycocotools")
    ours = {kind: list(each.summarize().values()) for kind, each in evaluation.measurements.items()}
    ratios = {name: round(spent / laps["pycocotools"], 3) for name, spent in laps.items()} if theirs else None
    account = {
        "images": args.images,
        "detections": args.images * args.detections,
        "seconds": {name: round(spent, 2) for name, spent in laps.items()},
        "over_pycocotools": ratios,
        "same_numbers": None if theirs is None else theirs == ours,
        "wall_seconds": round(whole, 1),
        "memory_gb": round(memory, 2),
        "page_bytes": size,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "processors": os.cpu_count(),
    }
    print(json.dumps(account))


if __name__ == "__main__":
    main()
