"""Time `yolact data check` on a generated annotation file of COCO's size, without opening images.

python benchmarks/check_annotations.py [--images 118000] [--annotations 860000] [--json-file FILE]

Prints one JSON object: seconds and peak memory of the command in a process of its own. The file is drawn
from a seed: as in COCO train2017 about 43 numbers a polygon and 450 MB in all, 1 % crowds as run lengths.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

HEIGHT, WIDTH = 480, 640
CATEGORIES = 80
CROWD_SHARE = 0.01
MEAN_POINTS = 21.0
LIMIT_SECONDS, LIMIT_BYTES = 90, 4_000_000_000


def write_annotations(path: str, images: int, annotations: int, seed: int = 0) -> None:
    """Write a COCO instances file, one entry at a time."""
    rng = np.random.default_rng(seed)
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"info": {}, "licenses": [], "categories": ')
        json.dump([{"id": i, "name": f"class {i}", "supercategory": "any"} for i in range(1, 81)], file)
        file.write(', "images": [')
        for i in range(1, images + 1):
            file.write(", " * (i > 1) + json.dumps(_make_image(i)))
        file.write('], "annotations": [')
        for i in range(1, annotations + 1):
            file.write(", " * (i > 1) + json.dumps(_make_annotation(rng, i, images)))
        file.write("]}")


def _make_image(i: int) -> dict[str, Any]:
    name = f"{i:012d}.jpg"
    return {
        "license": 1 + i % 8,
        "file_name": name,
        "coco_url": f"http://images.example.org/train/{name}",
        "height": HEIGHT,
        "width": WIDTH,
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": f"http://farm.example.org/7000/{i}_z.jpg",
        "id": i,
    }


def _make_annotation(rng: np.random.Generator, i: int, images: int) -> dict[str, Any]:
    crowd = rng.random() < CROWD_SHARE
    x, y = rng.uniform(0, WIDTH - 130), rng.uniform(0, HEIGHT - 130)
    width, height = rng.uniform(6, 120, 2)
    annotation = {"image_id": int(rng.integers(1, images + 1)), "iscrowd": int(crowd), "id": i}
    annotation["category_id"] = int(rng.integers(1, CATEGORIES + 1))
    if crowd:
        columns, rows, left, top = int(width), int(height), int(x), int(y)
        runs = [left * HEIGHT + top, rows] + [HEIGHT - rows, rows] * (columns - 1)
        runs.append(HEIGHT * WIDTH - sum(runs))
        shape: Any = {"counts": runs, "size": [HEIGHT, WIDTH]}
        return {
            **annotation,
            "segmentation": shape,
            "bbox": [left, top, columns, rows],
            "area": columns * rows,
        }
    angles = np.linspace(0, 2 * np.pi, 3 + rng.poisson(MEAN_POINTS - 3), endpoint=False)
    xs = np.round(x + width / 2 * (1 + np.cos(angles)), 2)
    ys = np.round(y + height / 2 * (1 + np.sin(angles)), 2)
    box = [xs.min(), ys.min(), round(xs.max() - xs.min(), 2), round(ys.max() - ys.min(), 2)]
    area = abs(float(np.sum(xs * np.roll(ys, -1) - np.roll(xs, -1) * ys))) / 2
    polygon = np.stack([xs, ys], axis=1).ravel().tolist()
    return {**annotation, "segmentation": [polygon], "bbox": [float(v) for v in box], "area": area}


def measure(path: str) -> dict[str, Any]:
    """Run the command and take its time and its peak memory."""
    command = [sys.executable, "-m", "official_yolact", "data", "check", path, "--no-images", "--json"]
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    seconds = time.monotonic() - start
    printed = json.loads(done.stdout.splitlines()[-1])
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "exit_code": done.returncode,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_bytes": peak,
        "within_limits": seconds < LIMIT_SECONDS and peak < LIMIT_BYTES,
        "images": printed["images"],
        "annotations": printed["instances"],
        "findings": {row["code"]: row["count"] for row in printed["findings"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=118_000)
    parser.add_argument("--annotations", type=int, default=860_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json-file", help="keep the generated file here, or use the one that is there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.json_file or os.path.join(folder, "instances.json")
        if not os.path.exists(path):
            write_annotations(path, args.images, args.annotations, args.seed)
        result = {
            "file_bytes": os.path.getsize(path),
            **measure(path),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "cpus": os.cpu_count(),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
