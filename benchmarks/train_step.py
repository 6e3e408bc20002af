"""Time the training step by its parts, and measure the memory that it takes.

python benchmarks/train_step.py [--experiment NAME] [--batch 4,8] [--precision float32,bfloat16]
        [--instances 7] [--repeats 3]

Prints one JSON object. Each row is a process of its own: a whole step as training does it (forward,
targets, losses, gradients, the check of every gradient, weight decay, update), on drawn images with so
many instances each, batch norms frozen. Beside it, each in a function of its own: the forward pass,
losses with targets and their gradients with respect to the network's outputs, targets alone, and the
update; the backward pass is what remains. `coverage_over_binary` is the whole step with labels of
`mask_target: coverage` over that with binary ones, the two in turns. `wall_ms` and `cpu_ms` are per image,
the least of the repeats; `cpu_ms` is the time of all threads, which other jobs on the machine lengthen
less. Ratios compare rows of this run.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_TESTS = pathlib.Path(__file__).resolve().parents[1] / "tests"


_FINER = 4  # Times the grid, on which the share of a cell that an ellipse covers is counted.


def draw_batch(model: Any, batch: int, instances: int, max_instances: int = 100, covers: bool = False) -> Any:
    """Draw images and labels: ellipses in random boxes, binary or as the shares of cells that they cover."""
    from official_yolact.ops import grids

    rng = np.random.default_rng(0)
    size = tuple(model.input_size)
    grid, coarse = grids.prototype_size(size, model.min_level), grids.level_size(size, model.min_level)
    boxes = np.zeros((batch, max_instances, 4), np.float32)
    classes = np.zeros((batch, max_instances), np.int32)
    masks = np.zeros((batch, max_instances, *grid), np.float16 if covers else bool)
    semantic = np.zeros((batch, *coarse, model.num_classes - 1), bool)
    for image, row in np.ndindex(batch, instances):
        centre, half = rng.uniform(0.25, 0.75, 2), rng.uniform(0.04, 0.25, 2)
        boxes[image, row] = [*(centre - half), *(centre + half)]
        classes[image, row] = rng.integers(1, model.num_classes)
        masks[image, row] = _cover(centre, half, grid) if covers else _draw_ellipse(centre, half, grid)
        semantic[image, :, :, classes[image, row] - 1] |= _draw_ellipse(centre, half, coarse)
    labels = {
        "boxes": boxes,
        "classes": classes,
        "num_instances": np.full(batch, instances, np.int32),
        "is_crowd": np.zeros((batch, max_instances), bool),
        "masks": masks,
        "semantic_masks": semantic,
        "image_id": np.arange(1, batch + 1, dtype=np.int64),
        "image_info": np.tile(np.array([size, size, (1, 1), (0, 0)], np.float32), (batch, 1, 1)),
        "weight": np.ones(batch, np.float32),
        "seed": np.stack([np.zeros(batch), np.arange(batch)], 1).astype(np.int32),
    }
    return rng.normal(size=(batch, *size, 3)).astype(np.float32), labels


def _draw_ellipse(centre: Any, half: Any, grid: tuple[int, int]) -> Any:
    y, x = np.meshgrid(*((np.arange(side) + 0.5) / side for side in grid), indexing="ij")
    return ((y - centre[0]) / half[0]) ** 2 + ((x - centre[1]) / half[1]) ** 2 <= 1.0


def _cover(centre: Any, half: Any, grid: tuple[int, int]) -> Any:
    fine = _draw_ellipse(centre, half, (grid[0] * _FINER, grid[1] * _FINER))
    return fine.reshape(grid[0], _FINER, grid[1], _FINER).mean(axis=(1, 3))


def time_calls(call: Callable[[], Any], repeats: int, batch: int) -> dict[str, float]:
    """Call once to compile, then time: milliseconds per image, the least of the repeats."""
    return time_in_turns([call], repeats, batch)[0]


def time_in_turns(calls: list[Callable[[], Any]], repeats: int, batch: int) -> list[dict[str, float]]:
    """Time several as `time_calls` does one, each once in every turn."""
    import tensorflow as tf

    for call in calls:
        tf.nest.map_structure(np.asarray, call())
    seconds: list[list[tuple[float, float]]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, taken in zip(calls, seconds, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            tf.nest.map_structure(np.asarray, call())
            taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return [_summarize(*zip(*taken, strict=True), batch=batch) for taken in seconds]


def _summarize(walls: tuple[float, ...], cpus: tuple[float, ...], batch: int) -> dict[str, float]:
    return {
        "wall_ms": round(1000 * min(walls) / batch, 1),
        "cpu_ms": round(1000 * min(cpus) / batch, 1),
        "median_wall_ms": round(1000 * statistics.median(walls) / batch, 1),
    }


def measure(experiment: str, precision: str, batch: int, instances: int, repeats: int) -> dict[str, Any]:
    """Measure one row, in a process of its own."""
    import tensorflow as tf

    sys.path.append(str(_TESTS))
    import peak_memory

    from official.core import task_factory
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.training import run
    from official_yolact.training import trainer as trainer_lib

    overrides = [
        f"task.train_data.global_batch_size={batch}",
        "task.model.freeze_bn=true",
        f"runtime.mixed_precision_dtype={precision}",
        "schedule_batch_size=0",
    ]
    params = loading.load_experiment(experiment, [], overrides)
    run.prepare(params)
    task = task_factory.get_task(params.task)
    model = task.build_model()
    optimizer = task.create_optimizer(params.trainer.optimizer_config, params.runtime)
    trainer_lib.create_slots(optimizer, model.trainable_variables)
    images, labels = draw_batch(params.task.model, batch, instances)
    images = tf.constant(images)
    labels = {name: tf.constant(value) for name, value in labels.items()}
    metrics = task.build_metrics()

    step = tf.function(lambda: task.train_step((images, labels), model, optimizer, metrics))
    row: dict[str, Any] = {"experiment": experiment, "precision": precision, "batch": batch}
    before = peak_memory.peak_kb()
    row["step"] = time_calls(step, repeats, batch)
    row["peak_mb"] = round(peak_memory.peak_kb() / 1024)
    row["peak_mb_before_the_first_step"] = round(before / 1024)
    _, covered = draw_batch(params.task.model, batch, instances, covers=True)
    covered = {name: tf.constant(value) for name, value in covered.items()}
    other = tf.function(lambda: task.train_step((images, covered), model, optimizer, metrics))
    binary, coverage = time_in_turns([step, other], repeats, batch)
    row["coverage_over_binary"] = {
        kind: round(coverage[kind] / binary[kind], 4) for kind in ("wall_ms", "cpu_ms")
    }

    forward = tf.function(lambda: model(images, training=True))
    outputs = {name: tf.constant(value) for name, value in forward().items()}
    row["forward"] = time_calls(forward, repeats, batch)
    row["losses_and_targets"] = time_calls(
        _make_losses(task, labels, outputs, model.mask_iou_head), repeats, batch
    )
    gradients = [tf.ones_like(variable) * 1e-12 for variable in model.trainable_variables]
    pairs = list(zip(gradients, model.trainable_variables, strict=True))

    @tf.function
    def update() -> Any:
        optimizer.apply_gradients(pairs)
        return optimizer.iterations + 0

    row["update"] = time_calls(update, repeats, batch)
    for kind in ("wall_ms", "cpu_ms"):
        parts = sum(row[name][kind] for name in ("forward", "losses_and_targets", "update"))
        row.setdefault("backward", {})[kind] = round(row["step"][kind] - parts, 1)
    row["losses_part_of_step"] = round(row["losses_and_targets"]["cpu_ms"] / row["step"]["cpu_ms"], 4)
    return row


def _make_losses(task: Any, labels: Any, outputs: Any, mask_iou_head: Any) -> Any:
    """Make a function of all losses, targets included, with their gradients by the outputs."""
    import tensorflow as tf

    @tf.function
    def compute() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            losses = task.build_losses(labels, outputs, mask_iou_head=mask_iou_head)
        return losses, tape.gradient(losses["total_loss"], outputs)

    return compute


def run_row(arguments: list[str]) -> dict[str, Any]:
    """Run one row in a process of its own."""
    command = [sys.executable, __file__, "--row", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def compare(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Compare precisions at the same batch."""
    by_key = {(row["batch"], row["precision"]): row["step"] for row in rows}
    return {
        f"bfloat16_speedup_batch_{batch}": {
            kind: round(step[kind] / by_key[batch, "bfloat16"][kind], 2) for kind in ("wall_ms", "cpu_ms")
        }
        for (batch, precision), step in by_key.items()
        if precision == "float32" and (batch, "bfloat16") in by_key
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", default="yolact_resnet50_coco")
    parser.add_argument("--batch", default="4,8")
    parser.add_argument("--precision", default="bfloat16,float32")
    parser.add_argument("--instances", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--row", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if args.row:
        experiment, precision, *numbers = args.row
        print(json.dumps(measure(experiment, precision, *map(int, numbers))))
        return
    rows = [
        run_row([args.experiment, precision, batch, str(args.instances), str(args.repeats)])
        for batch in args.batch.split(",")
        for precision in args.precision.split(",")
    ]
    import tensorflow as tf

    result = {
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)),
        "instances": args.instances,
        "rows": rows,
        **compare(rows),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
