"""`yolact data`: make, convert and look at data sets."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

_Subparsers = Any


def add_parser(subparsers: _Subparsers) -> None:
    """Add the command and its own commands."""
    parser = subparsers.add_parser("data", help="make, convert and look at data sets")
    commands = parser.add_subparsers(dest="data_command", metavar="COMMAND", required=True)
    _add_shapes(commands)
    _add_sbd(commands)
    _add_convert(commands)
    _add_show(commands)


def _add_shapes(commands: _Subparsers) -> None:
    parser = commands.add_parser(
        "shapes",
        help="draw the embedded data set",
        description="Draw a COCO-format data set of shapes: instances_train.json, instances_val.json,"
        " train/*.jpg and val/*.jpg. Equal options give equal files.",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write into")
    parser.add_argument("--train", type=int, default=2000, metavar="N", help="training images (%(default)s)")
    parser.add_argument("--val", type=int, default=250, metavar="N", help="validation images (%(default)s)")
    parser.add_argument(
        "--size", type=int, default=128, metavar="PX", help="side of the images (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="(%(default)s)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (one for each core)")
    parser.add_argument("--json", action="store_true", help="print the numbers as one line of JSON")
    parser.set_defaults(run=run_shapes)


def _add_sbd(commands: _Subparsers) -> None:
    parser = commands.add_parser(
        "sbd",
        help="Pascal SBD to COCO JSON",
        description="Write the COCO instances file of a list of Pascal SBD images, for `yolact data convert`"
        " with --images FOLDER/img.",
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="benchmark_RELEASE/dataset of the unpacked archive, with inst and img",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--split", metavar="NAME", help="the list FOLDER/NAME.txt: train or val")
    which.add_argument("--list", metavar="FILE", help="another list: an id such as 2008_000002 on each line")
    parser.add_argument("--output", required=True, metavar="FILE.json", help="file to write")
    parser.add_argument("--json", action="store_true", help="print the numbers as one line of JSON")
    parser.set_defaults(run=run_sbd)


def _add_convert(commands: _Subparsers) -> None:
    parser = commands.add_parser(
        "convert",
        help="COCO JSON and images to TFRecords",
        description="Write DIR/SPLIT-00000-of-000NN.tfrecord, DIR/instances-SPLIT.json and, last,"
        " DIR/manifest-SPLIT.json.",
    )
    parser.add_argument("annotations", metavar="ANNOTATIONS.json", help="COCO instances file")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the images")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write into")
    parser.add_argument("--split", required=True, metavar="NAME", help="name of the shards: train, val, ...")
    parser.add_argument("--shards", type=int, metavar="N", help="number of files (one for each 500 images)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="threads (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the manifest as one line of JSON")
    parser.set_defaults(run=run_convert)


def _add_show(commands: _Subparsers) -> None:
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
    parser.set_defaults(run=run_show)


def run_shapes(args: argparse.Namespace) -> int:
    """Draw the embedded data set."""
    from official_yolact.data import shapes

    started = time.monotonic()
    shapes.write_shapes(
        args.output,
        args.train,
        args.val,
        args.size,
        args.seed,
        workers=args.workers,
        progress=_report_to_stderr("images"),
    )
    seconds = time.monotonic() - started
    _say(f"{args.train} training and {args.val} validation images in {args.output} ({seconds:.1f} s)")
    if args.json:
        print(json.dumps({"output": args.output, "train": args.train, "val": args.val, "seed": args.seed}))
    return 0


def run_sbd(args: argparse.Namespace) -> int:
    """Turn Pascal SBD into a COCO instances file."""
    from official_yolact.data import sbd

    started = time.monotonic()
    list_file = args.list or os.path.join(args.folder, f"{args.split}.txt")
    summary = sbd.write_coco(args.folder, list_file, args.output, _report_to_stderr("images"))
    seconds = time.monotonic() - started
    _say(f"{summary.images} images, {summary.instances} instances in {args.output} ({seconds:.1f} s)")
    for reason, count in summary.skipped.items():
        _say(f"left out: {count} {reason.replace('_', ' ')}")
    if args.json:
        print(json.dumps({"output": args.output, **dataclasses.asdict(summary)}))
    return 0


def run_convert(args: argparse.Namespace) -> int:
    """Convert a COCO data set."""
    from official_yolact.data import convert

    started = time.monotonic()
    manifest = convert.convert_coco(
        args.annotations,
        args.images,
        args.output,
        args.split,
        num_shards=args.shards,
        workers=args.workers,
        progress=_report_to_stderr("images"),
    )
    seconds = time.monotonic() - started
    _say(
        f"{manifest.num_records} images, {manifest.num_instances} instances of"
        f" {len(manifest.categories)} classes in {len(manifest.shards)} shards in {args.output}"
        f" ({seconds:.1f} s)"
    )
    for title, counts in (("left out", manifest.skipped), ("changed", manifest.changed)):
        for reason, count in counts.items():
            _say(f"{title}: {count} {reason.replace('_', ' ')}")
    if args.json:
        print(json.dumps(manifest.to_dict()))
    return 0


def run_show(args: argparse.Namespace) -> int:
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
    _say(f"{len(pictures)} pictures and {paths[-1]}")
    if args.json:
        print(json.dumps({"pictures": paths[:-1], "sheet": paths[-1]}))
    return 0


def _class_names(input_path: str, num_classes: int) -> list[str]:
    from official_yolact.dataloaders import manifests

    try:
        return list(manifests.load_categories(input_path).names)
    except FileNotFoundError:
        return [f"class {number}" for number in range(1, num_classes)]


def _report_to_stderr(unit: str) -> Callable[[int, int], None]:
    """Report progress: on a terminal one line with the time left, elsewhere a line each ten seconds."""
    started = time.monotonic()
    terminal = sys.stderr.isatty()
    last = started

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < (0.2 if terminal else 10) and not (terminal and done == total):
            return
        last = now
        left = (now - started) / done * (total - done)
        line = f"{done}/{total} {unit}, {left:.0f} s left"
        if terminal:
            print(f"\r{line:<60}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        else:
            _say(line)

    return report


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
