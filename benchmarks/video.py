"""Predict in a generated video by the parts of `yolact predict`; measure time, memory, counts and times.

python benchmarks/video.py [--frames 300] [--height 720] [--width 1280] [--objects 20]

Prints one JSON object. The frames of the video come at uneven times. In the place of a network stands what
knows where the objects are, so that all else is measured: reading, masks of photo size, tracking, drawing,
encoding, JSON. `resident_mb` is the memory of the process after each tenth of the frames, `slope_kb_a_frame`
the line through it over the second half.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from fractions import Fraction
from typing import Any

import av
import numpy as np

from official_yolact.serving import listing
from official_yolact.serving import pipeline
from official_yolact.serving import searching
from official_yolact.serving import shots
from official_yolact.serving.sinks import choosing
from official_yolact.serving.sinks import sink
from official_yolact.video import writing
from official_yolact_runtime import categories
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import predictor as predictor_lib

GRID, SIZE = 138, 550


class KnowingRuntime:
    """Finds the objects of the generated video, whose frame it counts."""

    num_classes = 3
    input_size = (SIZE, SIZE)

    def __init__(self, places: Any, batch_size: int) -> None:
        self.batch_size, self._places, self._at = batch_size, places, 0

    def decode(self, encoded: bytes) -> Any:
        raise NotImplementedError

    def detect(self, images: Any) -> dict[str, Any]:
        boxes = self._places[self._at : self._at + len(images)]
        self._at += len(images)
        height, width = images[0].shape[:2]
        scale = np.array([height, width, height, width], np.float32)
        y, x = (np.arange(GRID) + 0.5) / GRID, (np.arange(GRID) + 0.5) / GRID
        top, left, bottom, right = np.moveaxis(boxes, -1, 0)[..., None, None]
        centre = ((top + bottom) / 2, (left + right) / 2)
        masks = ((y[:, None] - centre[0]) / (bottom - top) * 2) ** 2 + (
            (x - centre[1]) / (right - left) * 2
        ) ** 2
        count, objects = boxes.shape[:2]
        scores = np.tile(np.linspace(0.95, 0.6, objects, dtype=np.float32), (count, 1))
        info = [[(height, width), (SIZE, SIZE), (SIZE / height, SIZE / width), (0, 0)]] * count
        return {
            "image_info": np.array(info, np.float32),
            "detection_boxes": (boxes * scale).astype(np.float32),
            "detection_scores": scores,
            "detection_mask_scores": scores,
            "detection_classes": np.tile(1 + np.arange(objects) % 2, (count, 1)),
            "num_detections": np.full(count, objects),
            "detection_masks": np.clip(1.5 - masks, 0, 1).astype(np.float32),
        }


class Meter(sink.Sink):
    """Notes the memory of the process after each picture."""

    def __init__(self) -> None:
        self.resident: list[float] = []

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:  # noqa: ARG002  as every sink
        with open("/proc/self/statm") as file:
            self.resident.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)


def place_objects(frames: int, objects: int, seed: int = 0) -> Any:
    """Move objects on circles: yxyx_norm, float [frames, objects, 4]."""
    rng = np.random.default_rng(seed)
    centre, size = rng.uniform(0.25, 0.75, (objects, 2)), rng.uniform(0.08, 0.16, (objects, 2))
    angle = rng.uniform(0, 6, objects) + np.linspace(0, 4, frames)[:, None]
    middle = centre + 0.15 * np.stack([np.sin(angle), np.cos(angle)], -1)
    return np.concatenate([middle - size / 2, middle + size / 2], -1)


def choose_times(frames: int) -> list[Fraction]:
    """Choose uneven times in milliseconds."""
    steps = np.random.default_rng(1).integers(20, 60, frames)
    return [Fraction(int(at), 1000) for at in np.cumsum(steps) - steps[0]]


def write_source(path: str, places: Any, times: list[Fraction], height: int, width: int) -> None:
    """Write the video: bright rectangles on a still ground."""
    ground = np.kron(
        np.random.default_rng(2).integers(40, 120, (height // 40, width // 40, 3)), np.ones((40, 40, 1))
    ).astype(np.uint8)
    writer = writing.open_writer(path, Fraction(1, 1000), Fraction(25))
    for boxes, at in zip(places, times, strict=True):
        image = ground.copy()
        for index, box in enumerate(boxes):
            top, left, bottom, right = (box * [height, width, height, width]).astype(int)
            image[top:bottom, left:right] = 255 - 10 * index
        writer.write(image, at)
    writer.finish()


def read_times(path: str) -> list[float]:
    """Read the times of the frames of a video."""
    with av.open(path) as file:
        return [float(frame.time) for frame in file.decode(video=0)]


def measure(options: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Predict in a video, and compare what was written with what was in it."""
    places, times = place_objects(options.frames, options.objects), choose_times(options.frames)
    path, out = os.path.join(folder, "source.mp4"), os.path.join(folder, "out")
    write_source(path, places, times, options.height, options.width)
    named = categories.Categories((1, 2), ("fig", "date"))
    model = predictor_lib.Predictor(KnowingRuntime(places, 4), named)
    sources, account, meter = listing.find_sources([path]), pipeline.Account(), Meter()
    place = sink.Place(out, [path], force=False)
    sinks = [*choosing.make_sinks(["video", "predictions", "lines"], place, sources, named), meter]
    begun, busy = time.monotonic(), time.process_time()
    pipeline.predict(model, sources, sinks, account, search=searching.Search(track=True))
    seconds, busy = time.monotonic() - begun, time.process_time() - busy
    with open(os.path.join(out, "predictions.jsonl")) as file:
        lines = [json.loads(line) for line in file]
    identities = [{one["track_id"] for one in line["detections"]} - {None} for line in lines]
    resident = np.array(meter.resident)
    half = len(resident) // 2
    return {
        "frames": {"source": len(times), "video": len(read_times(os.path.join(out, "source.mp4")))},
        "lines": len(lines),
        "times_equal": {
            "video": read_times(os.path.join(out, "source.mp4")) == [float(at) for at in times],
            "lines": [line["time"] for line in lines] == [float(at) for at in times],
        },
        "identities": len(set().union(*identities)),
        "ms_a_frame": round(1e3 * seconds / len(times), 1),
        "processor_ms_a_frame": round(1e3 * busy / len(times), 1),
        "resident_mb": [round(float(value), 1) for value in resident[:: max(1, len(resident) // 10)]],
        "slope_kb_a_frame": round(1e3 * float(np.polyfit(np.arange(half), resident[-half:], 1)[0]), 2),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("frames", 300), ("height", 720), ("width", 1280), ("objects", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(options, folder)
    versions = {"python": platform.python_version(), "numpy": np.__version__, "av": av.__version__}
    device = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"versions": versions, "device": device, **vars(options), "results": results}, indent=1))


if __name__ == "__main__":
    main()
