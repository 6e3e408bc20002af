"""Time the deformable 3x3 convolution against a plain one of the same size.

python benchmarks/deformable_conv.py [--batch 1] [--repeats 15] [--precision float32]

Prints one JSON object. The sizes are those of C3 to C5 at 550 px. Offsets are normal with a deviation
of 2 px; the convolution that computes them is not counted. Forward and backward is the gradient of
every input. Times are the shortest of all repeats, which other load disturbs least: wall time, and
processor time on a CPU, over all its threads.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from official_yolact.ops import deformable

SIZES = {"C3 69x69x128": (69, 128), "C4 35x35x256": (35, 256), "C5 18x18x512": (18, 512)}


def deformable_conv(images: Any, kernel: Any, offsets: Any, modulation: Any) -> Any:
    """Sample and convolve."""
    return deformable.deform_conv2d(images, offsets, modulation, kernel)


def plain_conv(images: Any, kernel: Any, *unused: Any) -> Any:
    """Convolve."""
    del unused
    return tf.nn.conv2d(images, kernel, 1, "SAME")


def differentiate(convolve: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Turn a convolution into a function that gives the gradients of its first `count` inputs."""

    def run(*inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs[:count])
            outputs = convolve(*inputs)
        return tape.gradient(outputs, inputs[:count], output_gradients=outputs)

    return run


def measure(run: Callable[..., Any], inputs: list[Any], repeats: int) -> dict[str, float]:
    """Time a compiled function after two calls: the shortest wall and processor milliseconds."""
    walls, processors = [], []
    for repeat in range(repeats + 2):
        wall, processor = time.perf_counter(), time.process_time()
        # The copy of one number waits for the device.
        float(tf.reshape(tf.nest.flatten(run(*inputs))[-1], [-1])[0])
        if repeat >= 2:
            walls.append(time.perf_counter() - wall)
            processors.append(time.process_time() - processor)
    return {"wall_ms": round(1e3 * min(walls), 3), "cpu_ms": round(1e3 * min(processors), 3)}


def compare(inputs: list[Any], backward: bool, xla: bool, repeats: int) -> dict[str, Any]:
    """Time both convolutions in one mode."""
    times = {}
    for name, convolve, count in (("deformable", deformable_conv, 4), ("plain", plain_conv, 2)):
        run = differentiate(convolve, count) if backward else convolve
        times[name] = measure(tf.function(run, jit_compile=xla, autograph=False), inputs, repeats)
    ratios = {
        f"ratio_{unit.removesuffix('_ms')}": round(times["deformable"][unit] / times["plain"][unit], 2)
        for unit in ("wall_ms", "cpu_ms")
    }
    return {**times, **ratios}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    results: dict[str, Any] = {}
    for name, (side, channels) in SIZES.items():
        grid = (arguments.batch, side, side)
        values = [
            rng.standard_normal((*grid, channels)),
            rng.standard_normal((3, 3, channels, channels)) / np.sqrt(9 * channels),
            2.0 * rng.standard_normal((*grid, 18)),
            rng.uniform(0, 1, (*grid, 9)),
        ]
        inputs = [tf.cast(value, arguments.precision) for value in values]
        for xla in (False, True):
            for backward in (False, True):
                mode = f"{'xla' if xla else 'graph'}, {'forward and backward' if backward else 'forward'}"
                results[f"{name}, {mode}"] = compare(inputs, backward, xla, arguments.repeats)
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
    gpus = tf.config.list_physical_devices("GPU")
    device = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": tf.config.experimental.get_device_details(gpus[0]).get("device_name") if gpus else None,
    }
    settings = {"batch": arguments.batch, "precision": arguments.precision, "repeats": arguments.repeats}
    print(
        json.dumps(
            {"versions": versions, "device": device, "settings": settings, "results": results}, indent=1
        )
    )


if __name__ == "__main__":
    main()
