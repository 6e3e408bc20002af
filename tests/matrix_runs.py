"""Train each row of the matrix as the command does that people type: kill it, let it go on, look at it.

What is used most is typed; the other rows do the same in forks, which need not import TensorFlow again.

Program: `matrix_runs.py RECORDS OUT values|pairs full|shallow [JOBS]` runs the rows and writes one JSON
object a line into OUT; rows that are there already are not run again. Prints the table.
"""

from __future__ import annotations

import concurrent.futures
import csv
import dataclasses
import json
import math
import pathlib
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import forks
import free_ports
import matrix_plan
import on_cpus
import yaml

STEPS, INTERVAL = 6, 3
SECONDS = 900.0  # within which a process ends or gets on
LOSSES = ("class_loss", "box_loss", "mask_loss", "semantic_loss", "mask_iou_loss", "total_loss")
_DIGIT = 1e-6  # results.csv has seven digits
# Its target is the IoU of masks of a few cells, each set where a logit is above 0: one that flips is a step.
_LOW_PRECISION = {"mask_iou_loss": 0.05}
EXPERIMENTS = {
    "yolact_tiny_shapes_cpu": "yolact_tiny_shapes",
    "yolact_next_shapes_cpu": "yolact_next_shapes",
    "yolact_resnet50_coco_1gpu": "yolact_resnet50_coco",
    "yolact_resnet50_coco_8gpu": "yolact_resnet50_coco",
    "yolact_resnet50_coco_tpu": "yolact_resnet50_coco",
    "yolact_resnet50_overfit": "yolact_resnet50_coco",
    "yolact_resnet101_coco_1gpu": "yolact_resnet101_coco",
    "yolact_darknet53_coco_1gpu": "yolact_darknet53_coco",
    "yolact_im700_coco_1gpu": "yolact_im700_coco",
    "yolact_im400_coco_1gpu": "yolact_im400_coco",
    "yolact_plus_resnet50_coco_1gpu": "yolact_plus_resnet50_coco",
    "yolact_plus_resnet101_coco_1gpu": "yolact_plus_resnet101_coco",
    "yolact_resnet50_pascal_1gpu": "yolact_resnet50_pascal",
    "yolact_mobilenetv2_finetune": "yolact_mobilenetv2_coco",
    "yolact_next_resnet50_coco_1gpu": "yolact_next_resnet50_coco",
    "yolact_next_mobilenetv2_finetune": "yolact_next_mobilenetv2_coco",
}
# Whole numbers throughout. The rates are reached through a warm-up that begins at 0.
_RATES: dict[str, dict[str, Any]] = {
    "stepwise": {"boundaries": [50, 90], "values": [3, 2, 1]},
    "cosine": {"initial_learning_rate": 1, "decay_steps": 1000000, "alpha": 0},
    "polynomial": {"initial_learning_rate": 1, "decay_steps": 1000000, "end_learning_rate": 0, "power": 1},
    "exponential": {"initial_learning_rate": 1, "decay_steps": 1000000, "decay_rate": 1},
    "constant": {"learning_rate": 1},
}
_WARMUP_STEPS = {"torch_sgd": 2000, "adam": 20000, "adamw": 20000, "lars": 20}


def configure(row: matrix_plan.Row, records: str) -> dict[str, Any]:
    """Write the YAML of a row: what people set, and what makes the model and the data small."""
    optimizer, schedule = row["optimizer"], row["schedule"]
    data = {"global_batch_size": 4, "shuffle_buffer_size": 4}
    augment = {"preset": "none", **dict.fromkeys(("mirror", "flip", "transpose", "min_scale", "max_scale"))}
    return {
        "schedule_batch_size": 0,
        "runtime": {
            "distribution_strategy": _strategy(row),
            "mixed_precision_dtype": row["precision"],
            "num_gpus": 0,
        },
        "task": {
            "init_checkpoint": "",
            "init_checkpoint_modules": "all",
            # Short recipes of few photos have both.
            "backbone_learning_rate_multiplier": 0.5 if row["average"] == "ema" else 1,
            "model": {
                "input_size": [64, 64],
                "num_classes": 7,
                "freeze_bn": row["batch_norm"] == "frozen",
                "norm_activation": {"use_sync_bn": row["batch_norm"] == "synchronised"},
                "head": {"num_filters": 16},
                "protonet": {"num_filters": 16},
                "decoder": {"yolact_fpn": {"num_filters": 16}},
            },
            "train_data": {
                **data,
                "input_path": f"{records}/train-*.tfrecord",
                "parser": {"augment": augment},
            },
            "validation_data": {**data, "input_path": f"{records}/val-*.tfrecord"},
        },
        "trainer": {
            "train_steps": STEPS,
            "steps_per_loop": 1,
            "summary_interval": 1,
            "checkpoint_interval": INTERVAL,
            "validation_interval": INTERVAL,
            "continuous_eval_timeout": 60,
            "num_pictures": 0,
            "gradient_accumulation": int(row["parts"]),
            "optimizer_config": {
                "optimizer": {"type": optimizer},
                "ema": {"average_decay": 1} if row["average"] == "ema" else None,
                "learning_rate": {"type": schedule, schedule: _RATES[schedule]},
                "warmup": {
                    "type": "linear",
                    "linear": {"warmup_steps": _WARMUP_STEPS[optimizer], "warmup_learning_rate": 0},
                },
            },
        },
    }


