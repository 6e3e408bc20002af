"""Time each form of suppression against Fast NMS, on the anchors and classes of COCO at 550 pixels.

python benchmarks/nms.py [--runs 15]

Prints one JSON object: milliseconds for one image, and their ratio to those of `fast`, for two kinds
of scores. In `photo` a fiftieth of the anchors hold something, as in a picture; in `untrained` almost
every anchor has a class above the threshold. `xla` is the same, compiled.
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

from official_yolact.configs import yolact as configs
from official_yolact.ops import nms

NUM_ANCHORS, NUM_CLASSES, SIDE = 19_248, 80, 550
INPUTS = {"photo": 0.02, "untrained": 1.0}


def make_inputs(part: float) -> tuple[Any, Any]:
    """Draw boxes [1, A, 4] of 2 to 40 % of the side, and scores [1, A, C-1], zero but for a part."""
    rng = np.random.default_rng(0)
    centre, size = rng.random((1, NUM_ANCHORS, 2)), rng.uniform(0.02, 0.4, (1, NUM_ANCHORS, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
    weights = np.exp(2 * rng.standard_normal((1, NUM_ANCHORS, NUM_CLASSES)))
    scores = weights / weights.sum(-1, keepdims=True) * (rng.random((1, NUM_ANCHORS, 1)) < part)
    return tf.constant(boxes, tf.float32), tf.constant(scores, tf.float32)


def build_forms() -> dict[str, Callable[[Any, Any], nms.Kept]]:
    """Build each form with the limits of the default configuration."""
    config = configs.DetectionGenerator()
    limits = (config.score_threshold, config.nms_iou_threshold, config.nms_top_k, config.max_detections)
    size = tf.constant([[SIDE, SIDE]])
    return {
        "fast": lambda boxes, scores: nms.fast_nms(boxes, scores, *limits),
        "fast_second_threshold": lambda boxes, scores: nms.fast_nms(
            boxes, scores, *limits, second_threshold=True
        ),
        "cross_class": lambda boxes, scores: nms.cross_class_nms(boxes, scores, *limits),
        "traditional": lambda boxes, scores: nms.traditional_nms(
            boxes, scores, size, limits[0], limits[1], limits[3]
        ),
    }


def measure(forms: dict[str, Callable[[Any, Any], Any]], inputs: tuple[Any, Any], runs: int) -> Any:
    """Time the forms in turn, so that a busy moment falls on all; the first run compiles."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    found = {name: int(form(*inputs).num[0]) for name, form in forms.items()}
    for _ in range(runs):
        for name, form in forms.items():
            start = time.perf_counter()
            form(*inputs).num.numpy()
            times[name].append(1e3 * (time.perf_counter() - start))
    fast = min(times["fast"])
    return {
        name: {
            "detections": found[name],
            "best_ms": round(min(values), 2),
            "median_ms": round(statistics.median(values), 2),
            "over_fast": round(min(values) / fast, 2),
        }
        for name, values in times.items()
    }


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=15)
    runs = arguments.parse_args().runs
    results: dict[str, Any] = {}
    for kind, part in INPUTS.items():
        inputs = make_inputs(part)
        for jit in (False, True):
            forms = {name: tf.function(form, jit_compile=jit) for name, form in build_forms().items()}
            results[f"{kind}, xla" if jit else kind] = measure(forms, inputs, runs)
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    device = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": [details.get("device_name") for details in gpus],
        "anchors": NUM_ANCHORS,
        "classes": NUM_CLASSES,
    }
    print(json.dumps({"versions": versions, "device": device, "results": results}, indent=1))


if __name__ == "__main__":
    main()
