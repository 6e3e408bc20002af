"""`yolact data shapes`: draw the embedded data set."""

from __future__ import annotations

import argparse
import time
from typing import Any

from official_yolact.cli import output_options
from official_yolact.cli import progress
from official_yolact.files import json_text


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "shapes",
        help="draw the embedded data set",
        description="Draw a COCO-format data set of shapes: instances_train.json, instances_val.json,"
        " train/*.jpg and val/*.jpg. Equal options give equal files.",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write into")
    output_options.add_force(parser)
    parser.add_argument("--train", type=int, default=2000, metavar="N", help="training images (%(default)s)")
    parser.add_argument("--val", type=int, default=250, metavar="N", help="validation images (%(default)s)")
    parser.add_argument(
        "--size", type=int, default=128, metavar="PX", help="side of the images (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="(%(default)s)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (one for each core)")
    parser.add_argument("--json", action="store_true", help="print the numbers as one line of JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw the embedded data set."""
    from official_yolact.data.sets import shapes

    started = time.monotonic()
    shapes.write_shapes(
        args.output,
        args.train,
        args.val,
        args.size,
        args.seed,
        workers=args.workers,
        force=args.force,
        progress=progress.Progress("images"),
    )
    seconds = time.monotonic() - started
    progress.say(f"{args.train} training and {args.val} validation images in {args.output} ({seconds:.1f} s)")
    if args.json:
        print(
            json_text.dump({"output": args.output, "train": args.train, "val": args.val, "seed": args.seed})
        )
    return 0
