"""Measure what `yolact data init` gives in a few minutes, beside a configuration of an earlier version.

python benchmarks/first_hour.py --output DIR [--minutes 10] [--photos 400] [--side 1024]
        [--init-checkpoint none] [--earlier CHECKOUT]

Draws facades (`facades.py`), converts them, and does what a new user does: `yolact data init --minutes M`
and `yolact train`. With --earlier, the `data init` of that checkout of this project writes a second
configuration, whose training is stopped after the same minutes and then evaluated once. Each training is a
process of its own on an otherwise idle machine. Prints one JSON object: for each recipe the seconds from
start to end, of the first line of progress after the first step and of the first evaluation, the steps, AP
and AP50 of masks, what `data init` had estimated, and AP50 of each class where the version writes it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time
from typing import Any

import facades

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]


def run_command(checkout: pathlib.Path, folder: pathlib.Path, *words: str) -> str:
    """Run a `yolact` command of a checkout; return its standard output."""
    command = [sys.executable, "-m", "official_yolact", *words]
    done = subprocess.run(
        command, cwd=folder, env=_make_environment(checkout), check=True, stdout=subprocess.PIPE
    )
    return done.stdout.decode()


def train(checkout: pathlib.Path, folder: pathlib.Path, name: str, seconds: float | None) -> dict[str, Any]:
    """Train a configuration, and note when which line comes.

    Args:
      checkout: whose code trains.
      folder: which holds `NAME.yaml`, and in which `runs/NAME` is made.
      name: of the configuration.
      seconds: after which the training is stopped as by Ctrl-C; None: it ends by itself.

    Returns:
      The seconds of what came.
    """
    command = [sys.executable, "-m", "official_yolact", "train", f"{name}.yaml", f"--model_dir=runs/{name}"]
    start, times = time.monotonic(), {}
    process = subprocess.Popen(
        command, cwd=folder, env=_make_environment(checkout), stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stderr is not None
    if seconds is not None:
        signal.signal(signal.SIGALRM, lambda *_: process.send_signal(signal.SIGTERM))
        signal.alarm(round(seconds))
    marks = {
        "first_step": r"did it once",
        "first_line": r"\bstep [\d,]+/[\d,]+ ",
        "first_evaluation": r"evaluation of step",
    }
    with open(folder / f"{name}.log", "w", 1, encoding="utf-8") as log:
        for line in process.stderr:
            log.write(line)
            for mark, pattern in marks.items():
                if mark not in times and re.search(pattern, line):
                    times[mark] = round(time.monotonic() - start, 1)
    code = process.wait()
    signal.alarm(0)
    return {"exit_code": code, "seconds": round(time.monotonic() - start, 1), **times}


def measure(checkout: pathlib.Path, folder: pathlib.Path, name: str) -> dict[str, Any]:
    """Evaluate what a training has left, and read what it has written."""
    data = ["--images", "set/photos", "--annotations", "set/instances_val.json", "--json"]
    try:
        printed = run_command(checkout, folder, "eval", f"runs/{name}", *data)
    except subprocess.CalledProcessError:
        return {"eval": None, "why": "it has no checkpoint: the training was stopped before there was one"}
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    with open(folder / f"runs/{name}/results.csv", encoding="utf-8") as file:
        steps = [int(float(row["step"])) for row in csv.DictReader(file) if row.get("step")]
    return {"steps": max(steps, default=0), "eval": found}


def convert(checkout: pathlib.Path, folder: pathlib.Path, name: str) -> None:
    """Convert the set, by the version that reads the records."""
    for split in ("train", "val"):
        words = [f"set/instances_{split}.json", "--images", "set/photos", "--split", split]
        run_command(checkout, folder, "data", "convert", *words, "--output", f"records-{name}")


def init(checkout: pathlib.Path, folder: pathlib.Path, name: str, *options: str) -> dict[str, Any]:
    """Write a configuration; return what the command printed."""
    words = [
        "--train",
        "set/instances_train.json",
        "--val",
        "set/instances_val.json",
        "--images",
        "set/photos",
    ]
    output = ["--records", f"records-{name}", "--output", f"{name}.yaml", "--json"]
    start = time.monotonic()
    printed: dict[str, Any] = json.loads(
        run_command(checkout, folder, "data", "init", *words, *output, *options).splitlines()[-1]
    )
    printed.pop("commands", None)
    return {**printed, "init_seconds": round(time.monotonic() - start, 1)}


def _make_environment(checkout: pathlib.Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}


def main() -> None:
    """Draw, train, evaluate, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--init-checkpoint", default="none")
    parser.add_argument(
        "--earlier", type=pathlib.Path, help="checkout of an earlier version, to compare with"
    )
    args = parser.parse_args()
    folder = args.output
    folder.mkdir(parents=True)
    result: dict[str, Any] = {"python": platform.python_version(), "cpus": len(os.sched_getaffinity(0))}
    result["set"] = facades.write_set(folder / "set", args.photos, args.side, seed=0)
    limits = ("--minutes", f"{args.minutes:g}", "--init-checkpoint", args.init_checkpoint)
    recipes = [("now", CHECKOUT, limits, None)]
    if args.earlier:
        recipes.append(("earlier", args.earlier.resolve(), (), 60 * args.minutes))
    for name, checkout, options, seconds in recipes:
        convert(checkout, folder, name)
        estimated = init(checkout, folder, name, *options)
        times = train(checkout, folder, name, seconds)
        result[name] = {"init": estimated, "train": times, **measure(checkout, folder, name)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
