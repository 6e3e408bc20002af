"""Train for many steps and see whether memory, file descriptors or threads grow.

python benchmarks/soak.py [--steps 5000] [--warmup 0.4] [--validation_interval 0] [override ...]

Prints one JSON object. A small model (64x64, ResNet-10 of quarter width, batch 4) trains on drawn shapes
as `yolact train` does it, with its reports and a checkpoint every 500 steps; after every 20 steps resident
memory, descriptors and threads are read. Of what comes after the warm-up, `mb_per_1000_steps` is the
Theil-Sen slope of memory over steps (the median of the slopes between all pairs), and
`mb_per_1000_steps_of_thirds` are quartiles of the slopes between samples of its first and of its last
third; `descriptors` and `threads` are the least and the most, and the medians of the first and last third.
`--validation_interval` evaluates so often too. Overrides are those of `yolact train`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import platform
import tempfile
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.data.conversion import convert
from official_yolact.data.sets import shapes
from official_yolact.training import run
from official_yolact.training import trainer as yolact_trainer

LOOP = 20


def load(folder: pathlib.Path, steps: int, validation_interval: int, overrides: list[str]) -> Any:
    """Draw the data and configure the run."""
    shapes.write_shapes(str(folder / "shapes"), 64, 16, size=64, seed=5)
    for split in ("train", "val"):
        source = str(folder / "shapes" / f"instances_{split}.json")
        convert.convert_coco(source, str(folder / "shapes" / split), str(folder / "records"), split)
    terms = [
        f"task.train_data.input_path={folder}/records/train-*.tfrecord",
        f"task.validation_data.input_path={folder}/records/val-*.tfrecord",
        "task.train_data.global_batch_size=4,task.validation_data.global_batch_size=4",
        "task.train_data.shuffle_buffer_size=16",
        "task.model.input_size=[64,64],runtime.mixed_precision_dtype=float32",
        "task.model.backbone.resnet={model_id: 10, depth_multiplier: 0.25},task.model.head.num_filters=16",
        "task.model.protonet.num_filters=16,task.model.decoder.yolact_fpn.num_filters=16",
        f"trainer.steps_per_loop={LOOP},trainer.summary_interval={LOOP},trainer.checkpoint_interval=500",
        f"trainer.train_steps={steps},trainer.validation_interval={validation_interval or steps}",
    ]
    return loading.load_experiment("yolact_tiny_shapes", [], [*terms, *overrides])


def read_state(step: int) -> tuple[float, ...]:
    """Give step, resident memory in MB, descriptors, threads and seconds."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    counts = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    return step, memory, *counts, time.monotonic()


def watch(rows: list[tuple[float, ...]]) -> None:
    """Read the state at the end of each loop."""
    old = yolact_trainer.YolactTrainer.train_loop_end

    def train_loop_end(self: Any) -> Any:
        logs = old(self)
        rows.append(read_state(int(self.global_step.numpy())))
        return logs

    yolact_trainer.YolactTrainer.train_loop_end = train_loop_end  # type: ignore[method-assign]


def describe_count(counts: Any) -> dict[str, list[int]]:
    """Give the range and the medians of the first and last third."""
    third = len(counts) // 3
    return {
        "range": [int(counts.min()), int(counts.max())],
        "medians_of_thirds": [int(np.median(counts[:third])), int(np.median(counts[-third:]))],
    }


def summarize(rows: list[tuple[float, ...]], warmup: int) -> dict[str, Any]:
    """Compute what grows after the warm-up."""
    late = np.array([row for row in rows if row[0] > warmup])
    first, last = np.triu_indices(len(late), 1)
    slopes = 1000.0 * (late[last, 1] - late[first, 1]) / (late[last, 0] - late[first, 0])
    third = len(late) // 3
    ends = itertools.product(late[:third], late[-third:])
    between = [1000.0 * (b[1] - a[1]) / (b[0] - a[0]) for a, b in ends]
    return {
        "samples": len(late),
        "mb_per_1000_steps": round(float(np.median(slopes)), 3),
        "mb_per_1000_steps_of_thirds": [round(float(q), 3) for q in np.quantile(between, [0.25, 0.5, 0.75])],
        "memory_mb": [round(float(value), 1) for value in (rows[0][1], late[0, 1], late[-1, 1])],
        "descriptors": describe_count(late[:, 2]),
        "threads": describe_count(late[:, 3]),
        "ms_per_step": round(1000.0 * (late[-1, 4] - late[0, 4]) / (late[-1, 0] - late[0, 0]), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--warmup", type=float, default=0.4, help="part of the steps")
    parser.add_argument("--validation_interval", type=int, default=0)
    parser.add_argument("overrides", nargs="*")
    args = parser.parse_args()
    rows: list[tuple[float, ...]] = []
    watch(rows)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        params = load(folder, args.steps, args.validation_interval, args.overrides)
        mode = "train_and_eval" if args.validation_interval else "train"
        run.run(params, mode, str(folder / "run"))
    result = {
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)),
        "steps": args.steps,
        "warmup": int(args.warmup * args.steps),
        "validation_interval": args.validation_interval,
        **summarize(rows, int(args.warmup * args.steps)),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
