"""`yolact data split`: a COCO instances file into parts."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from official_yolact.cli import options
from official_yolact.cli import progress


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "split",
        help="divide a data set into parts, such as train and val",
        description="Write DIR/instances_NAME.json for each part. Images of one group never come to two"
        " parts; equal options give equal files, whatever the order of the entries.",
    )
    options.add_annotations(parser)
    options.add_output(parser)
    parser.add_argument(
        "--fractions",
        default="train=0.8,val=0.2",
        metavar="NAME=F,...",
        help="parts and their shares of the images (%(default)s)",
    )
    parser.add_argument(
        "--group-by",
        metavar="HOW",
        help="keep images together: 'folder', 'field:NAME' of their entries, or a regular expression that is"
        " searched in file names, of which the groups count",
    )
    parser.add_argument(
        "--images", metavar="DIR", help="folder of the images: byte-identical ones stay together"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="(%(default)s)")
    parser.add_argument(
        "--stratify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="give each part its share of every class (default: yes)",
    )
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Divide a data set into parts."""
    from official_yolact.data import split

    summary = split.split_coco(
        args.annotations,
        args.output,
        split.parse_fractions(args.fractions),
        group_by=args.group_by,
        images_dir=args.images,
        seed=args.seed,
        stratify=args.stratify,
        force=args.force,
    )
    for part in summary.parts:
        progress.say(f"{part.path}: {part.images} images, {part.annotations} annotations")
        if part.absent:
            progress.say(f"  {part.name} has nothing of: {', '.join(part.absent)}")
    if args.group_by:
        progress.say(f"{summary.groups} groups kept together")
    if summary.equal_images:
        progress.say(f"{summary.equal_images} images have bytes that another has too: they stayed together")
    if summary.orphans:
        progress.say(f"left out: {summary.orphans} annotations of images that are not listed")
    if summary.nulled:
        progress.say(f"{summary.nulled} numbers that are NaN or infinite are written as null")
    if summary.leak:
        progress.say(f"{summary.leak}; scores would measure memory")
    options.print_json(args, dataclasses.asdict(summary))
    return 0
