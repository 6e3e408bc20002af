"""Export models in every format and precision, and compare each file with its model.

python benchmarks/export_parity.py [NAME=MODEL:PHOTOS[:ANNOTATIONS] ...] [--read JSON ...] [--page PAGE]

Prints one JSON object: for each model what `yolact export` found out, the faults of its files and its
seconds. Without models it compares a small one with initial weights, on generated pictures. Calibration reads
the photos of the comparison, unless a fourth term names others. `--page docs/export.md` writes the tables
below its mark, also those of earlier runs (`--read`).
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from typing import Any

MARK = "<!-- What follows is made by `python benchmarks/export_parity.py --page docs/export.md`. -->\n"
COLUMNS = {
    "MB": ".1f",
    "matched": "d",
    "missing": "d",
    "extra": "d",
    "tied": "d",
    "box_px": ".4f",
    "score": ".6f",
    "mask_iou": ".4f",
    "milliseconds": ".1f",
    "box_AP": ".4f",
    "mask_AP": ".4f",
}


def export(model: str, photos: str, annotations: str, calibration: str, precisions: str) -> dict[str, Any]:
    """Run the command in a process of its own, into a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "export")
        words = [sys.executable, "-m", "official_yolact", "export", model, "--output", output, "--json"]
        words += ["--quantize", precisions]
        words += ["--images", photos] if photos else []
        words += ["--annotations", annotations] if annotations else []
        words += ["--calibration", calibration or photos] if "int8" in precisions else []
        started = time.monotonic()
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "seconds": round(time.monotonic() - started, 1), "photos": photos}


def make_small(folder: str) -> str:
    """Write a model directory of the demo's network with initial weights."""
    from official.core import train_utils
    from official_yolact.configs import loading
    from official_yolact.data.sets import raster
    from official_yolact.importing import model_folder
    from official_yolact.modeling import factory
    from official_yolact.modeling import registration
    from official_yolact_runtime import categories

    registration.register()
    params = loading.load_experiment("yolact_tiny_shapes")
    train_utils.serialize_config(params, folder)
    names = tuple(raster.NAMES)
    path = os.path.join(folder, categories.FILE_NAME)
    categories.Categories(tuple(range(1, len(names) + 1)), names).save(path)
    model_folder.save_model(factory.build_model(params.task.model, seed=0), folder)
    return folder


def format_tables(models: dict[str, Any]) -> str:
    """Format a table for each model."""
    parts = []
    for name, found in models.items():
        own = found["parity"]["model"]
        columns = [key for key in COLUMNS if key in own or not key.endswith("_AP")]
        parts.append(f"\n### {name}\n\n{describe(found)}\n\n| file | {' | '.join(columns)} |\n")
        parts.append(f"|---|{'---|' * len(columns)}\n")
        for file, numbers in found["parity"].items():
            size = found["files"].get(file, {}).get("size")
            values = {**numbers, "MB": size and size / 1e6}
            cells = [format_cell(values.get(key), COLUMNS[key]) for key in columns]
            label = "the model in TensorFlow" if file == "model" else f"`{file}`"
            parts.append(f"| {label} | {' | '.join(cells)} |\n")
    return "".join(parts)


def describe(found: dict[str, Any]) -> str:
    """Say on what a model was compared, and what is beyond the limits."""
    own = found["parity"]["model"]
    count = next(numbers["pictures"] for numbers in found["parity"].values() if "pictures" in numbers)
    text = f"{count} {own['on']}, {found['seconds']:.0f} s in all."
    for name, faults in found["faults"].items():
        text += f" Beyond the limits: `{name}`, {'; '.join(faults)}."
    return text


def format_cell(value: Any, form: str) -> str:
    """Format a number, or nothing."""
    return "" if value is None else format(value, form)


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="NAME=MODEL:PHOTOS[:ANNOTATIONS[:CALIBRATION]]")
    parser.add_argument("--quantize", default="none,float16,dynamic,int8")
    parser.add_argument("--read", nargs="+", default=[], type=pathlib.Path, metavar="JSON")
    parser.add_argument("--page", type=pathlib.Path)
    args = parser.parse_args()
    found: dict[str, Any] = {}
    for path in args.read:
        found |= json.loads(path.read_text(encoding="utf-8"))["models"]
    with tempfile.TemporaryDirectory() as folder:
        if not args.models and not args.read:
            found["small"] = export(make_small(folder), "", "", "", "none,float16,dynamic")
        for text in args.models:
            name, _, rest = text.partition("=")
            model, photos, annotations, calibration = [*rest.split(":"), "", "", ""][:4]
            found[name] = export(model, photos, annotations, calibration, args.quantize)
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"machine": machine, "models": found}))
    if args.page:
        written, mark, _ = args.page.read_text(encoding="utf-8").partition(MARK)
        args.page.write_text(f"{written}{mark}{format_tables(found)}", encoding="utf-8")


if __name__ == "__main__":
    main()
