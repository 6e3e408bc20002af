"""Train every change of a table on every set with every seed, and print what each of them changed.

python benchmarks/ablation.py TABLE.yaml --output DIR [--only SET] [--print]

The table names sets, changes and seeds; `ablation.yaml` beside this file is one:

    seeds: [0, 1, 2]
    sets:
      shapes: {config: yolact_tiny_shapes_cpu.yaml}
      nuts: {train: nuts/train.json, val: nuts/val.json, images: nuts/images, init: [--minutes, 10]}
    changes:
      today: []
      giou: [task.losses.box_loss=giou, task.losses.box_weight=2]

The pictures of the sets `shapes` and `facades` are drawn here; the others name COCO files, relative to the
table, in which $NAME is a variable of the environment. Of every set, `convert`, `init` and `overrides` are
words for `yolact data convert`, words for `yolact data init`, which writes the configuration where no
`config` is named, and key=value terms of all its runs. `only: [SET, ...]` beside `terms: [...]` keeps a
change to some sets.

Every run is a process of its own; `DIR/results/SET/CHANGE-SEED.json` holds what it gave. Such a run is not
repeated, and one that was interrupted is started anew: the command goes on where it ended. Prints Markdown:
for each set the mean over the seeds and, in brackets, the largest less the smallest; seconds are those of
this machine, and comparable where nothing else ran on it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
from typing import Any

import facades
import yaml

SIZES = {name: f"mask_{name}" for name in ("AP", "AP50", "APs", "APm", "APl")} | {"box AP": "box_AP"}
TIMES = {
    "training, s/image": ("train_seconds", 4),
    "prediction, ms": ("predict_ms", 1),
    "processor, s": ("cpu_seconds", 0),
}
PARTS = ("network", "suppression", "network + suppression", "masks")
DRAWN = ("shapes", "facades")


def run_command(*words: str) -> str:
    """Run a `yolact` command; return its standard output."""
    command = [sys.executable, "-m", "official_yolact", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def prepare(name: str, given: dict[str, Any], home: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """Draw or find the pictures of a set, convert them, and write its configuration; what exists is kept.

    Args:
      name: of the set.
      given: what the table says of it.
      home: folder of the table.
      folder: of the set.

    Returns:
      Configuration and overrides of every run.
    """
    done = folder / "ready.json"
    if done.exists():
        words: list[str] = json.loads(done.read_text())
        return words
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name == "shapes":
        counts = ("--train", str(given.get("photos", 2000)), "--val", str(given.get("val_photos", 250)))
        run_command("data", "shapes", "--output", str(folder / "set"), *counts)
        images = {split: folder / "set" / split for split in ("train", "val")}
    elif name == "facades":
        facades.write_set(folder / "set", given.get("photos", 400), given.get("side", 1024), seed=0)
        images = dict.fromkeys(("train", "val"), folder / "set" / "photos")
    else:
        images = {"train": find(given["images"], home)}
        images["val"] = find(given["val_images"], home) if "val_images" in given else images["train"]
    records = str(folder / "records")
    for split in ("train", "val"):
        source = folder / "set" / f"instances_{split}.json" if name in DRAWN else find(given[split], home)
        where = ("--images", str(images[split]), "--split", split, "--output", records)
        run_command("data", "convert", str(source), *where, *map(str, given.get("convert", ())))
    config = given.get("config") or str(folder / "config.yaml")
    if "config" not in given:
        files = [f"--{split}={records}/instances-{split}.json" for split in ("train", "val")]
        where = (f"--images={images['train']}", f"--val-images={images['val']}", f"--records={records}")
        run_command("data", "init", *files, *where, f"--output={config}", *map(str, given.get("init", ())))
    paths = {"train": "task.train_data", "val": "task.validation_data"}
    terms = [f"{path}.input_path={records}/{split}-*.tfrecord" for split, path in paths.items()]
    words = [config, *terms, *given.get("overrides", ())]
    done.write_text(json.dumps(words))
    return words


def find(path: str, home: pathlib.Path) -> pathlib.Path:
    """Find a file of the table; a variable of the environment that is not set is refused."""
    found = home / os.path.expandvars(path)
    if not found.exists():
        raise SystemExit(f"{found} does not exist: correct the table, or set the variable that it names")
    return found


def train(words: list[str], folder: pathlib.Path) -> dict[str, Any]:
    """Train and evaluate once; return what it took and gave."""
    shutil.rmtree(folder, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_command("train", *words, f"--model_dir={folder}", "--mode=train_and_post_eval")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(folder / "results.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    speeds = [float(row["images_per_second"]) for row in rows if row["images_per_second"]]
    last = [row for row in rows if row["kind"] == "eval"][-1]
    # -1: the set has no such object.
    result: dict[str, Any] = {key: float(last[key]) for key in SIZES.values() if float(last[key] or -1) >= 0}
    result["classes"] = {
        row["class"]: float(row["mask_AP"])
        for row in rows
        if row["kind"] == "class" and row["step"] == last["step"] and float(row["mask_AP"] or -1) >= 0
    }
    timed = run_command("benchmark", str(folder), "--batch=1", "--precision=auto", "--rounds=7", "--json")
    parts = json.loads(timed.splitlines()[-1])["results"][0]["milliseconds"]
    result["predict_ms"] = sum(parts[part]["median"] for part in PARTS if part in parts)
    result["train_seconds"] = 1 / statistics.median(speeds) if speeds else None
    result["cpu_seconds"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result


def measure(table: dict[str, Any], home: pathlib.Path, output: pathlib.Path, only: list[str]) -> None:
    """Do the runs of the table that have no result yet, seed by seed."""
    for seed in table["seeds"]:
        for name in only or table["sets"]:
            words = prepare(name, table["sets"][name] or {}, home, output / "sets" / name)
            for change, given in table["changes"].items():
                terms = given["terms"] if isinstance(given, dict) else given
                result = output / "results" / name / f"{change}-{seed}.json"
                run = [*words, *terms, f"task.seed={seed}"]
                if isinstance(given, dict) and name not in given.get("only", [name]):
                    continue
                if result.exists():
                    if json.loads(result.read_text())["words"] != run:
                        raise SystemExit(f"{result} is of other terms: give the change another name")
                    continue
                print(f"{name}: {change}, seed {seed}", file=sys.stderr, flush=True)
                found = {"words": run, **train(run, output / "runs" / name / f"{change}-{seed}")}
                result.parent.mkdir(parents=True, exist_ok=True)
                part = result.with_suffix(".part")
                part.write_text(json.dumps(found, indent=1))
                part.replace(result)


def format_set(name: str, changes: list[str], folder: pathlib.Path) -> str:
    """Lay out the results of a set as a Markdown table, in the order of the changes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for change in changes:
        files = sorted(folder.glob(f"{change}-*.json"))
        runs = [json.loads(file.read_text()) for file in files if file.stem[len(change) + 1 :].isdigit()]
        if runs:
            found[change] = runs
    classes = list(dict.fromkeys(name for runs in found.values() for run in runs for name in run["classes"]))
    heading = [name, "seeds", *SIZES, *classes, *TIMES]
    lines = ["| " + " | ".join(heading) + " |", "|---" * len(heading) + "|"]
    for change, runs in found.items():
        cells = [_show([run.get(key) for run in runs], 3) for key in SIZES.values()]
        cells += [_show([run["classes"].get(name) for run in runs], 3) for name in classes]
        cells += [_show([run.get(key) for run in runs], digits) for key, digits in TIMES.values()]
        lines.append("| " + " | ".join([change, str(len(runs)), *cells]) + " |")
    return "\n".join(lines)


def _show(values: list[float | None], digits: int) -> str:
    numbers = [value for value in values if value is not None]
    if not numbers:
        return ""
    spread = f" ({max(numbers) - min(numbers):.{digits}f})" if len(numbers) > 1 else ""
    return f"{statistics.mean(numbers):.{digits}f}{spread}"


def main() -> None:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--only", action="append", default=[], metavar="SET", help="can be repeated")
    parser.add_argument("--print", action="store_true", dest="prints", help="run nothing")
    args = parser.parse_args()
    table = yaml.safe_load(args.table.read_text(encoding="utf-8"))
    if not args.prints:
        measure(table, args.table.resolve().parent, args.output.resolve(), args.only)
    for name in args.only or table["sets"]:
        print(format_set(name, list(table["changes"]), args.output / "results" / name), end="\n\n")


if __name__ == "__main__":
    main()