def _strategy(row: matrix_plan.Row) -> str:
    name = row["strategy"].partition("-")[0]
    return "multi_worker_mirrored" if name == "multi_worker" else name


@dataclasses.dataclass
class Bench:
    """Where and how rows are run.

    Attributes:
      records: folder of training and validation records.
      folder: of the runs.
      depth: `full` or `shallow` backbones.
      environment: of the processes, beside the one here.
    """

    records: str
    folder: pathlib.Path
    depth: str
    environment: dict[str, str]


class Processes:
    """The process of a run, or one for each worker."""

    def __init__(self, bench: Bench, row: matrix_plan.Row, mode: str) -> None:
        self.model_dir = bench.folder / matrix_plan.name_row(row)
        self.log = pathlib.Path(f"{self.model_dir}.{mode}.log")
        config = configure(row, bench.records)
        # Several hosts have no continuous evaluation: one of them does it.
        workers = 2 if _strategy(row) == "multi_worker_mirrored" and mode != "continuous_eval" else 1
        if workers == 1 and _strategy(row) == "multi_worker_mirrored":
            config["runtime"]["distribution_strategy"] = "one_device"
        hosts = [f"localhost:{port}" for port in free_ports.find_ports(workers)]
        self._processes = []
        for index in range(workers):
            if workers > 1:
                config["runtime"].update(worker_hosts=",".join(hosts), task_index=index)
            mine = pathlib.Path(f"{self.model_dir}.{mode}.{index}.yaml")
            mine.write_text(yaml.safe_dump(config), encoding="utf-8")
            recipe = [f"--config_file={row['recipe']}.yaml"] if row["named"] == "recipe" else []
            arguments = [f"--experiment={EXPERIMENTS[row['recipe']]}", *recipe, f"--config_file={mine}"]
            arguments += [f"--mode={mode}", f"--model_dir={self.model_dir}"]
            cpus = 2 if row["strategy"] == "mirrored-2" else 1
            log = str(self.log if index == 0 else f"{self.log}.{index}")
            pathlib.Path(log).touch()
            started = (cpus, bench.depth, arguments, row in matrix_plan.USED_MOST)
            self._processes.append(forks.start(log, log, on_cpus.train, *started, **bench.environment))

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; tell whether it came while all processes were alive, and else kill them."""
        limit = time.monotonic() + SECONDS
        while not condition():
            if not self._are_alive():
                self.kill()
                return False
            if time.monotonic() > limit:
                self.kill()
                raise AssertionError(f"it goes on and on\n{self._read_log()}")
            time.sleep(0.003)
        if self._are_alive():
            return True
        self.kill()
        return False

    def _are_alive(self) -> bool:
        return all(process.is_alive() for process in self._processes)

    def kill(self) -> bool:
        """Kill all; tell whether they were alive."""
        for process in self._processes:
            process.kill()
        return self._join() == [-signal.SIGKILL] * len(self._processes)

    def end(self) -> None:
        """Wait for the end, which must be a good one."""
        codes = self._join(SECONDS)
        if None in codes:
            self.kill()
            raise AssertionError(f"it goes on and on\n{self._read_log()}")
        assert codes == [0] * len(codes), f"exit codes {codes}\n{self._read_log()}"

    def _join(self, seconds: float | None = None) -> list[int | None]:
        for process in self._processes:
            process.join(seconds)
        return [process.exitcode for process in self._processes]

    def _read_log(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


def run_row(bench: Bench, row: matrix_plan.Row, is_killed: bool = True) -> dict[str, Any]:
    """Run a row and tell what became of it.

    Args:
      bench: where and how.
      row: what is run.
      is_killed: whether each process is killed once and started again.

    Returns:
      The row with `trained`, `resumed`, `equal`, `seconds`, and `fault` where one of them is false.
    """
    begin, done = time.monotonic(), {"trained": False, "resumed": False, "equal": False}
    fault = ""
    try:
        if is_killed:
            _train_and_kill(bench, row)
            done["trained"] = True
        _finish(bench, row, is_killed)
        done |= {"trained": True, "resumed": is_killed}
        _compare(bench, row, compute_reference(bench, row))
        done["equal"] = True
    except AssertionError as error:
        fault = str(error)
    model_dir = bench.folder / matrix_plan.name_row(row)
    if not fault:
        shutil.rmtree(model_dir)
    return {**row, **done, "seconds": round(time.monotonic() - begin, 1), "fault": fault}


def _train_and_kill(bench: Bench, row: matrix_plan.Row) -> None:
    mode = row["mode"] if "train" in row["mode"] else "train"
    first = Processes(bench, row, mode)
    saved = first.model_dir / f"ckpt-{INTERVAL}.json"
    was_alive = first.wait_until(saved.exists) and first.kill()
    assert was_alive, f"it ended before it was killed\n{first._read_log()}"
    if row["mode"] == "continuous_eval":
        # Of the checkpoint that the kill has left; then killed itself.
        watcher = Processes(bench, row, row["mode"])
        watched = watcher.wait_until(
            lambda: [e["step"] for e in read_rows(watcher, "eval")] == [str(INTERVAL)]
        )
        was_alive = watched and watcher.kill()
        assert was_alive, f"the evaluation ended by itself\n{watcher._read_log()}"


def _finish(bench: Bench, row: matrix_plan.Row, is_killed: bool) -> None:
    """Train to the end, from the last checkpoint or from the start, and evaluate where the mode does."""
    mode = row["mode"]
    training = Processes(bench, row, mode if "train" in mode else "train")
    training.end()
    assert (training.model_dir / f"ckpt-{STEPS}.json").exists()
    if mode == "eval" and is_killed:
        evaluation = Processes(bench, row, mode)
        started = evaluation.wait_until(lambda: b"this run:" in evaluation.log.read_bytes())
        was_alive = started and evaluation.kill()
        assert was_alive, f"the evaluation ended by itself\n{evaluation._read_log()}"
    if "train" not in mode:
        Processes(bench, row, mode).end()
    steps = [int(each["step"]) for each in read_rows(training, "train")]
    assert steps == list(range(1, STEPS + 1)), f"trained steps: {steps}"
    if mode != "train":
        evaluated = read_rows(training, "eval")
        last = evaluated[-1]["step"] if evaluated else None
        assert last == str(STEPS), f"evaluations: {evaluated}"
        scores = [float(evaluated[-1][f"{kind}_AP"]) for kind in ("box", "mask")]
        assert all(0.0 <= score <= 1.0 for score in scores), f"AP: {scores}"


def _compare(bench: Bench, row: matrix_plan.Row, reference: dict[str, float]) -> None:
    model_dir = bench.folder / matrix_plan.name_row(row)
    with open(model_dir / "results.csv", encoding="utf-8", newline="") as file:
        rows = [each for each in csv.DictReader(file) if each["kind"] == "train"]
    losses = [
        {name: float(each[name]) for name in LOSSES if each[name] and name in reference} for each in rows
    ]
    assert losses[0].keys() == reference.keys(), f"{losses[0].keys()} against {reference.keys()}"
    assert all(math.isfinite(value) for each in losses for value in each.values()), f"losses: {losses}"
    skipped = {each["nonfinite_steps"] for each in rows} - {"0"}
    # float16 finds its loss scale by steps that overflow.
    assert not skipped or row["precision"] == "float16", f"steps that were not finite: {skipped}"
    totals = [each["total_loss"] for each in losses]
    # The rate grows through the whole run: some rows, of one image for each batch norm, rise again.
    assert min(totals) < totals[0], f"total_loss does not fall: {totals}"
    if row["batch_norm"] == "local" and (count_replicas(row) > 1 or row["parts"] == "2"):
        return  # the statistics are those of a part of the batch
    tolerance = {"frozen": 1e-6, "local": 1e-6, "synchronised": 1e-3}[row["batch_norm"]]
    for name, expected in reference.items():
        found = losses[0][name]
        unit = _DIGIT * 10 ** math.floor(math.log10(expected)) if expected > 0 else 0.0
        if row["precision"] != "float32":
            # Batch statistics of few pixels, one after the other, enlarge what bfloat16 rounds.
            few_bits = row["precision"] == "bfloat16" and row["batch_norm"] != "frozen"
            tolerance = _LOW_PRECISION.get(name, 0.05 if few_bits else 0.02)
        assert abs(found - expected) <= tolerance * abs(expected) + unit, f"{name}: {found}, alone {expected}"


def read_rows(processes: Processes, kind: str) -> list[dict[str, str]]:
    path = processes.model_dir / "results.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [
            each
            for each in csv.DictReader(file)
            if each["kind"] == kind and each["mask_AR100" if kind == "eval" else "total_loss"]
        ]


def compute_reference(bench: Bench, row: matrix_plan.Row) -> dict[str, float]:
    """Compute the losses of the first step in float32, eagerly, without a strategy, in a fork."""
    plain = {"strategy": "one_device", "precision": "float32", "average": "none", "optimizer": "torch_sgd"}
    config = configure({**row, **plain}, bench.records)
    with concurrent.futures.ProcessPoolExecutor(1, forks.CONTEXT) as pool:
        return pool.submit(_compute_losses, row, config, bench.depth).result()


def _compute_losses(row: matrix_plan.Row, config: dict[str, Any], depth: str) -> dict[str, float]:
    import tensorflow as tf

    from official.core import task_factory
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.tasks import train_step

    on_cpus.prepare(1, depth)
    recipe = [f"{row['recipe']}.yaml"] if row["named"] == "recipe" else []
    params = loading.load_experiment(EXPERIMENTS[row["recipe"]], recipe, [json.dumps(config)])
    task = task_factory.get_task(params.task)
    model = task.build_model()
    inputs = next(iter(task.build_inputs(params.task.train_data)))
    parts = int(row["parts"]) if row["batch_norm"] == "synchronised" else 1
    replicas = count_replicas(row)
    if parts > 1 and replicas > 1:
        # The statistics are those of one part of every replica: images 0 and 2, then 1 and 3.
        order = tf.reshape(tf.transpose(tf.reshape(tf.range(4), [replicas, parts, -1]), [1, 0, 2]), [-1])
        inputs = tf.nest.map_structure(lambda tensor: tf.gather(tensor, order), inputs)
    task.step.options = train_step.StepOptions(parts)
    optimizer = task.create_optimizer(params.trainer.optimizer_config, params.runtime)
    logs = task.train_step(inputs, model, optimizer)
    return {name: float(logs[name]) for name in LOSSES if name in logs}


def count_replicas(row: matrix_plan.Row) -> int:
    return 2 if row["strategy"].endswith("-2") else 1


def run_all(
    bench: Bench, rows: list[matrix_plan.Row], out: pathlib.Path, jobs: int = 2
) -> list[dict[str, Any]]:
    """Run rows side by side; what is in `out` is not run again."""
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    known = {matrix_plan.name_row({name: each[name] for name in matrix_plan.FACTORS}) for each in done}
    rest = [row for row in rows if matrix_plan.name_row(row) not in known]
    lock = threading.Lock()

    def run_and_note(row: matrix_plan.Row) -> dict[str, Any]:
        found = run_row(bench, row)
        with lock, open(out, "a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        return found

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return done + list(pool.map(run_and_note, rest))


def format_table(found: list[dict[str, Any]]) -> str:
    """Lay out what became of the rows."""
    marks = ("trained", "resumed", "equal")
    lines = [
        f"{'ok' if all(each[m] for m in marks) else 'FAULT':<6}{each['seconds']:>7} s  "
        + " ".join(f"{m}={'yes' if each[m] else 'no'}" for m in marks)
        + "  "
        + " ".join(each[name] for name in matrix_plan.FACTORS)
        for each in found
    ]
    counts = {mark: sum(each[mark] for each in found) for mark in marks}
    return "\n".join(
        [*lines, f"{len(found)} runs: {counts}, {sum(e['seconds'] for e in found):.0f} s of runs"]
    )


def main() -> None:
    records, out, which, depth = sys.argv[1:5]
    jobs = int(sys.argv[5]) if len(sys.argv) > 5 else 2
    rows = matrix_plan.cover_values() if which == "values" else matrix_plan.cover_pairs()
    folder = pathlib.Path(f"{out}.runs")
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"TMPDIR": str(folder)}
    begin = time.monotonic()
    found = run_all(Bench(records, folder, depth, environment), rows, pathlib.Path(out), jobs)
    print(format_table(found))
    print(f"{time.monotonic() - begin:.0f} s")
    sys.exit(any(each["fault"] for each in found))


if __name__ == "__main__":
    main()
