"""Time each form of suppression against Fast NMS, on the anchors and classes of COCO at 550 pixels.

python benchmarks/nms.py [--runs 15]

Prints one JSON object: milliseconds for one image, and their ratios to those of `fast` and to those of the
same form that compares all anchors (`over_plain`), for three kinds of scores. In `photo` a fiftieth of the
anchors hold something, as in a picture; in `untrained` almost every anchor has a class above the threshold;
in `objects` 40 anchors lie on each of 5 objects. `xla` is the same, compiled.
"""

from __future__ import annotations

import argparse
import contextlib
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
PARTS = {"photo": 0.02, "untrained": 1.0}


def make_objects(count: int = 5, anchors: int = 40) -> tuple[Any, Any]:
    """Draw boxes [1, A, 4] and scores [1, A, C-1] of anchors that lie on a few objects, each of one class."""
    rng = np.random.default_rng(0)
    boxes, scores = np.zeros((NUM_ANCHORS, 4)), np.full((NUM_ANCHORS, NUM_CLASSES), 1e-6)
    which = np.repeat(np.arange(count), anchors)
    centre = rng.uniform(0.1, 0.9, (count, 2))[which] + rng.normal(0, 0.01, (len(which), 2))
    size = rng.uniform(0.05, 0.3, (count, 2))[which] * np.exp(rng.normal(0, 0.15, (len(which), 2)))
    likely = rng.normal(-6, 1.5, (count, NUM_CLASSES))
    likely[np.arange(count), rng.integers(0, NUM_CLASSES, count)] = 1.0
    weights = np.exp(likely[which] + rng.normal(0, 0.5, (len(which), NUM_CLASSES)))
    chosen = rng.permutation(NUM_ANCHORS)[: len(which)]
    boxes[chosen] = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
    scores[chosen] = weights / (weights.sum(-1, keepdims=True) + 1)
    return tf.constant(boxes[np.newaxis], tf.float32), tf.constant(scores[np.newaxis], tf.float32)


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


def compile_forms(inputs: tuple[Any, Any], jit: bool, plain: bool) -> dict[str, Callable[[Any, Any], Any]]:
    """Compile each form for the inputs; a plain one without what it does for few candidates."""
    forms = {name: tf.function(form, jit_compile=jit) for name, form in build_forms().items()}
    with nms.without_branches() if plain else contextlib.nullcontext():
        for form in forms.values():
            form(*inputs)
    return forms


def measure(inputs: tuple[Any, Any], jit: bool, runs: int) -> Any:
    """Time the forms in turn, so that a busy moment falls on all."""
    forms, plain = (compile_forms(inputs, jit, plain) for plain in (False, True))
    times: dict[tuple[str, bool], list[float]] = {
        (name, which): [] for name in forms for which in (False, True)
    }
    for _ in range(runs):
        for (name, is_plain), measured in times.items():
            start = time.perf_counter()
            (plain if is_plain else forms)[name](*inputs).num.numpy()
            measured.append(1e3 * (time.perf_counter() - start))
    fast = min(times["fast", False])
    return {
        name: {
            "detections": int(form(*inputs).num[0]),
            "best_ms": round(min(times[name, False]), 2),
            "median_ms": round(statistics.median(times[name, False]), 2),
            "over_fast": round(min(times[name, False]) / fast, 2),
            "over_plain": round(min(times[name, False]) / min(times[name, True]), 3),
        }
        for name, form in forms.items()
    }


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=15)
    runs = arguments.parse_args().runs
    results: dict[str, Any] = {}
    kinds = {name: make_inputs(part) for name, part in PARTS.items()} | {"objects": make_objects()}
    for kind, inputs in kinds.items():
        for jit in (False, True):
            results[f"{kind}, xla" if jit else kind] = measure(inputs, jit, runs)
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
