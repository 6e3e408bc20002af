"""Measure conversion: peak memory by the number of photos, and time by the number of workers.

Each run is a process of its own; its peak is its own, children apart. Prints one JSON object:
`python benchmarks/convert_memory.py [--photos 1000 10000] [--workers 1 2]`.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import PIL.Image

import official_yolact

HEIGHT, WIDTH, INSTANCES, POINTS = 120, 160, 7, 24

_PROGRAM = """
import json, resource, sys, time
from official_yolact.data.conversion import convert
if __name__ == "__main__":
    folder, workers = sys.argv[1], int(sys.argv[2])
    started = time.monotonic()
    convert.convert_coco(folder + "/a.json", folder, folder + "/out", "train", workers=workers)
    usage = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(sum(u.ru_utime + u.ru_stime for u in usage), 1),
        "peak_mb": round(usage[0].ru_maxrss / 1024, 1),
        "largest_worker_mb": round(usage[1].ru_maxrss / 1024, 1),
    }))
"""


def write_set(folder: pathlib.Path, count: int) -> None:
    """Write a COCO file of many entries over 50 photos, without holding it in memory."""
    rng = np.random.default_rng(0)
    for number in range(50):
        pixels = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).resize((WIDTH, HEIGHT)).save(folder / f"{number}.jpg")
    angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    with open(folder / "a.json", "w", encoding="utf-8") as file:
        file.write('{"categories": [{"id": 1, "name": "nut"}], "images": [')
        for image in range(count):
            entry = {"id": image, "file_name": f"{image % 50}.jpg", "height": HEIGHT, "width": WIDTH}
            file.write((", " if image else "") + json.dumps(entry))
        file.write('], "annotations": [')
        for image in range(count):
            for part in range(INSTANCES):
                radius, centre = rng.uniform(6, 30), rng.uniform(32, 88, 2)
                points = (centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)).round(2)
                entry = {
                    "id": image * INSTANCES + part + 1,
                    "image_id": image,
                    "category_id": 1,
                    "segmentation": [points.ravel().tolist()],
                }
                file.write((", " if image or part else "") + json.dumps(entry))
        file.write("]}")


def measure(count: int, workers: int) -> dict[str, float]:
    """Convert a set of so many photos in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_set(folder, count)
        program = folder / "run.py"
        program.write_text(_PROGRAM)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
        done = subprocess.run(
            [sys.executable, str(program), name, str(workers)],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        shutil.rmtree(folder / "out")
    return {"photos": count, "workers": workers, **json.loads(done.stdout)}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    runs = [measure(count, workers) for workers in args.workers for count in args.photos]
    growth = {
        str(workers): round(max(peaks) - min(peaks), 1)
        for workers in args.workers
        if (peaks := [run["peak_mb"] for run in runs if run["workers"] == workers])
    }
    print(
        json.dumps(
            {
                "benchmark": "convert_memory",
                "version": official_yolact.__version__,
                "python": platform.python_version(),
                "cores": os.cpu_count(),
                "photo": {"size": [HEIGHT, WIDTH], "instances": INSTANCES, "points": POINTS},
                "runs": runs,
                "peak_growth_mb": growth,
            }
        )
    )


if __name__ == "__main__":
    main()
