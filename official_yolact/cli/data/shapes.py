"""`yolact data shapes`: draw the embedded data set."""

from __future__ import annotations

import argparse
import time
from typing import Any

from official_yolact.cli import options
from official_yolact.cli import progress


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "shapes",
        help="draw the embedded data set",
        description="Draw a COCO-format data set of shapes: instances_train.json, instances_val.json,"
        " train/*.jpg and val/*.jpg. Equal options give equal files.",
    )
    options.add_output(parser)
    options.add_count(parser, "--train", 2000, "training images")
    options.add_count(parser, "--val", 250, "validation images")
    options.add_count(parser, "--size", 128, "side of the images", "PX")
    parser.add_argument(
        "--cell",
        type=int,
        metavar="PX",
        help="shapes as large as in images of this side, and as many for each square of it: large photos of"
        " many small objects (the size)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="(%(default)s)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (one for each core)")
    options.set_run(parser, run)


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
        cell=args.cell,
        workers=args.workers,
        force=args.force,
        progress=progress.Progress("images"),
    )
    seconds = time.monotonic() - started
    progress.say(f"{args.train} training and {args.val} validation images in {args.output} ({seconds:.1f} s)")
    options.print_json(args, {name: getattr(args, name) for name in ("output", "train", "val", "seed")})
    return 0
