"""Time masks from the prototype grid to the photo and to run lengths, each inside its window and whole.

python benchmarks/photo_masks.py [--runs 9]

Prints one JSON object: milliseconds of processor time for 100 detections of a photo, and their ratio to the
whole masks, for three kinds of objects. `whole` resamples by `tf.image.resize` and encodes by pycocotools.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from pycocotools import mask as coco_mask

from official_yolact.ops import frames
from official_yolact_runtime import photo_masks
from official_yolact_runtime import run_lengths

COUNT, GRID, PHOTO = 100, 138, (480, 640)
INFO = frames.fit(PHOTO, (550, 550)).numpy()
SIDES = {"small": (3, 14), "as in COCO": (5, 60), "large": (60, 138)}
"""Of the objects, in cells of the grid."""


def make_masks(least: int, most: int) -> Any:
    """Draw soft discs [100, 138, 138], each zero outside its box."""
    rng = np.random.default_rng(0)
    masks = np.zeros((COUNT, GRID, GRID), np.float32)
    for mask in masks:
        height, width = rng.integers(least, most + 1, 2)
        top, left = rng.integers(0, [GRID - height + 1, GRID - width + 1])
        rows, columns = np.linspace(-1, 1, height)[:, np.newaxis], np.linspace(-1, 1, width)
        values = 1 / (1 + np.exp(8 * (np.hypot(rows, columns) - 0.9)))
        mask[top : top + height, left : left + width] = values
    return masks


@tf.function(input_signature=[tf.TensorSpec([None, None, None])])
def resample_whole(masks: Any) -> Any:
    """Resample every mask to the whole photo."""

    def show(mask: Any) -> Any:
        return tf.image.resize(mask[..., tf.newaxis], PHOTO)[..., 0] > 0.5

    return tf.map_fn(show, masks, fn_output_signature=tf.bool)


def measure(masks: Any, runs: int) -> Any:
    """Time both forms in turn, so that a busy moment falls on both."""
    windows = list(photo_masks.find_windows(masks, INFO))
    drawn = resample_whole(tf.constant(masks)).numpy()
    forms: dict[str, dict[str, Callable[[], Any]]] = {
        "resample": {
            "whole": lambda: resample_whole(tf.constant(masks)).numpy(),
            "window": lambda: list(photo_masks.find_windows(masks, INFO)),
        },
        "resample_into_photo": {
            "whole": lambda: resample_whole(tf.constant(masks)).numpy(),
            "window": lambda: photo_masks.draw(masks, INFO),
        },
        "encode": {
            "whole": lambda: [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in drawn],
            "window": lambda: run_lengths.encode_windows(windows, *PHOTO),
        },
    }
    times: dict[tuple[str, str], list[float]] = {(step, form): [] for step in forms for form in forms[step]}
    for _ in range(runs):
        for (step, form), measured in times.items():
            start = time.process_time()
            forms[step][form]()
            measured.append(1e3 * (time.process_time() - start))
    table: dict[str, Any] = {}
    for step in forms:
        whole, window = (statistics.median(times[step, form]) for form in ("whole", "window"))
        table[step] = {"whole_ms": round(whole, 2), "ms": round(window, 2), "ratio": round(window / whole, 3)}
    table["pixels_that_differ"] = int((photo_masks.draw(masks, INFO) != drawn).sum())
    return table


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=9)
    runs = arguments.parse_args().runs
    results = {name: measure(make_masks(*sides), runs) for name, sides in SIDES.items()}
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
    device = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"versions": versions, "device": device, "results": results}, indent=1))


if __name__ == "__main__":
    main()
