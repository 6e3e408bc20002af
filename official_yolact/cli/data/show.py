"""`yolact data show`: draw what the network sees."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from official_yolact.cli import progress


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "show",
        help="draw a batch as the network sees it",
        description="Draw a batch after augmentation with its boxes and masks: 000.png, 001.png, ... and"
        " sheet.png. Masks must sit on objects.",
    )
    parser.add_argument("config", metavar="CONFIG", help="YAML file or name of an experiment")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="overrides of the config")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write into")
    parser.add_argument("--count", type=int, default=16, metavar="N", help="images (%(default)s)")
    parser.add_argument(
        "--data", choices=("train", "validation"), default="train", help="which data (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the list of files as one line of JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw a batch as the network sees it."""
    import cv2

    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.dataloaders import input_reader
    from official_yolact.serving import examples
    from official_yolact.serving import visualization

    if args.count < 1:
        raise ValueError(f"count is {args.count}: at least 1")
    params = loading.load_config(args.config, args.overrides)
    task = params.task
    data = task.train_data if args.data == "train" else task.validation_data
    if not data.input_path:
        raise ValueError(f"task.{args.data}_data.input_path is empty: add it as key=value")
    data.override({"global_batch_size": args.count})
    images, labels = next(iter(input_reader.build_dataset(data, task.model, task.seed)))
    names = _class_names(data.input_path, task.model.num_classes)
    os.makedirs(args.output, exist_ok=True)
    pictures, paths = [], []
    for row in range(args.count):
        if int(labels["image_id"][row]) < 0:
            continue
        one: Any = {key: value[row].numpy() for key, value in labels.items()}
        pictures.append(examples.draw_example(images[row].numpy(), one, task.model.normalization, names))
        paths.append(os.path.join(args.output, f"{row:03d}.png"))
        cv2.imwrite(paths[-1], pictures[-1][..., ::-1])
    paths.append(os.path.join(args.output, "sheet.png"))
    cv2.imwrite(paths[-1], visualization.tile(pictures, columns=4)[..., ::-1])
    progress.say(f"{len(pictures)} pictures and {paths[-1]}")
    if args.json:
        print(json.dumps({"pictures": paths[:-1], "sheet": paths[-1]}))
    return 0


def _class_names(input_path: str, num_classes: int) -> list[str]:
    from official_yolact.dataloaders import manifests

    try:
        return list(manifests.load_categories(input_path).names)
    except FileNotFoundError:
        return [f"class {number}" for number in range(1, num_classes)]
