"""Kill a training again and again and compare it with one that was left alone; argument: a `Plan` in JSON.

This process imports TensorFlow and does not use it: each training is a fork of it, which saves most of
the time of a start. Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import small_network
import tensorflow as tf
from absl import logging
from tensorflow.python.eager import context

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run
from official_yolact.training import trainer as yolact_trainer

INTERVAL, KEPT = 4, 2
SECONDS = 600.0  # within which a fork ends or gets on


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be killed.

    Attributes:
      records: folder of training data.
      folder: where the two runs are put.
      strategy: `runtime.distribution_strategy`.
      replicas: logical CPUs.
      kills: how often.
      seed: of the times.
    """

    records: str
    folder: str
    strategy: str
    replicas: int
    kills: int
    seed: int = 0

    @property
    def steps(self) -> int:
        """So many that the last kill comes before the end: most lives end 10 steps further or before."""
        return 10 * self.kills + 20

    def load(self) -> Any:
        terms = [
            f"task.train_data.input_path={self.records}/train-*.tfrecord",
            f"task.train_data.global_batch_size={max(2, self.replicas)},task.train_data.shuffle_buffer_size=8",
            small_network.TERMS,
            "runtime.mixed_precision_dtype=float32",
            "task.model.freeze_bn=false",
            f"trainer.steps_per_loop=1,trainer.summary_interval={INTERVAL},trainer.num_pictures=0",
            f"trainer.checkpoint_interval={INTERVAL},trainer.max_to_keep={KEPT}",
            f"trainer.train_steps={self.steps},runtime.distribution_strategy='{self.strategy}'",
            "{trainer: {optimizer_config: {ema: {average_decay: 0.99}}}}",
        ]
        return loading.load_experiment("yolact_tiny_shapes", [], terms)


class Life:
    """A fork that trains, until it has done all or is killed.

    Attributes:
      steps: [(step, every number of it)] that it has reported.
    """

    def __init__(self, plan: Plan, model_dir: pathlib.Path) -> None:
        source, report = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(source)
            _live(plan, model_dir, report)
        os.close(report)
        os.set_blocking(source, False)
        self._source, self._model_dir, self._rest = source, model_dir, b""
        self.steps: list[tuple[int, str]] = []

    def listen(self) -> None:
        """Take the reports that have come."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._source, 1 << 16):
                *lines, self._rest = (self._rest + part).split(b"\n")
                for line in lines:
                    step, values = line.decode().split(" ", 1)
                    self.steps.append((int(step), values))

    def wait_until(self, condition: Callable[[], bool], timeout: float = SECONDS) -> bool:
        """Wait; tell whether the condition came before the time was over."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                return False
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            assert not pid, f"it ended by itself: {status}\n{_read_log(self._model_dir)}"
            time.sleep(0.001)
            self.listen()
        return True

    def is_saving(self) -> bool:
        return any(name.endswith("_temp") for name in os.listdir(self._model_dir))

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]) == -signal.SIGKILL
        self._close()

    def end(self) -> None:
        """Wait for the end, which must be a good one."""
        ended: list[int] = []

        def has_ended() -> bool:
            self.listen()
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            ended.extend([status] if pid else [])
            return bool(ended)

        limit = time.monotonic() + SECONDS
        while not has_ended():
            assert time.monotonic() < limit, f"it goes on and on\n{_read_log(self._model_dir)}"
            time.sleep(0.01)
        assert ended == [0], f"it ended with {ended}\n{_read_log(self._model_dir)}"
        self._close()

    def _close(self) -> None:
        self.listen()
        os.close(self._source)


