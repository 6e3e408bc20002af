"""Time the models of the zoo by `yolact benchmark`, and write the file that docs/zoo.md has its times from.

python benchmarks/zoo_times.py [--output FILE: zoo-times.json beside the page] [--rounds N] [NAME ...]

Weights are generated: the network's arithmetic is that of the published ones. Each model is written once, as
the import of published weights leaves it, and timed in turns with the first one. Six minutes on two cores,
which should have nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from official.core import train_utils
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.environment import machine
from official_yolact.importing import model_folder
from official_yolact.modeling import factory
from official_yolact.weights import model_names
from official_yolact.weights import named_weights
from official_yolact_runtime import categories


def write_model(name: str, folder: str) -> None:
    """Write a model directory of the architecture that a name has, with initial weights."""
    params = loading.load_experiment(named_weights.find(name).experiments[0])
    train_utils.serialize_config(params, folder)
    categories.COCO.save(os.path.join(folder, categories.FILE_NAME))
    model_folder.save_model(factory.build_model(params.task.model), folder)


def measure(folders: list[str], rounds: int) -> list[dict[str, Any]]:
    """Run the command, and return what it prints."""
    words = ["benchmark", *folders, "--batch", "1", "--rounds", str(rounds), "--json"]
    command = [sys.executable, "-m", "official_yolact", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])["results"]
    return found


def main() -> None:
    """Write the file, or print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all models")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", metavar="FILE", help="write the JSON there, too")
    args = parser.parse_args()
    names = args.names or list(model_names.MODELS)
    with tempfile.TemporaryDirectory() as parent:
        folders = [os.path.join(parent, name.replace("/", "_")) for name in names]
        for name, path in zip(names, folders, strict=True):
            write_model(name, path)
        # Each beside the first one alone: the command holds all that it compares in memory.
        rows = measure(folders[:2], args.rounds)
        for folder in folders[2:]:
            rows += [row for row in measure([folders[0], folder], args.rounds) if row["model"] == folder]
    models: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for row in rows:
        times = row["milliseconds"]
        models[names[folders.index(row["model"])]].append(
            {
                "runtime": row["runtime"],
                "network": times["network"]["median"],
                "total": times["total"]["median"],
                "over_first": row["over_first"]["total"],
                "size_mb": row["size_mb"],
                "memory_mb": row["memory_mb"],
            }
        )
    content = json.dumps({"machine": machine.describe(), "rounds": args.rounds, "models": models}, indent=1)
    if args.output:
        pathlib.Path(args.output).write_text(f"{content}\n", encoding="utf-8")
    print(content)


if __name__ == "__main__":
    main()
