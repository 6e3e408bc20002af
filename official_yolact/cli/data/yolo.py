"""`yolact data yolo`: the text files of YOLO segmentation to a COCO instances file."""

from __future__ import annotations

import argparse
from typing import Any

from official_yolact.cli.data import reading


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "yolo",
        help="YOLO segmentation text files to COCO JSON",
        description="Write the COCO instances file of one split of a YOLO segmentation data set: labels in a"
        " folder `labels` beside `images`, a class and the points of a polygon on each line.",
    )
    parser.add_argument("source", metavar="FOLDER|DATA.yaml", help="data.yaml, or the data set's folder")
    parser.add_argument(
        "--split", metavar="NAME", help="key of data.yaml (train), or folder of a set without data.yaml"
    )
    parser.add_argument("--root", metavar="DIR", help="folder that data.yaml's paths are relative to")
    parser.add_argument(
        "--boxes",
        choices=("skip", "fill"),
        default="skip",
        help="boxes without a mask: leave them out, or take their inside as the mask (%(default)s)",
    )
    reading.add_options(parser, "in this order (those of data.yaml or classes.txt)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Turn text files of YOLO segmentation into a COCO instances file."""
    from official_yolact.data.formats import yolo

    return reading.run(
        args,
        yolo.write_coco,
        args.source,
        kept="image_without_label",
        split=args.split,
        root=args.root,
        boxes=args.boxes,
    )