def _live(plan: Plan, model_dir: pathlib.Path, report: int) -> None:
    """Train in a fork; never return."""
    code = 1
    try:
        log = os.open(f"{model_dir}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        logging.set_verbosity(logging.INFO)
        logging.use_absl_handler()
        cpu = tf.config.list_physical_devices("CPU")[0]
        devices = [tf.config.LogicalDeviceConfiguration()] * plan.replicas
        tf.config.set_logical_device_configuration(cpu, devices)
        old = yolact_trainer.YolactTrainer.train_loop_end

        def train_loop_end(self: Any) -> Any:
            logs = old(self)
            names = sorted(n for n in logs if n.endswith("_loss") or n in ("gradient_norm", "learning_rate"))
            values = " ".join(f"{name}={float(logs[name]).hex()}" for name in names)
            os.write(report, f"{int(self.global_step.numpy())} {values}\n".encode())
            return logs

        yolact_trainer.YolactTrainer.train_loop_end = train_loop_end
        run.run(plan.load(), "train", str(model_dir))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _read_log(model_dir: pathlib.Path) -> str:
    return pathlib.Path(f"{model_dir}.log").read_text()[-3000:]


def find_saved(model_dir: pathlib.Path) -> int:
    """Give the step of the newest checkpoint whose last file is there; 0: none."""
    names = os.listdir(model_dir) if model_dir.exists() else []
    found = [int(match[1]) for match in (re.fullmatch(r"ckpt-(\d+)\.json", name) for name in names) if match]
    return max(found, default=0)


def kill_at_random(plan: Plan, draw: random.Random, model_dir: pathlib.Path) -> dict[str, Any]:
    """Start or go on, and kill: after some steps, within a save, or before there was a step.

    The first life leaves a checkpoint.
    """
    is_first = not model_dir.exists()
    saved = find_saved(model_dir)
    begin = time.monotonic()
    life = Life(plan, model_dir)
    kind = "step" if is_first else draw.choices(["step", "save", "start"], [6, 5, 1])[0]
    if kind == "start":
        life.wait_until(lambda: bool(life.steps), draw.uniform(0.1, 4.0))
    else:
        life.wait_until(lambda: bool(life.steps))
        if kind == "step":
            count = draw.randint(INTERVAL + 1 if is_first else 1, 2 * INTERVAL)
            life.wait_until(lambda: len(life.steps) >= count)
        else:
            life.wait_until(life.is_saving)
        time.sleep(draw.uniform(0.0, 0.15))
    was_saving = bool(life.steps) and life.is_saving()
    life.kill()
    return {
        "kind": kind,
        "saved_before": saved,
        "saved_after": find_saved(model_dir),
        "in_save": was_saving,
        "steps": life.steps,
        "seconds": time.monotonic() - begin,
    }


def check_lives(lives: list[dict[str, Any]], trace: dict[int, str]) -> None:
    """Hold what each life has done against the run that was left alone.

    A life may begin one checkpoint later than was seen whole when the last one ended: a checkpoint is
    intact before its last file, the record, is written.
    """
    reached = 0
    for number, life in enumerate(lives):
        steps = [step for step, _ in life["steps"]]
        for step, values in life["steps"]:
            assert values == trace[step], f"life {number}, step {step}: {values}; alone: {trace[step]}"
        if steps:
            assert steps == list(range(steps[0], steps[-1] + 1)), steps
            first = steps[0] - 1
            assert first in (life["saved_before"], life["saved_before"] + INTERVAL), (number, life)
            assert first % INTERVAL == 0
            # The step that is reported last may not have come to its save.
            assert reached - first <= INTERVAL, f"life {number}: from {reached} back to {first}"
            reached = steps[-1]


def read_tensors(model_dir: pathlib.Path) -> dict[str, Any]:
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(model_dir)))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return {name: reader.get_tensor(name) for name in names}


def count_tensors(names: list[str]) -> dict[str, int]:
    kinds = {"averages": "average/", "slots": "/.OPTIMIZER_SLOT/", "statistics": "/moving_"}
    counts = dict.fromkeys([*kinds, "others"], 0)
    for name in names:
        counts[next((kind for kind, mark in kinds.items() if mark in name), "others")] += 1
    return counts


def list_files(model_dir: pathlib.Path) -> set[str]:
    """List the files of a run, the summaries of all its lives as one."""
    paths = (path.relative_to(model_dir).as_posix() for path in model_dir.rglob("*") if path.is_file())
    return {re.sub(r"events\.out\.tfevents\..*", "events", path) for path in paths}


def read_rows(model_dir: pathlib.Path) -> list[list[str]]:
    """Read the columns of results.csv that are functions of the step."""
    lines = [line.split(",") for line in (model_dir / "results.csv").read_text().splitlines()]
    head = lines[0]
    kept = [i for i, name in enumerate(head) if name in ("step", "gradient_norm") or name.endswith("loss")]
    return [[line[i] for i in kept] for line in lines]


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    assert context.context()._context_handle is None, "a fork of a TensorFlow in use hangs"
    folder = pathlib.Path(plan.folder)
    alone, killed = folder / "alone", folder / "killed"
    begin = time.monotonic()
    life = Life(plan, alone)
    life.end()
    alone_seconds = time.monotonic() - begin
    trace = dict(life.steps)
    assert sorted(trace) == list(range(1, plan.steps + 1))
    draw = random.Random(plan.seed)
    lives = [kill_at_random(plan, draw, killed) for _ in range(plan.kills)]
    saved = find_saved(killed)
    life = Life(plan, killed)
    life.end()
    lives.append({"kind": "end", "saved_before": saved, "steps": life.steps})
    check_lives(lives, trace)
    assert life.steps[-1][0] == plan.steps
    assert read_rows(killed) == read_rows(alone)
    assert list_files(killed) == list_files(alone), list_files(killed) ^ list_files(alone)
    expected, found = read_tensors(alone), read_tensors(killed)
    assert found.keys() == expected.keys()
    different = [n for n in expected if np.asarray(found[n]).tobytes() != np.asarray(expected[n]).tobytes()]
    assert not different, f"{len(different)} of {len(expected)} tensors differ: {different[:8]}"
    print(
        json.dumps(
            {
                "strategy": plan.strategy,
                "replicas": plan.replicas,
                "kills": plan.kills,
                "kills_in_a_save": sum(each.get("in_save", False) for each in lives),
                "starts_from_a_checkpoint": sum(each["saved_before"] > 0 for each in lives),
                "kills_before_a_step": sum(not each["steps"] for each in lives),
                "steps": plan.steps,
                "steps_done_twice": sum(len(each["steps"]) for each in lives) - plan.steps,
                "tensors": count_tensors(list(expected)),
                "seconds_alone": round(alone_seconds, 1),
                "seconds_of_a_life": [round(each["seconds"], 1) for each in lives[:-1]],
            }
        )
    )


if __name__ == "__main__":
    main()
